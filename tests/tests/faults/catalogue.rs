//! The demo's catalogue as a stranger reads it: rows from the artifact's file, everything else from `GET /v1/items`.

use std::collections::HashMap;
use std::sync::LazyLock;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tests::{Request, Service, model_dir};

use crate::answers::{list, strings, text};
use crate::safetensors::SafeTensors;

/// The items in the order of their rows.
pub(crate) struct Catalogue {
    pub(crate) items: Vec<Item>,
    /// The name under which accelerators serve it.
    pub(crate) model: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) year: u64,
    pub(crate) genres: Vec<String>,
}

/// The demo's.
pub(crate) fn demo() -> &'static Catalogue {
    static DEMO: LazyLock<Catalogue> = LazyLock::new(|| {
        let read = Service::demo().and_then(|service| Catalogue::of(&service));
        read.unwrap_or_else(|error| panic!("{error:#}"))
    });
    &DEMO
}

impl Catalogue {
    /// The item at a place, counted on from the start again after the last.
    pub(crate) fn at(&self, place: usize) -> &Item {
        &self.items[place % self.items.len()]
    }

    /// What a service of the demo has.
    fn of(service: &Service) -> Result<Self> {
        let mut items = listed(service)?;
        let ids = ids()?;
        let mut digest = Sha256::new();
        ids.iter().for_each(|id| digest.update(format!("{id}\n")));
        let digits: String = digest.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let items = ids.iter().map(|id| items.remove(id).with_context(|| format!("{id} isn't listed")));
        Ok(Self { items: items.collect::<Result<_>>()?, model: format!("marquee-{digits}") })
    }
}

/// The ids in the order of rows.
fn ids() -> Result<Vec<String>> {
    let mut file = SafeTensors::read(&model_dir().join("catalogue.safetensors"));
    let offsets: Vec<usize> = file
        .bytes("id_offsets")
        .as_chunks::<4>()
        .0
        .iter()
        .map(|bytes| u32::from_le_bytes(*bytes) as usize)
        .collect();
    let bytes = file.bytes("id_bytes");
    offsets.windows(2).map(|ends| Ok(str::from_utf8(&bytes[ends[0]..ends[1]])?.to_owned())).collect()
}

/// All items by their ids.
fn listed(service: &Service) -> Result<HashMap<String, Item>> {
    let mut items = HashMap::new();
    let mut path = "/v1/items?limit=100".to_owned();
    loop {
        let page = list(&service.send(&Request::new("GET", &path))?);
        for item in page["items"].as_array().context("a list")? {
            let item = Item::of(item)?;
            items.insert(item.id.clone(), item);
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/v1/items?limit=100&cursor={cursor}"),
            None => break,
        }
    }
    ensure!(!items.is_empty(), "the demo has no items");
    Ok(items)
}

impl Item {
    fn of(item: &Value) -> Result<Self> {
        let genres = strings(&item["genres"]).into_iter().map(str::to_owned).collect();
        let year = item["year"].as_u64().context("a year")?;
        Ok(Self { id: text(&item["item_id"]).to_owned(), year, genres })
    }
}

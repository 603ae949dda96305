//! Building a catalogue's columns, and checking every row of them.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};

use super::{Catalogue, GENRES_KEY, GENRES_LIMIT, Row, id_index};
use crate::api::id;
use crate::model::error::ArtifactError;
use crate::model::tensors::{self, TensorData};

/// The columns of a catalogue being built.
#[derive(Debug, Default)]
pub struct CatalogueColumns {
    genre_names: Vec<String>,
    ids: Texts,
    titles: Texts,
    year: Vec<u16>,
    genres: Vec<u64>,
    popularity: Vec<u32>,
}

#[derive(Debug)]
struct Texts {
    bytes: Vec<u8>,
    offsets: Vec<u32>,
}

impl Default for Texts {
    fn default() -> Self {
        Self { bytes: Vec::new(), offsets: vec![0] }
    }
}

impl Texts {
    fn push(&mut self, text: &str) -> Result<(), &'static str> {
        self.bytes.extend_from_slice(text.as_bytes());
        let end = u32::try_from(self.bytes.len()).map_err(|_| "more than 4 GiB of text in one column")?;
        self.offsets.push(end);
        Ok(())
    }

    fn get(&self, row: usize) -> &[u8] {
        &self.bytes[self.offsets[row] as usize..self.offsets[row + 1] as usize]
    }
}

impl CatalogueColumns {
    /// No items yet; `genre_names` in the order of their bits.
    ///
    /// # Errors
    /// More than 64 genres.
    pub fn new(genre_names: Vec<String>) -> Result<Self, String> {
        if genre_names.len() > GENRES_LIMIT {
            return Err(format!("{} genres; a catalogue holds at most {GENRES_LIMIT}", genre_names.len()));
        }
        Ok(Self { genre_names, ..Self::default() })
    }

    /// Adds the next row. `title` may be empty and `year` 0 when unknown; `genres` are bits into the names.
    ///
    /// # Errors
    /// When the id is not of the form.
    pub fn push(
        &mut self,
        id: &str,
        title: &str,
        year: u16,
        genres: u64,
        popularity: u32,
    ) -> Result<(), String> {
        if !id::is_valid(id) {
            return Err(format!("item id {id:?}: {}", id::InvalidId));
        }
        self.ids.push(id)?;
        self.titles.push(title)?;
        self.year.push(year);
        self.genres.push(genres);
        self.popularity.push(popularity);
        Ok(())
    }

    /// The slots of an [`IdIndex`](super::IdIndex) of these items, whose ids are distinct.
    #[must_use]
    pub fn id_slots(&self) -> Vec<u32> {
        id_index::slots((0..self.year.len()).map(|row| self.ids.get(row)))
    }

    /// Writes `catalogue.safetensors`.
    ///
    /// # Errors
    /// What the writer says; two items of one id.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let rows = self.year.len();
        let mut id_order: Vec<u32> = (0..rows as u32).collect();
        id_order.sort_by_key(|&row| self.ids.get(row as usize));
        if let Some(twice) =
            id_order.windows(2).find(|w| self.ids.get(w[0] as usize) == self.ids.get(w[1] as usize))
        {
            let id = String::from_utf8_lossy(self.ids.get(twice[0] as usize));
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("item id {id:?} is there twice")));
        }
        let mut popularity_order: Vec<u32> = (0..rows as u32).collect();
        popularity_order.sort_by_key(|&row| (Reverse(self.popularity[row as usize]), row));
        let names = serde_json::to_string(&self.genre_names)?;
        let metadata = BTreeMap::from([("format", "marquee-catalogue-1".into()), (GENRES_KEY, names)]);
        let tensors = vec![
            TensorData::new("id_bytes", &[self.ids.bytes.len()], &self.ids.bytes),
            TensorData::new("id_offsets", &[rows + 1], &self.ids.offsets),
            TensorData::new("id_order", &[rows], &id_order),
            TensorData::new("title_bytes", &[self.titles.bytes.len()], &self.titles.bytes),
            TensorData::new("title_offsets", &[rows + 1], &self.titles.offsets),
            TensorData::new("year", &[rows], &self.year),
            TensorData::new("genres", &[rows], &self.genres),
            TensorData::new("popularity", &[rows], &self.popularity),
            TensorData::new("popularity_order", &[rows], &popularity_order),
        ];
        tensors::write(out, &metadata, tensors)
    }
}

pub(super) fn verify(catalogue: &Catalogue, file: &str) -> Result<(), ArtifactError> {
    let fault = |tensor: &str, row: usize, detail: &str| {
        Err(ArtifactError::tensor(file, tensor, format_args!("row {row}: {detail}")))
    };
    let named = u64::MAX.checked_shr(64 - catalogue.genre_names.len() as u32).unwrap_or(0);
    for row in 0..catalogue.len() {
        let Some(id) = catalogue.id(row as Row) else {
            return fault("id_offsets", row, "not a piece of id_bytes");
        };
        if !id::is_valid(id) {
            return fault("id_bytes", row, &id::InvalidId.to_string());
        }
        if super::text(catalogue.title_bytes.as_slice(), catalogue.title_offsets.as_slice(), row as Row)
            .is_none()
        {
            return fault("title_offsets", row, "not a piece of title_bytes in UTF-8");
        }
        if catalogue.genres.as_slice()[row] & !named != 0 {
            return fault("genres", row, "a bit without a name");
        }
    }
    let ids: Vec<_> = catalogue.id_order.as_slice().iter().map(|&row| catalogue.id(row)).collect();
    if let Some(row) = ids.iter().position(Option::is_none) {
        return fault("id_order", row, "not a row of the catalogue");
    }
    if let Some(row) = ids.windows(2).position(|pair| pair[0] >= pair[1]) {
        return fault("id_order", row + 1, "not in ascending order of distinct ids");
    }
    let key = |row: &u32| (Reverse(catalogue.popularity(*row)), *row);
    let order = catalogue.by_popularity();
    if let Some(row) = order.iter().position(|&row| row as usize >= catalogue.len()) {
        return fault("popularity_order", row, "not a row of the catalogue");
    }
    if let Some(row) = order.windows(2).position(|pair| key(&pair[0]) >= key(&pair[1])) {
        return fault("popularity_order", row + 1, "not in descending order of popularity, equals by row");
    }
    Ok(())
}

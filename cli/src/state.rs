//! The store that `marquee serve` keeps people's state in.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use aws_lambda_events::dynamodb;
use shared::store::DynamoDb;
use shared::store::embedded::{Embedded, feed};
use shared::store::{Events, Folding, Loading, People, Profiles};
use training::data::Dataset;

use crate::interactions::{self, Interactions};

/// Where people's state is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// In this file.
    File(PathBuf),
    /// In this table, whose stream a deployed `update-profiles` folds.
    DynamoDb(String),
    /// Nowhere.
    None,
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("dynamodb", table)) if !table.is_empty() => Ok(Self::DynamoDb(table.to_owned())),
            None if text == "none" => Ok(Self::None),
            _ => Err("expected file:PATH, dynamodb:TABLE or none".into()),
        }
    }
}

/// An open store, as its parts.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) profiles: Option<Arc<dyn Profiles>>,
    pub(crate) events: Option<Arc<dyn Events>>,
    pub(crate) people: Option<Arc<dyn People>>,
    /// Whose changes this process folds itself.
    file: Option<Embedded>,
}

impl State {
    pub(crate) fn open(choice: &Choice) -> Result<Self> {
        match choice {
            Choice::None => Ok(Self { profiles: None, events: None, people: None, file: None }),
            Choice::File(path) => {
                if let Some(folder) = path.parent() {
                    fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))?;
                }
                let store = Embedded::open(path)?;
                Ok(Self { file: Some(store.clone()), ..Self::of(Arc::new(store)) })
            }
            Choice::DynamoDb(table) => Ok(Self::of(Arc::new(table_named(table)?))),
        }
    }

    fn of<S: Events + People + 'static>(store: Arc<S>) -> Self {
        Self { profiles: Some(store.clone()), events: Some(store.clone()), people: Some(store), file: None }
    }

    /// Loads the interactions that a model was trained on, if they weren't loaded before; what is in a table is left as
    /// it is.
    pub(crate) async fn seed(&self, mark: &str, data: impl FnOnce() -> Result<Dataset>) -> Result<()> {
        let Some(store) = &self.file else { return Ok(()) };
        if store.seeded(mark).await? {
            return Ok(());
        }
        let Interactions { events, skipped } = interactions::of(&data()?);
        store.load(&events).await?;
        store.mark_seeded(mark).await?;
        eprintln!("{} interactions loaded: who is in the data is known", events.len());
        if skipped > 0 {
            eprintln!("{skipped} were left out: the ids of their users or items can't be ids here");
        }
        Ok(())
    }

    /// Folds what changes in the file into profiles, by the function that does it on Lambda, until `shutdown`.
    pub(crate) async fn fold(self, shutdown: impl Future<Output = ()>) {
        let Some(store) = self.file else { return shutdown.await };
        let folding: Arc<dyn Folding> = Arc::new(store.clone());
        let handle = async |event: dynamodb::Event| {
            Ok::<_, std::convert::Infallible>(update_profiles::handle(event, &folding).await)
        };
        feed::run(&store, handle, shutdown).await;
    }
}

/// A table by its name, all else as the environment says.
fn table_named(table: &str) -> Result<DynamoDb> {
    let _ = table;
    bail!("TODO")
}

/// `marquee data load`: puts interactions into a store.
pub(crate) async fn load(choice: &Choice, data: &Dataset) -> Result<usize> {
    let Interactions { events, skipped } = interactions::of(data);
    match choice {
        Choice::None => bail!("there is nothing to load into: --store file:PATH or dynamodb:TABLE"),
        Choice::File(path) => Embedded::open(path)?.load(&events).await?,
        Choice::DynamoDb(table) => table_named(table)?.load(&events).await?,
    }
    let _ = skipped;
    Ok(events.len())
}

/// The file for what is served without a choice: beside the models made on first use.
pub(crate) fn default_file(name: &str) -> Choice {
    Choice::File(Path::new(crate::cache::FOLDER).join(format!("{name}.store")))
}

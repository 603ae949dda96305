//! The store that `marquee serve` keeps people's state in.

use std::convert::Infallible;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::{fmt, fs};

use anyhow::{Context, Result, anyhow};
use aws_lambda_events::dynamodb;
use shared::aws;
use shared::store::embedded::{Embedded, feed};
use shared::store::{Events, Folding, Loading, People, Profiles};
use training::data::{self, Dataset, ReadOptions};
use training::demo;

use crate::cache;
use crate::commands::ServeOptions;
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
    choice: Choice,
}

/// A line for whoever starts the service.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.choice {
            Choice::File(path) => write!(f, "what people do is kept in {}", path.display()),
            Choice::DynamoDb(table) => write!(f, "what people do is kept in the table {table}"),
            Choice::None => f.write_str("what people do is not kept (--store none)"),
        }
    }
}

impl State {
    pub(crate) fn open(choice: &Choice) -> Result<Self> {
        match choice {
            Choice::None => {
                Ok(Self { profiles: None, events: None, people: None, file: None, choice: choice.clone() })
            }
            Choice::File(path) => {
                if let Some(folder) = path.parent() {
                    fs::create_dir_all(folder)
                        .with_context(|| format!("{} can't be made", folder.display()))?;
                }
                let store = Embedded::open(path).map_err(|error| {
                    anyhow!("{error}; --store file:PATH takes another file, --store none goes without")
                })?;
                Ok(Self { file: Some(store.clone()), ..Self::of(Arc::new(store), choice) })
            }
            Choice::DynamoDb(table) => {
                let table = aws::table_named(table).map_err(|error| anyhow!("{error}"))?;
                Ok(Self::of(table, choice))
            }
        }
    }

    fn of<S: Events + People + 'static>(store: Arc<S>, choice: &Choice) -> Self {
        Self {
            profiles: Some(store.clone()),
            events: Some(store.clone()),
            people: Some(store),
            file: None,
            choice: choice.clone(),
        }
    }

    /// The file and where it is, where it is one.
    pub(crate) fn file(&self) -> Option<(PathBuf, Embedded)> {
        match (&self.choice, &self.file) {
            (Choice::File(path), Some(store)) => Some((path.clone(), store.clone())),
            _ => None,
        }
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
        let handle = |event: dynamodb::Event| {
            let folding = Arc::clone(&folding);
            async move { Ok::<_, Infallible>(update_profiles::handle(event, &folding).await) }
        };
        feed::run(&store, handle, shutdown).await;
    }
}

/// The store that is asked for; without one a file beside the models that are made on first use.
pub(crate) fn choice(options: &ServeOptions) -> Choice {
    let named = |name: &str| Choice::File(Path::new(cache::FOLDER).join(format!("{name}.store")));
    options.store.clone().unwrap_or_else(|| match (&options.model, &options.data) {
        (Some(_), _) => named("people"),
        (None, Some(data)) => named(&cache::name_of(data)),
        (None, None) => named(demo::NAME),
    })
}

/// Makes whoever is in the data that are served known, once.
pub(crate) async fn seed(state: &State, options: &ServeOptions) -> Result<()> {
    match (&options.model, &options.data) {
        (Some(_), _) => Ok(()),
        (None, Some(path)) => {
            let mark = cache::fingerprint(path)?;
            state.seed(&mark, || Ok(data::read(path, &ReadOptions::default())?)).await
        }
        (None, None) => state.seed(env!("CARGO_PKG_VERSION"), || Ok(demo::dataset())).await,
    }
}

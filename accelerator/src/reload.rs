//! Taking new artifacts into service while requests are answered.
//!
//! A directory is looked at each second, and at once on SIGHUP. What has changed is opened and checked in full beside
//! what is served, and takes over only then; what does not verify is logged, counted, and not tried again until it changes.
//!
//! A new catalogue is a new name on the wire. The old name then stays in service for a grace period, since functions with
//! the old artifact still ask for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task;
use tokio::time::Instant;

use crate::models::{Model, ModelError, Models, Serving};
use crate::stamp::Stamp;

/// The directories that models come from.
#[derive(Debug)]
pub struct Sources {
    sources: Vec<Source>,
    serving: Serving,
    models: Arc<Models>,
    grace: Duration,
}

/// One directory.
#[derive(Debug)]
struct Source {
    path: PathBuf,
    /// Of what was tried last, whether it was of use or not.
    stamps: Vec<Option<Stamp>>,
    current: Arc<Model>,
    /// A model of another catalogue that was here before, and when it ends.
    former: Option<(Arc<Model>, Instant)>,
}

impl Sources {
    /// Opens the artifact of each directory, and serves them. `grace` is how long a name outlives its catalogue.
    ///
    /// # Errors
    /// When one can't be served, or two have one catalogue.
    pub async fn open(
        paths: &[PathBuf],
        serving: Serving,
        models: Arc<Models>,
        grace: Duration,
    ) -> Result<Self, ModelError> {
        let mut sources: Vec<Source> = Vec::new();
        for path in paths {
            let (stamps, opened) = open(path.clone(), serving.clone()).await;
            let current = Arc::new(opened?);
            if let Some(other) = sources.iter().find(|source| source.current.name == current.name) {
                return Err(same_catalogue(&other.path, path, &current));
            }
            sources.push(Source { path: path.clone(), stamps, current, former: None });
        }
        let sources = Self { sources, serving, models, grace };
        sources.publish();
        Ok(sources)
    }

    /// Takes in what has changed, or everything if `all`; ends what has outlived its grace.
    pub async fn look(&mut self, all: bool) {
        let mut has_changed = false;
        for index in 0..self.sources.len() {
            let source = &self.sources[index];
            if all || Stamp::of_directory(&source.path) != source.stamps {
                has_changed |= self.reload(index).await;
            }
        }
        let now = Instant::now();
        for source in &mut self.sources {
            if let Some((former, _)) = source.former.take_if(|(_, ends)| *ends <= now) {
                tracing::info!(model = former.name, "no longer served: its catalogue was replaced");
                has_changed = true;
            }
        }
        if has_changed {
            self.publish();
        }
    }

    /// Whether another artifact than before is now the directory's.
    async fn reload(&mut self, index: usize) -> bool {
        let path = self.sources[index].path.clone();
        let (stamps, opened) = open(path.clone(), self.serving.clone()).await;
        let opened = opened.and_then(|model| {
            let mut others = self.sources.iter().enumerate().filter(|(other, _)| *other != index);
            match others.find(|(_, other)| other.current.name == model.name) {
                Some((_, other)) => Err(same_catalogue(&other.path, &path, &model)),
                None => Ok(model),
            }
        });
        let source = &mut self.sources[index];
        source.stamps = stamps;
        self.serving.metrics.reloaded("model", opened.is_ok());
        match opened {
            Ok(model) => {
                tracing::info!(model = model.name, version = model.version, "a new model is in service");
                source.replace(Arc::new(model), self.grace);
                true
            }
            Err(error) => {
                let serving = &source.current;
                tracing::warn!(%error, version = serving.version, "a new model can't be served; the old one stays");
                false
            }
        }
    }

    fn publish(&self) {
        let former = self.sources.iter().filter_map(|source| Some(&source.former.as_ref()?.0));
        // What is current comes last, so that it takes its name from a former one.
        let all = former.chain(self.sources.iter().map(|source| &source.current));
        self.models.serve(all.cloned());
    }
}

impl Source {
    fn replace(&mut self, model: Arc<Model>, grace: Duration) {
        let before = std::mem::replace(&mut self.current, model);
        if before.name != self.current.name {
            tracing::info!(
                model = before.name,
                seconds = grace.as_secs(),
                "its catalogue was replaced; it ends then"
            );
            self.former = Some((before, Instant::now() + grace));
        }
    }
}

async fn open(path: PathBuf, serving: Serving) -> (Vec<Option<Stamp>>, Result<Model, ModelError>) {
    let work = task::spawn_blocking(move || (Stamp::of_directory(&path), serving.open(&path)));
    work.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

fn same_catalogue(first: &Path, second: &Path, model: &Model) -> ModelError {
    ModelError::SameCatalogue { first: first.to_owned(), second: second.to_owned(), name: model.name.clone() }
}

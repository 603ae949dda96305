//! What is served: models by their names on the wire.
//!
//! Each artifact that was opened has an engine and a queue of its own ([`Model`]), for as long as anybody holds it. Taking
//! a new artifact into service is one exchange of the table: a request finds the old model or the new one, and is checked,
//! queued and computed by that one alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use shared::accelerator::contract;
use shared::model::folder::Folder;
use shared::model::manifest::Manifest;
use shared::model::{Artifact, ArtifactError, verify};

use crate::batcher::{Batcher, Batching};
use crate::engine::{Device, EngineError};
use crate::metrics::{Metrics, ModelInfo, ModelLabel};

/// How often an artifact may be exchanged while it is opened before that is called a fault.
const EXCHANGES: usize = 16;

/// An artifact in service.
#[derive(Debug)]
pub struct Model {
    /// Its name on the wire: that of its catalogue.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The artifact's digest.
    pub digest: String,
    /// `als` or `sasrec`.
    pub kind: &'static str,
    /// Items of its catalogue.
    pub items: usize,
    /// What computes it.
    pub device: Device,
    /// How its requests are put together.
    pub batching: Batching,
    /// Its queue.
    pub batcher: Batcher,
}

/// Why an artifact can't be served.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// It is broken, or not there.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// Its engine can't be made.
    #[error("{}: {why}", path.display())]
    Engine {
        /// The artifact.
        path: PathBuf,
        /// Why.
        why: EngineError,
    },
    /// Another directory holds a model of the same catalogue, and so of the same name.
    #[error(
        "{} and {} hold models of one catalogue, and would both be served as {name}: give one of them", first.display(),
        second.display()
    )]
    SameCatalogue {
        /// The one directory.
        first: PathBuf,
        /// The other.
        second: PathBuf,
        /// The name.
        name: String,
    },
    /// It is exchanged faster than it can be read.
    #[error("{}: was exchanged for another again and again while it was read", .0.display())]
    Exchanged(PathBuf),
}

/// How models are opened and served.
#[derive(Clone, Debug)]
pub struct Serving {
    /// What computes.
    pub device: Device,
    /// How requests are put together.
    pub batching: Batching,
    /// Where it is counted.
    pub metrics: Metrics,
}

impl Serving {
    /// Opens the artifact in a directory, checks all of it, and starts its queue. Reads the whole artifact: not for a
    /// thread that serves connections. It must be called in a Tokio runtime.
    ///
    /// # Errors
    /// When the artifact does not verify, or the engine can't be made.
    pub fn open(&self, path: &Path) -> Result<Model, ModelError> {
        let (artifact, folder) = verified(path)?;
        let artifact = Arc::new(artifact);
        let name = contract::model_name(&artifact.manifest.catalogue_digest);
        let engine = self.device.engine(Arc::clone(&artifact), &folder);
        let engine = engine.map_err(|why| ModelError::Engine { path: path.to_owned(), why })?;
        Ok(Model {
            version: artifact.config.version.clone(),
            digest: artifact.manifest.digest.clone(),
            kind: artifact.config.kind.name(),
            items: artifact.catalogue.len(),
            device: self.device,
            batching: self.batching,
            batcher: Batcher::start(engine, self.batching, self.metrics.of_model(&name)),
            name,
        })
    }
}

/// An artifact that was checked in full, and the directory that it is in: an engine reads weights from there again.
fn verified(path: &Path) -> Result<(Artifact, Folder), ModelError> {
    for _ in 0..EXCHANGES {
        let folder = Folder::open(path)?;
        let artifact = verify::verify(path, None)?;
        let is_same = Manifest::read(&folder).is_ok_and(|manifest| manifest == artifact.manifest);
        if is_same && !folder.was_exchanged() {
            return Ok((artifact, folder));
        }
    }
    Err(ModelError::Exchanged(path.to_owned()))
}

/// The models in service.
#[derive(Debug)]
pub struct Models {
    table: RwLock<Arc<Table>>,
    metrics: Metrics,
}

/// Models by name.
pub type Table = BTreeMap<String, Arc<Model>>;

impl Models {
    /// None yet.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        Self { table: RwLock::default(), metrics }
    }

    /// The model of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<Model>> {
        self.table().get(name).cloned()
    }

    /// All of them, as they are in this instant.
    #[must_use]
    pub fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Serves these from now on. Requests that have found another model finish with that one.
    pub fn serve(&self, models: impl IntoIterator<Item = Arc<Model>>) {
        let table: Table = models.into_iter().map(|model| (model.name.clone(), model)).collect();
        let table = Arc::new(table);
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&table);
        self.metrics.models.clear();
        self.metrics.queue.clear();
        for model in table.values() {
            let info = ModelInfo {
                model: model.name.clone(),
                version: model.version.clone(),
                kind: model.kind,
                device: model.device.to_string(),
            };
            self.metrics.models.get_or_create(&info).set(1);
        }
    }

    /// `/metrics`, with the queues as they are in this instant.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        for model in self.table().values() {
            let label = ModelLabel { model: model.name.clone() };
            let waiting = i64::try_from(model.batcher.waiting()).unwrap_or(i64::MAX);
            self.metrics.queue.get_or_create(&label).set(waiting);
        }
        self.metrics.text()
    }
}

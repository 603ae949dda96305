//! Opening an artifact: map, check headers, go.

use std::path::Path;

use super::Recommender;
use super::als::Als;
use super::config::{Kind, ModelConfig};
use super::error::ArtifactError;
use super::folder::Folder;
use super::manifest::Manifest;
use super::sasrec::Sasrec;
use super::serving::Serving;
use crate::catalogue::Catalogue;

/// What the model is.
pub const CONFIG: &str = "config.json";
/// Its weights.
pub const MODEL: &str = "model.safetensors";
/// Its items.
pub const CATALOGUE: &str = "catalogue.safetensors";
/// What is derived from the weights to answer faster; optional.
pub const SERVING: &str = "serving.safetensors";
/// Digests of the others.
pub const MANIFEST: &str = "manifest.json";
/// A signature over the manifest; optional.
pub const SIGNATURE: &str = "manifest.sig";

/// How often a directory may be exchanged while it is opened before that is called a fault.
pub(super) const EXCHANGES: usize = 16;

/// An open artifact, ready to answer.
pub struct Artifact {
    /// What the model is.
    pub config: ModelConfig,
    /// Its digests.
    pub manifest: Manifest,
    /// Its items.
    pub catalogue: Catalogue,
    recommender: Box<dyn Recommender>,
    has_serving: bool,
}

impl std::fmt::Debug for Artifact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Artifact")
            .field("config", &self.config)
            .field("manifest", &self.manifest)
            .finish_non_exhaustive()
    }
}

impl Artifact {
    /// Opens the artifact in a directory. Time and memory do not grow with the number of items, except that without
    /// `serving.safetensors` the Gram matrix is computed here.
    ///
    /// # Errors
    /// Names the file, and the tensor where one is concerned. Digests and values are [`super::verify`]'s to check.
    pub fn open(path: &Path) -> Result<Self, ArtifactError> {
        Self::with_folder(path).map(|(artifact, _)| artifact)
    }

    /// The same, with the directory that it was opened in. A directory that is exchanged while it is being opened has its
    /// files removed; the one that took its place is opened then.
    pub(super) fn with_folder(path: &Path) -> Result<(Self, Folder), ArtifactError> {
        for _ in 0..EXCHANGES {
            let folder = Folder::open(path)?;
            match Self::in_folder(&folder) {
                Err(_) if folder.was_exchanged() => {}
                outcome => return outcome.map(|artifact| (artifact, folder)),
            }
        }
        Err(ArtifactError::file(
            path.display(),
            "was exchanged for another again and again while it was opened",
        ))
    }

    fn in_folder(folder: &Folder) -> Result<Self, ArtifactError> {
        let manifest = Manifest::read(folder)?;
        manifest.files.keys().try_for_each(|name| manifest.check_size(folder, name))?;

        let config = ModelConfig::parse(&folder.json(CONFIG)?)
            .map_err(|error| ArtifactError::file(folder.path_of(CONFIG).display(), error))?;
        let catalogue = Catalogue::new(&folder.tensors(CATALOGUE)?)?;
        let weights = folder.tensors(MODEL)?;
        let has_serving = manifest.files.contains_key(SERVING);
        let serving = if has_serving {
            Some(Serving::new(&folder.tensors(SERVING)?, catalogue.len(), &config.kind)?)
        } else {
            None
        };
        let catalogue = catalogue.with_id_index(serving.as_ref().and_then(|serving| serving.ids.clone()));
        let recommender: Box<dyn Recommender> = match &config.kind {
            Kind::Als(als) => Box::new(Als::new(als, &weights, catalogue.len(), serving)?),
            Kind::Sasrec(sasrec) => Box::new(Sasrec::new(sasrec, &weights, catalogue.len(), serving)?),
        };
        Ok(Self { config, manifest, catalogue, recommender, has_serving })
    }

    /// The model.
    #[must_use]
    pub fn recommender(&self) -> &dyn Recommender {
        self.recommender.as_ref()
    }

    /// Whether the derived tensors are there.
    #[must_use]
    pub fn has_serving(&self) -> bool {
        self.has_serving
    }
}

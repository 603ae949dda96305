//! Opening an artifact: map, check headers, go.

use std::fs;
use std::path::Path;

use super::Recommender;
use super::als::Als;
use super::config::{Kind, ModelConfig};
use super::error::ArtifactError;
use super::manifest::Manifest;
use super::serving::Serving;
use super::tensors::TensorFile;
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

/// `config.json` and `manifest.json` hold no more than this: a few names and numbers.
const JSON_LIMIT: u64 = 1024 * 1024;

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
    pub fn open(folder: &Path) -> Result<Self, ArtifactError> {
        if !folder.is_dir() {
            return Err(ArtifactError::file(folder.display(), "no model: this is not a directory"));
        }
        let manifest_path = folder.join(MANIFEST);
        check_json_size(&manifest_path)?;
        let manifest = Manifest::read(&manifest_path)?;
        manifest.files.keys().try_for_each(|name| manifest.check_size(folder, name))?;

        let config_path = folder.join(CONFIG);
        check_json_size(&config_path)?;
        let config = fs::read(&config_path).map_err(|error| ArtifactError::io(&config_path, error))?;
        let config =
            ModelConfig::parse(&config).map_err(|error| ArtifactError::file(config_path.display(), error))?;

        let catalogue = Catalogue::new(&TensorFile::open(&folder.join(CATALOGUE))?)?;
        let weights = TensorFile::open(&folder.join(MODEL))?;
        let has_serving = manifest.files.contains_key(SERVING);
        let Kind::Als(als) = &config.kind;
        let serving = if has_serving {
            Some(Serving::new(&TensorFile::open(&folder.join(SERVING))?, catalogue.len(), als.factors)?)
        } else {
            None
        };
        let recommender = Box::new(Als::new(als, &weights, catalogue.len(), serving)?);
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

fn check_json_size(path: &Path) -> Result<(), ArtifactError> {
    let bytes = fs::metadata(path).map_err(|error| ArtifactError::io(path, error))?.len();
    if bytes > JSON_LIMIT {
        return Err(ArtifactError::file(
            path.display(),
            format_args!("{bytes} bytes; at most {JSON_LIMIT} are taken"),
        ));
    }
    Ok(())
}

//! Checking an artifact in full: digests, signature, every row and every number. A release hook and `marquee verify`
//! pay for this; a cold start does not.

use std::path::Path;

use super::als::ITEM_FACTORS;
use super::artifact::{Artifact, CATALOGUE, MANIFEST, MODEL, SERVING, SIGNATURE};
use super::config::Kind;
use super::error::ArtifactError;
use super::manifest::{self, FileDigest};
use super::serving;
use super::tensors::TensorFile;

/// Checks everything that can be wrong with an artifact. With a public key the signature must be there and its own.
///
/// # Errors
/// The first fault found; it names the file, and the tensor where one is concerned.
pub fn verify(folder: &Path, public_key: Option<&Path>) -> Result<Artifact, ArtifactError> {
    let artifact = Artifact::open(folder)?;
    for (name, expected) in &artifact.manifest.files {
        let path = folder.join(name);
        let found = FileDigest::of(&path)?;
        if found != *expected {
            let detail = format_args!(
                "altered: SHA-256 is {}, where the manifest says {}",
                found.sha256, expected.sha256
            );
            return Err(ArtifactError::file(path.display(), detail));
        }
    }
    if let Some(key) = public_key {
        let signature = folder.join(SIGNATURE);
        if !signature.exists() {
            return Err(ArtifactError::file(signature.display(), "missing: this artifact is not signed"));
        }
        manifest::check_signature(&folder.join(MANIFEST), &signature, key)?;
    }
    let catalogue_file = folder.join(CATALOGUE).display().to_string();
    artifact.catalogue.verify(&catalogue_file)?;
    if artifact.catalogue.digest() != artifact.manifest.catalogue_digest {
        return Err(ArtifactError::file(
            catalogue_file,
            "its ids do not have the catalogue digest of the manifest",
        ));
    }
    verify_numbers(folder, &artifact)?;
    Ok(artifact)
}

fn verify_numbers(folder: &Path, artifact: &Artifact) -> Result<(), ArtifactError> {
    let Kind::Als(als) = &artifact.config.kind;
    let shape = [Some(artifact.catalogue.len()), Some(als.factors)];
    let weights = TensorFile::open(&folder.join(MODEL))?;
    let matrix = weights.tensor::<f32, 2>(ITEM_FACTORS, shape)?;
    if let Some(place) = matrix.as_slice().iter().position(|v| !v.is_finite()) {
        let (row, column) = (place / als.factors, place % als.factors);
        let detail = format_args!("row {row}, column {column} is not finite");
        return Err(ArtifactError::tensor(weights.name(), ITEM_FACTORS, detail));
    }
    if artifact.has_serving() {
        let path = folder.join(SERVING);
        serving::verify(&TensorFile::open(&path)?, matrix.as_slice(), als.factors)?;
    }
    Ok(())
}

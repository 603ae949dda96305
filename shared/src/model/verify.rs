//! Checking an artifact in full: digests, signature, every row and every number. A release hook and `marquee verify`
//! pay for this; a cold start does not.

use std::path::Path;

use super::artifact::{Artifact, CATALOGUE, EXCHANGES, MODEL, SERVING, SIGNATURE};
use super::error::ArtifactError;
use super::folder::Folder;
use super::manifest::{self, FileDigest};
use super::serving;

/// Checks everything that can be wrong with an artifact. With a public key the signature must be there and its own.
///
/// # Errors
/// The first fault found; it names the file, and the tensor where one is concerned.
pub fn verify(path: &Path, public_key: Option<&Path>) -> Result<Artifact, ArtifactError> {
    for _ in 0..EXCHANGES {
        let (artifact, folder) = Artifact::with_folder(path)?;
        match verify_in(&folder, &artifact, public_key) {
            Err(_) if folder.was_exchanged() => {}
            outcome => return outcome.map(|()| artifact),
        }
    }
    Err(ArtifactError::file(path.display(), "was exchanged for another again and again while it was read"))
}

fn verify_in(folder: &Folder, artifact: &Artifact, public_key: Option<&Path>) -> Result<(), ArtifactError> {
    for (name, expected) in &artifact.manifest.files {
        let found = FileDigest::of(folder, name)?;
        if found != *expected {
            let detail = format_args!(
                "altered: SHA-256 is {}, where the manifest says {}",
                found.sha256, expected.sha256
            );
            return Err(ArtifactError::file(folder.path_of(name).display(), detail));
        }
    }
    if let Some(key) = public_key {
        if folder.file(SIGNATURE).is_err() {
            let detail = "missing: this artifact is not signed";
            return Err(ArtifactError::file(folder.path_of(SIGNATURE).display(), detail));
        }
        manifest::check_signature(folder, key)?;
    }
    let catalogue_file = folder.path_of(CATALOGUE).display().to_string();
    artifact.catalogue.verify(&catalogue_file)?;
    if artifact.catalogue.digest() != artifact.manifest.catalogue_digest {
        return Err(ArtifactError::file(
            catalogue_file,
            "its ids do not have the catalogue digest of the manifest",
        ));
    }
    verify_numbers(folder, artifact)
}

fn verify_numbers(folder: &Folder, artifact: &Artifact) -> Result<(), ArtifactError> {
    let kind = &artifact.config.kind;
    let weights = folder.tensors(MODEL)?;
    for (name, shape) in kind.tensors(artifact.catalogue.len()) {
        let values = weights.elements::<f32>(&name, &shape)?;
        if let Some(place) = values.as_slice().iter().position(|v| !v.is_finite()) {
            let detail = match *shape {
                [_, columns] => format!("row {}, column {} is not finite", place / columns, place % columns),
                _ => format!("number {place} is not finite"),
            };
            return Err(ArtifactError::tensor(weights.name(), name, detail));
        }
        if artifact.has_serving() && name == kind.item_matrix() {
            let id_slots = artifact.catalogue.id_slots();
            serving::verify(&folder.tensors(SERVING)?, values.as_slice(), kind, id_slots)?;
        }
    }
    Ok(())
}

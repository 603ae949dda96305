//! Small artifacts for tests, and what every store must do.

pub mod conformance;
mod sasrec;

use std::path::Path;

use tempfile::TempDir;

use crate::catalogue::CatalogueColumns;
use crate::model::als::ITEM_FACTORS;
use crate::model::config::{AlsConfig, EventWeights, FORMAT_VERSION, Kind, ModelConfig};
use crate::model::tensors::TensorData;
use crate::model::write::{NewArtifact, WriteOptions};

pub use sasrec::{SasrecWeights, sasrec_artifact, sasrec_config};

/// Words that name the items of [`artifact`], in row order.
pub const ITEMS: [&str; 8] = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel"];

/// An artifact of eight items in a temporary directory: `alpha` to `delta` are alike (genre `Calm`, 1980 to 1983), `echo`
/// to `hotel` are (genre `Loud`, 1984 to 1987); popularity falls from 80 by 10.
///
/// # Panics
/// When the temporary directory can't be written.
#[must_use]
pub fn artifact() -> TempDir {
    artifact_of(&ITEMS, 2, |row, d| if (row < 4) == (d == 0) { 1.0 + row as f32 / 16.0 } else { 0.1 })
}

/// An artifact of these items and factors in a temporary directory; see [`write_artifact`].
///
/// # Panics
/// When the temporary directory can't be written, or the items make no valid artifact.
#[must_use]
pub fn artifact_of(items: &[&str], factors: usize, factor: impl Fn(usize, usize) -> f32) -> TempDir {
    let folder = tempfile::tempdir().expect("tests need a temporary directory");
    write_artifact(folder.path(), items, factors, factor);
    folder
}

/// Writes an artifact of these items and factors, the factor of each row and dimension made by `factor`; genres and
/// years as in [`artifact`].
///
/// # Panics
/// When the directory can't be written, or the items make no valid artifact.
pub fn write_artifact(folder: &Path, items: &[&str], factors: usize, factor: impl Fn(usize, usize) -> f32) {
    let matrix: Vec<f32> = (0..items.len() * factors).map(|i| factor(i / factors, i % factors)).collect();
    let als =
        AlsConfig { factors, regularization: 0.01, alpha0: 0.1, epochs: None, init_std: None, seed: None };
    let config = ModelConfig {
        format_version: FORMAT_VERSION,
        kind: Kind::Als(als),
        name: "testing".into(),
        version: "1".into(),
        event_weights: EventWeights::default(),
        training: None,
        metrics: Default::default(),
    };
    let weights = vec![TensorData::new(ITEM_FACTORS, &[items.len(), factors], &matrix)];
    let artifact = NewArtifact { config, catalogue: catalogue(items), weights };
    let written = artifact.write(folder, WriteOptions { serving: true, sign: None });
    written.expect("the artifact is valid");
}

/// A catalogue of these items: the first half calm, the second loud, from 1980 on.
fn catalogue(items: &[&str]) -> CatalogueColumns {
    let mut catalogue = CatalogueColumns::new(vec!["Calm".into(), "Loud".into()]).expect("two genres fit");
    for (row, id) in items.iter().enumerate() {
        let (year, popularity) = (1980 + row as u16, 10 * (items.len() - row) as u32);
        let genre = if row < items.len() / 2 { 1 } else { 2 };
        let title = format!("Title of {id}");
        catalogue.push(id, &title, year, genre, popularity).expect("the caller's ids are valid");
    }
    catalogue
}

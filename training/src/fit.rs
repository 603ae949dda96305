//! From data to an artifact.

use std::path::Path;

use jiff::Timestamp;
use shared::catalogue::CatalogueColumns;
use shared::config::{ConfigError, source_date_epoch};
use shared::model::ArtifactError;
use shared::model::als::ITEM_FACTORS;
use shared::model::config::{AlsConfig, EventWeights, FORMAT_VERSION, Kind, ModelConfig, Training};
use shared::model::tensors::TensorData;
use shared::model::write::{NewArtifact, WriteOptions};

use crate::als::{self, AlsSettings, Interactions, Progress};
use crate::data::Dataset;
use crate::histories::Histories;

/// Why no artifact came of the data.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// The data can't be trained on.
    #[error("{source_name}: {detail}")]
    Data {
        /// Which data.
        source_name: String,
        /// Why.
        detail: String,
    },
    /// A setting can't be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The artifact can't be written.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}

/// What an artifact is called, and whether its data are made up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    /// The model's name.
    pub name: String,
    /// The model's version; empty for one that follows from the weights.
    pub version: String,
    /// Whether the interactions were simulated.
    pub simulated: bool,
}

/// Trains ALS on histories over the items of `data` and writes the artifact to `folder`. Returns the loss an epoch.
///
/// # Errors
/// When there is nothing to train on, or the artifact can't be written.
pub fn als(
    data: &Dataset,
    histories: &Histories,
    settings: &AlsSettings,
    naming: Naming,
    folder: &Path,
    options: WriteOptions<'_>,
    report: impl FnMut(Progress),
) -> Result<Vec<f64>, FitError> {
    let fault = |detail: String| FitError::Data { source_name: data.source.clone(), detail };
    let interactions = Interactions::of(&histories.by_user, histories.items);
    if interactions.is_empty() {
        return Err(fault("no interaction to train on".into()));
    }
    let catalogue = catalogue(data, &interactions.popularity()).map_err(fault)?;
    let trained = als::train(&interactions, settings, report);
    if trained.item_factors.iter().any(|v| !v.is_finite()) {
        return Err(fault(
            "training diverged: a factor is not finite; a larger --regularization may help".into(),
        ));
    }
    let config = ModelConfig {
        format_version: FORMAT_VERSION,
        kind: Kind::Als(als_config(settings)),
        name: naming.name,
        version: naming.version,
        event_weights: EventWeights::default(),
        training: Some(Training {
            source: data.source.clone(),
            users: histories.by_user.iter().filter(|history| !history.is_empty()).count(),
            interactions: interactions.len(),
            trained_at: trained_at()?,
            simulated: naming.simulated,
        }),
        metrics: [("loss".to_owned(), trained.losses.last().copied().unwrap_or_default())].into(),
    };
    let shape = [data.items.len(), settings.factors];
    let weights = vec![TensorData::new(ITEM_FACTORS, &shape, &trained.item_factors)];
    NewArtifact { config, catalogue, weights }.write(folder, options)?;
    Ok(trained.losses)
}

/// The catalogue of all items of `data`, in its order.
///
/// # Errors
/// When the data have more genres or text than the format holds.
pub fn catalogue(data: &Dataset, popularity: &[u32]) -> Result<CatalogueColumns, String> {
    let mut columns = CatalogueColumns::new(data.genres.clone())?;
    for (item, popularity) in data.items.iter().zip(popularity) {
        let genres = item.genres.iter().fold(0, |bits, genre| bits | 1_u64 << genre);
        columns.push(&item.id, &item.title, item.year, genres, *popularity)?;
    }
    Ok(columns)
}

fn als_config(settings: &AlsSettings) -> AlsConfig {
    AlsConfig {
        factors: settings.factors,
        regularization: settings.regularization,
        alpha0: settings.alpha0,
        epochs: Some(settings.epochs),
        init_std: Some(settings.init_std),
        seed: Some(settings.seed),
    }
}

/// Now, or what `SOURCE_DATE_EPOCH` says, to the second.
fn trained_at() -> Result<String, ConfigError> {
    let now = match source_date_epoch()? {
        Some(seconds) => Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH),
        None => Timestamp::now(),
    };
    Ok(now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

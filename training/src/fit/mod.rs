//! From data to an artifact.

mod als;

use std::path::Path;

use jiff::Timestamp;
use shared::catalogue::CatalogueColumns;
use shared::config::{ConfigError, source_date_epoch};
use shared::model::ArtifactError;
use shared::model::config::{EventWeights, FORMAT_VERSION, Kind, ModelConfig, Training};
use shared::model::write::WriteOptions;

use crate::als::AlsSettings;
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

/// What a model is trained on, and where it goes.
#[derive(Clone, Debug)]
pub struct Job<'a> {
    /// The items, and where they are from.
    pub data: &'a Dataset,
    /// What to learn from; its items are those of `data`.
    pub histories: &'a Histories,
    /// What the artifact is called.
    pub naming: Naming,
    /// Where it is written to.
    pub folder: &'a Path,
    /// How it is written.
    pub write: WriteOptions<'a>,
}

/// How far training is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Epochs done, from 1.
    pub epoch: usize,
    /// The training loss of the last; of no use for comparing kinds of model.
    pub loss: f64,
    /// NDCG@10 on users kept aside, where the trainer keeps some.
    pub validation_ndcg: Option<f64>,
    /// Seconds since training began.
    pub seconds: f64,
}

/// A kind of model to train, and how.
#[derive(Clone, Debug, PartialEq)]
pub enum Trainer {
    /// Implicit alternating least squares.
    Als(AlsSettings),
}

impl Trainer {
    /// The name of the kind of model.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Als(_) => "als",
        }
    }

    /// The most epochs it trains for.
    #[must_use]
    pub const fn epochs(&self) -> usize {
        match self {
            Self::Als(settings) => settings.epochs,
        }
    }

    /// The model's size, as in `64 factors`.
    #[must_use]
    pub fn size(&self) -> String {
        match self {
            Self::Als(settings) => format!("{} factors", settings.factors),
        }
    }

    /// Names and values of the settings, for people who want to do it again.
    #[must_use]
    pub fn settings(&self) -> Vec<(String, String)> {
        let settings = match self {
            Self::Als(settings) => als::listed(settings),
        };
        settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Trains and writes the artifact; `report` is called after each epoch. Returns how it stood after the epoch whose
    /// weights were written.
    ///
    /// # Errors
    /// When there is nothing to train on, training diverges, or the artifact can't be written.
    pub fn fit(&self, job: &Job<'_>, report: impl FnMut(Progress)) -> Result<Progress, FitError> {
        if job.histories.interactions() == 0 {
            return Err(job.fault("no interaction to train on"));
        }
        match self {
            Self::Als(settings) => als::fit(settings, job, report),
        }
    }
}

impl Job<'_> {
    fn fault(&self, detail: impl Into<String>) -> FitError {
        FitError::Data { source_name: self.data.source.clone(), detail: detail.into() }
    }

    /// The catalogue, with how many users have each item.
    fn catalogue(&self) -> Result<CatalogueColumns, FitError> {
        catalogue(self.data, &self.histories.popularity()).map_err(|detail| self.fault(detail))
    }

    /// What `config.json` says of a model that was trained on this just now.
    fn config(&self, kind: Kind, trained: Progress) -> Result<ModelConfig, FitError> {
        let metrics = [("loss", Some(trained.loss)), ("validation_ndcg@10", trained.validation_ndcg)];
        let metrics = metrics.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Ok(ModelConfig {
            format_version: FORMAT_VERSION,
            kind,
            name: self.naming.name.clone(),
            version: self.naming.version.clone(),
            event_weights: EventWeights::default(),
            training: Some(Training {
                source: self.data.source.clone(),
                users: self.histories.by_user.iter().filter(|history| !history.is_empty()).count(),
                interactions: self.histories.interactions(),
                trained_at: trained_at()?,
                simulated: self.naming.simulated,
            }),
            metrics: metrics.collect(),
        })
    }
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

/// Now, or what `SOURCE_DATE_EPOCH` says, to the second.
fn trained_at() -> Result<String, ConfigError> {
    let now = match source_date_epoch()? {
        Some(seconds) => Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH),
        None => Timestamp::now(),
    };
    Ok(now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

#[cfg(test)]
mod tests;

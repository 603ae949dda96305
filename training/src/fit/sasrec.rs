//! SASRec: from histories to a network in an artifact.

use shared::model::config::Kind;
use shared::model::tensors::TensorData;
use shared::model::write::NewArtifact;

use super::{FitError, Job, Progress, Report};
use crate::sasrec::{self, Settings, Stage, TrainError};

pub(super) fn fit(
    settings: &Settings,
    job: &Job<'_>,
    mut report: impl FnMut(Report),
) -> Result<Progress, FitError> {
    let catalogue = job.catalogue()?;
    let trained = sasrec::train(job.histories, settings, |stage| report(reported(&stage)));
    let trained = trained.map_err(|error| match error {
        TrainError::Settings(detail) => job.fault(detail),
        error => FitError::Sasrec(error),
    })?;
    let progress = Progress {
        epoch: trained.epoch,
        loss: trained.loss,
        validation_ndcg: trained.ndcg,
        seconds: trained.seconds,
    };
    let config = job.config(Kind::Sasrec(trained.config), progress)?;
    let of = |(name, shape, numbers)| TensorData::new(name, shape, numbers);
    let weights =
        trained.weights.iter().map(|(name, shape, numbers)| of((name.as_str(), shape, numbers))).collect();
    NewArtifact { config, catalogue, weights }.write(job.folder, job.write)?;
    Ok(progress)
}

fn reported(stage: &Stage) -> Report {
    match *stage {
        Stage::Planned(ref plan) => Report::Note(format!("sasrec: {plan}")),
        Stage::Resumed { epochs, batches } => {
            Report::Note(format!("sasrec: goes on after {epochs} epochs and {batches} steps of the next"))
        }
        Stage::Step { epoch, done, of, loss } => Report::Step { epoch, done, of, loss },
        Stage::Epoch { epoch, loss, ndcg, seconds } => {
            Report::Epoch(Progress { epoch, loss, validation_ndcg: ndcg, seconds })
        }
    }
}

/// Names and values of all settings.
pub(super) fn listed(settings: &Settings) -> Vec<(&'static str, String)> {
    let default =
        |value: Option<usize>, default: &str| value.map_or_else(|| default.to_owned(), |v| v.to_string());
    vec![
        ("dimensions", settings.dimensions.to_string()),
        ("length", settings.length.to_string()),
        ("blocks", settings.blocks.to_string()),
        ("heads", settings.heads.to_string()),
        ("feed forward", default(settings.feed_forward, "as dimensions")),
        ("dropout", settings.dropout.to_string()),
        ("learning rate", settings.learning_rate.to_string()),
        ("batch", default(settings.batch, "by the data")),
        ("epochs", settings.epochs.to_string()),
        ("patience", settings.patience.to_string()),
        ("sampled negatives", default(settings.negatives, "by the catalogue")),
        ("seed", settings.seed.to_string()),
    ]
}

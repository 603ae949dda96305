//! ALS: from histories to item factors in an artifact.

use std::time::Instant;

use shared::model::als::ITEM_FACTORS;
use shared::model::config::{AlsConfig, Kind};
use shared::model::tensors::TensorData;
use shared::model::write::NewArtifact;

use super::{FitError, Job, Progress};
use crate::als::{self, AlsSettings, Interactions, Solver};

pub(super) fn fit(
    settings: &AlsSettings,
    job: &Job<'_>,
    mut report: impl FnMut(Progress),
) -> Result<Progress, FitError> {
    let started = Instant::now();
    let catalogue = job.catalogue()?;
    let interactions = Interactions::of(&job.histories.by_user, job.histories.items);
    let mut last = Progress::default();
    let trained = als::train(&interactions, settings, |progress| {
        last = Progress {
            epoch: progress.epoch,
            loss: progress.loss,
            validation_ndcg: None,
            seconds: started.elapsed().as_secs_f64(),
        };
        report(last);
    });
    if trained.item_factors.iter().any(|v| !v.is_finite()) {
        return Err(
            job.fault("training diverged: a factor is not finite; a larger --regularization may help")
        );
    }
    let config = job.config(Kind::Als(config(settings)), last)?;
    let shape = [job.data.items.len(), settings.factors];
    let weights = vec![TensorData::new(ITEM_FACTORS, &shape, &trained.item_factors)];
    NewArtifact { config, catalogue, weights }.write(job.folder, job.write)?;
    Ok(last)
}

/// Names and values of all settings.
pub(super) fn listed(settings: &AlsSettings) -> Vec<(&'static str, String)> {
    let solver = match settings.solver {
        Solver::ConjugateGradient { .. } => "cg",
        Solver::Cholesky => "cholesky",
    };
    vec![
        ("factors", settings.factors.to_string()),
        ("epochs", settings.epochs.to_string()),
        ("regularization", settings.regularization.to_string()),
        ("alpha0", settings.alpha0.to_string()),
        ("init std", settings.init_std.to_string()),
        ("seed", settings.seed.to_string()),
        ("solver", solver.to_owned()),
    ]
}

fn config(settings: &AlsSettings) -> AlsConfig {
    AlsConfig {
        factors: settings.factors,
        regularization: settings.regularization,
        alpha0: settings.alpha0,
        epochs: Some(settings.epochs),
        init_std: Some(settings.init_std),
        seed: Some(settings.seed),
    }
}

//! What training tells on its way, and what comes of it.

use std::path::PathBuf;

use shared::model::ArtifactError;
use shared::model::config::SasrecConfig;

use super::plan::Plan;

/// Why training did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The settings make no sense, or not for these data and this machine.
    #[error("{0}")]
    Settings(String),
    /// The loss is not a number.
    #[error(
        "training diverged: the loss of step {step} (epoch {epoch}) is {loss}; {kept}; a smaller --learning-rate may help"
    )]
    Diverged {
        /// The step, from 1.
        step: usize,
        /// Its epoch, from 1.
        epoch: usize,
        /// The loss.
        loss: f32,
        /// What there is to go back to.
        kept: String,
    },
    /// A checkpoint can't be written, or is none that training can go on from.
    #[error("{}: {detail}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// A checkpoint's file is damaged.
    #[error(transparent)]
    File(#[from] ArtifactError),
    /// The device.
    #[error(transparent)]
    Device(#[from] candle_core::Error),
}

/// How far training is.
#[derive(Clone, Debug)]
pub enum Stage {
    /// What it is going to need.
    Planned(Plan),
    /// It goes on after so many epochs, and batches of the next.
    Resumed {
        /// Epochs that are done.
        epochs: usize,
        /// Batches of the next that are done.
        batches: usize,
    },
    /// A step was taken.
    Step {
        /// Its epoch, from 1.
        epoch: usize,
        /// Steps of the epoch that were taken.
        done: usize,
        /// Steps of the epoch.
        of: usize,
        /// The epoch's mean loss so far.
        loss: f64,
    },
    /// An epoch ended.
    Epoch {
        /// Which, from 1.
        epoch: usize,
        /// Its mean loss.
        loss: f64,
        /// NDCG@10 of the users kept aside, if any are.
        ndcg: Option<f64>,
        /// Seconds of training so far.
        seconds: f64,
    },
}

/// What training left.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The model's hyperparameters.
    pub config: SasrecConfig,
    /// Names, shapes and numbers, as [`shared::model::sasrec::tensors`] lists them.
    pub weights: Vec<(String, Vec<usize>, Vec<f32>)>,
    /// The epoch they are of.
    pub epoch: usize,
    /// Its mean loss.
    pub loss: f64,
    /// Its NDCG@10 of the users kept aside, if any are.
    pub ndcg: Option<f64>,
    /// Seconds of training.
    pub seconds: f64,
}

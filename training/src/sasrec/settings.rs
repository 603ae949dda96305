//! How a sequence model is trained.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use shared::model::config::SasrecConfig;

/// How a sequence model is trained. What is serialised decides the result; a checkpoint knows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Settings {
    /// d: numbers per item.
    pub dimensions: usize,
    /// L: items of a history that the model sees, the newest.
    pub length: usize,
    /// Blocks of attention and feed-forward network.
    pub blocks: usize,
    /// Attention heads a block; they divide `dimensions`.
    pub heads: usize,
    /// Numbers between the two layers of a feed-forward network; `None` for as many as `dimensions`.
    pub feed_forward: Option<usize>,
    /// Share of numbers that are dropped, 0 or more and below 1.
    pub dropout: f64,
    /// The largest learning rate: it rises in the first steps, and falls along a cosine to the last epoch.
    pub learning_rate: f64,
    /// Windows of histories in a step; `None` for as many as make a good number of steps an epoch.
    pub batch: Option<usize>,
    /// Passes over the data.
    pub epochs: usize,
    /// Epochs without a better validation NDCG after which training stops.
    pub patience: usize,
    /// Items drawn against each history; `None` for all items where the catalogue allows, else
    /// [`Self::NEGATIVES`].
    pub negatives: Option<usize>,
    /// t of gSASRec's calibration where items are drawn, 0 to 1.
    pub calibration: f64,
    /// Seed of all that is drawn: the same seed gives the same model, whatever the number of threads.
    pub seed: u64,
    /// What computes.
    #[serde(skip)]
    pub device: Processor,
    /// Where checkpoints go.
    #[serde(skip)]
    pub checkpoint: Option<PathBuf>,
    /// How often a checkpoint is written within an epoch, at most; at the end of each one is.
    #[serde(skip)]
    pub checkpoint_every: Duration,
    /// Whether to go on from the checkpoint that is there.
    #[serde(skip)]
    pub resume: bool,
}

/// What computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Processor {
    /// This machine's processor, with operators made for this model.
    #[default]
    Cpu,
    /// This machine's processor, with candle's own operators: to compare with.
    Plain,
    /// The NVIDIA GPU of this number, with candle's own operators.
    Cuda(usize),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            dimensions: 64,
            length: 200,
            blocks: 2,
            heads: 1,
            feed_forward: None,
            dropout: 0.1,
            learning_rate: 1.5e-3,
            batch: None,
            epochs: 60,
            patience: 10,
            negatives: None,
            calibration: 0.75,
            seed: 42,
            device: Processor::default(),
            checkpoint: None,
            checkpoint_every: Duration::from_secs(60),
            resume: false,
        }
    }
}

impl Settings {
    /// Items drawn against each history of a large catalogue: the paper's choice.
    pub const NEGATIVES: usize = 256;
    /// The largest catalogue that is trained against in full: from there on a step is 20 times one without its output layer.
    pub const FULL_SOFTMAX_ITEMS: usize = 30_000;
    /// Steps an epoch that are aimed at, within the bounds of a batch.
    const STEPS: usize = 64;
    const BATCH_LEAST: usize = 16;
    const BATCH_MOST: usize = 64;

    /// The model's hyperparameters, and how it was trained.
    #[must_use]
    pub fn config(&self, items: usize) -> SasrecConfig {
        SasrecConfig {
            dimensions: self.dimensions,
            length: self.length,
            blocks: self.blocks,
            heads: self.heads,
            feed_forward: self.feed_forward.unwrap_or(self.dimensions),
            norm_epsilon: 1e-5,
            attended_padding: false,
            dropout: Some(self.dropout),
            learning_rate: Some(self.learning_rate),
            batch: self.batch,
            epochs: Some(self.epochs),
            negatives: self.drawn(items),
            seed: Some(self.seed),
        }
    }

    /// How many items are drawn against each history of a catalogue of so many; `None` when all count.
    #[must_use]
    pub fn drawn(&self, items: usize) -> Option<usize> {
        self.negatives.or((items > Self::FULL_SOFTMAX_ITEMS).then_some(Self::NEGATIVES))
    }

    /// Windows in a step, for so many in all: no more than there are.
    pub(super) fn batch_of(&self, windows: usize) -> usize {
        let by_steps = || (windows / Self::STEPS).clamp(Self::BATCH_LEAST, Self::BATCH_MOST);
        self.batch.unwrap_or_else(by_steps).min(windows.max(1))
    }
}

//! The kinds of model and their hyperparameters.

use serde::{Deserialize, Serialize};

use crate::api::history::HISTORY_LIMIT;
use crate::model::{als, sasrec};

/// Most factors: 1,024 squared doubles are 8 MB per request while folding in, the most a small function should spend.
pub const FACTORS_LIMIT: usize = 1_024;
/// Most numbers between the two layers of a feed-forward network: four times the most dimensions, as is usual.
const FEED_FORWARD_LIMIT: usize = 4 * FACTORS_LIMIT;
/// Most blocks; published models have two to four.
const BLOCKS_LIMIT: usize = 16;
/// The ε of layer normalisation where `config.json` says nothing: PyTorch's default.
pub const NORM_EPSILON: f64 = 1e-5;

/// The kinds of model, with their hyperparameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "hyperparameters", rename_all = "snake_case")]
pub enum Kind {
    /// Implicit alternating least squares.
    Als(AlsConfig),
    /// Self-attentive sequence model.
    Sasrec(SasrecConfig),
}

impl Kind {
    /// The kind's name in `config.json`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Als(_) => "als",
            Self::Sasrec(_) => "sasrec",
        }
    }

    /// Numbers in an item's vector, and in a query.
    #[must_use]
    pub const fn factors(&self) -> usize {
        match self {
            Self::Als(als) => als.factors,
            Self::Sasrec(sasrec) => sasrec.dimensions,
        }
    }

    /// The tensor of `model.safetensors` that a query is scored against: `[items, factors]`, row-major.
    #[must_use]
    pub const fn item_matrix(&self) -> &'static str {
        match self {
            Self::Als(_) => als::ITEM_FACTORS,
            Self::Sasrec(_) => sasrec::ITEM_EMBEDDINGS,
        }
    }

    /// Names and shapes of all tensors of `model.safetensors`, each F32, for a catalogue of so many items.
    #[must_use]
    pub fn tensors(&self, items: usize) -> Vec<(String, Vec<usize>)> {
        match self {
            Self::Als(als) => vec![(als::ITEM_FACTORS.to_owned(), vec![items, als.factors])],
            Self::Sasrec(sasrec) => sasrec::tensors(sasrec, items),
        }
    }

    /// Whether folding in needs the Gram matrix of the items.
    #[must_use]
    pub const fn needs_gram(&self) -> bool {
        matches!(self, Self::Als(_))
    }

    /// Checks the ranges of the hyperparameters.
    ///
    /// # Errors
    /// One sentence on the first that is out of its range.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Als(als) => als.check(),
            Self::Sasrec(sasrec) => sasrec.check(),
        }
    }
}

/// Hyperparameters of implicit ALS that folding in needs, and those that training had.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlsConfig {
    /// Numbers per item, 1 to 1,024.
    pub factors: usize,
    /// λ of the frequency-scaled regularisation, above 0.
    pub regularization: f64,
    /// α₀, the weight of every unobserved pair, 0 or more.
    pub alpha0: f64,
    /// Passes over users and items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<usize>,
    /// Standard deviation of the initial factors, times √factors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_std: Option<f64>,
    /// Seed of the initial factors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl AlsConfig {
    fn check(&self) -> Result<(), String> {
        within("factors", self.factors, FACTORS_LIMIT)?;
        if !(self.regularization.is_finite() && self.regularization > 0.0) {
            return Err(format!("regularization {}; it must be above 0", self.regularization));
        }
        if !(self.alpha0.is_finite() && self.alpha0 >= 0.0) {
            return Err(format!("alpha0 {}; it must be 0 or more", self.alpha0));
        }
        Ok(())
    }
}

/// Hyperparameters of a self-attentive sequence model that inference needs, and those that training had.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SasrecConfig {
    /// d: numbers per item, 1 to 1,024.
    pub dimensions: usize,
    /// L: positions, the longest history that is taken, 1 to 500.
    pub length: usize,
    /// Blocks of attention and feed-forward network, 1 to 16.
    pub blocks: usize,
    /// Heads of attention; they divide `dimensions`.
    pub heads: usize,
    /// f: numbers between the two layers of a feed-forward network, 1 to 4,096.
    pub feed_forward: usize,
    /// ε of layer normalisation, above 0.
    #[serde(default = "norm_epsilon")]
    pub norm_epsilon: f64,
    /// Whether a history of n < L items is attended to as if L − n positions of zeros came before it, as in models whose
    /// training left the padding unmasked. Ours mask it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub attended_padding: bool,
    /// Share of numbers that training dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropout: Option<f64>,
    /// Learning rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Histories in a training step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// Passes over the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<usize>,
    /// Items drawn against each that was next; absent when it was against all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub negatives: Option<usize>,
    /// Seed of all that is drawn in training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

const fn norm_epsilon() -> f64 {
    NORM_EPSILON
}

impl SasrecConfig {
    /// That the hyperparameters make a model.
    ///
    /// # Errors
    /// One sentence on what is wrong.
    pub fn check(&self) -> Result<(), String> {
        within("dimensions", self.dimensions, FACTORS_LIMIT)?;
        within("length", self.length, HISTORY_LIMIT)?;
        within("blocks", self.blocks, BLOCKS_LIMIT)?;
        within("heads", self.heads, self.dimensions)?;
        within("feed_forward", self.feed_forward, FEED_FORWARD_LIMIT)?;
        if !self.dimensions.is_multiple_of(self.heads) {
            return Err(format!("heads {} do not divide dimensions {}", self.heads, self.dimensions));
        }
        // What is 0 as f32 would divide by the square root of 0.
        if !(self.norm_epsilon.is_finite() && self.norm_epsilon as f32 > 0.0) {
            return Err(format!("norm_epsilon {}; it must be above 0", self.norm_epsilon));
        }
        Ok(())
    }
}

/// That a number lies between 1 and `most`.
fn within(name: &str, value: usize, most: usize) -> Result<(), String> {
    if (1..=most).contains(&value) { Ok(()) } else { Err(format!("{name} {value}; 1 to {most} are taken")) }
}

//! Small sequence models for tests, and their forward pass in double precision, written as plainly as its formulas.

use std::path::Path;

use tempfile::TempDir;

use super::{ITEMS, catalogue};
use crate::catalogue::Row;
use crate::model::config::{EventWeights, FORMAT_VERSION, Kind, ModelConfig, NORM_EPSILON, SasrecConfig};
use crate::model::sasrec::{ITEM_EMBEDDINGS, POSITION_EMBEDDINGS, tensors};
use crate::model::tensors::TensorData;
use crate::model::write::{NewArtifact, WriteOptions};

/// The hyperparameters of [`sasrec_artifact`]: 8 dimensions, 5 positions, 2 blocks, 2 heads.
#[must_use]
pub fn sasrec_config() -> SasrecConfig {
    SasrecConfig {
        dimensions: 8,
        length: 5,
        blocks: 2,
        heads: 2,
        feed_forward: 12,
        norm_epsilon: NORM_EPSILON,
        attended_padding: false,
        dropout: None,
        learning_rate: None,
        batch: None,
        epochs: None,
        negatives: None,
        seed: None,
    }
}

/// An artifact of the eight [`ITEMS`] and random weights in a temporary directory.
///
/// # Panics
/// When the temporary directory can't be written.
#[must_use]
pub fn sasrec_artifact() -> TempDir {
    let folder = tempfile::tempdir().expect("tests need a temporary directory");
    SasrecWeights::random(sasrec_config(), ITEMS.len(), 1).write(folder.path(), &ITEMS);
    folder
}

/// The weights of a sequence model in memory.
#[derive(Clone, Debug)]
pub struct SasrecWeights {
    /// Its hyperparameters.
    pub config: SasrecConfig,
    /// Name, shape and numbers of each tensor.
    pub tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
}

impl SasrecWeights {
    /// Random weights, the same for a seed at all times; of a size that leaves no part of the network without effect.
    #[must_use]
    pub fn random(config: SasrecConfig, items: usize, seed: u64) -> Self {
        let mut state = seed;
        let mut uniform = move || {
            // SplitMix64 (Steele, Lea and Flood 2014).
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
        };
        let random = |(name, shape): (String, Vec<usize>)| {
            let count = shape.iter().product();
            let (middle, spread) = match *shape {
                _ if name == ITEM_EMBEDDINGS => (0.0, 0.4),
                _ if name == POSITION_EMBEDDINGS => (0.0, 0.8),
                [inputs, _] => (0.0, 2.0 / (inputs as f32).sqrt()),
                _ if name.ends_with("norm.weight") => (1.0, 0.3),
                _ => (0.0, 0.3),
            };
            let values = (0..count).map(|_| middle + spread * uniform()).collect();
            (name, shape, values)
        };
        let tensors = tensors(&config, items).into_iter().map(random).collect();
        Self { config, tensors }
    }

    /// Writes an artifact of these items, as many as the weights have; genres and years as in [`super::artifact`].
    ///
    /// # Panics
    /// When the directory can't be written, or the weights make no valid artifact.
    pub fn write(&self, folder: &Path, items: &[&str]) {
        let config = ModelConfig {
            format_version: FORMAT_VERSION,
            kind: Kind::Sasrec(self.config.clone()),
            name: "testing".into(),
            version: "1".into(),
            event_weights: EventWeights::default(),
            training: None,
            metrics: Default::default(),
        };
        let tensor = self.tensors.iter().map(|(name, shape, values)| TensorData::new(name, shape, values));
        let weights = tensor.collect();
        let artifact = NewArtifact { config, catalogue: catalogue(items), weights };
        let written = artifact.write(folder, WriteOptions { serving: true, sign: None });
        written.expect("the artifact is valid");
    }

    /// The query of a history by the formulas of `docs/artifact.md`, in double precision.
    ///
    /// # Panics
    /// When `history` is empty or names an item that isn't there.
    #[must_use]
    pub fn query(&self, history: &[Row]) -> Vec<f64> {
        let SasrecConfig { dimensions: d, length, blocks, attended_padding, .. } = self.config;
        let history = &history[history.len().saturating_sub(length)..];
        let missing = length - history.len();
        let (items, positions) = (self.tensor(ITEM_EMBEDDINGS), self.tensor(POSITION_EMBEDDINGS));
        let embedded = history.iter().enumerate().map(|(place, row)| {
            let item = &items[*row as usize * d..][..d];
            let position = &positions[(missing + place) * d..][..d];
            item.iter().zip(position).map(|(e, p)| (d as f64).sqrt() * e + p).collect()
        });
        let padding = if attended_padding { missing } else { 0 };
        let mut x: Vec<Vec<f64>> = vec![vec![0.0; d]; padding];
        x.extend(embedded);
        for block in 0..blocks {
            let name = |layer: &str| format!("blocks.{block}.{layer}");
            let normed: Vec<_> = x.iter().map(|x| self.norm(&name("attention_norm"), x)).collect();
            let projected: Vec<_> = normed.iter().map(|x| self.linear(&name("query_key_value"), x)).collect();
            for (place, x) in x.iter_mut().enumerate() {
                let attended = self.attend(&projected[..=place]);
                add(x, &self.linear(&name("attention_output"), &attended));
                let normed = self.norm(&name("feed_forward_norm"), x);
                let mut hidden = self.linear(&name("feed_forward_in"), &normed);
                hidden.iter_mut().for_each(|h| *h = h.max(0.0));
                add(x, &self.linear(&name("feed_forward_out"), &hidden));
            }
        }
        self.norm("norm", x.last().expect("a history is not empty"))
    }

    fn tensor(&self, wanted: &str) -> Vec<f64> {
        let found = self.tensors.iter().find(|(name, ..)| name == wanted);
        let (.., values) = found.expect("the tensor is one of the format");
        values.iter().map(|v| f64::from(*v)).collect()
    }

    fn norm(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64;
        let scale = 1.0 / (variance + self.config.norm_epsilon).sqrt();
        let (weight, bias) = (self.tensor(&format!("{name}.weight")), self.tensor(&format!("{name}.bias")));
        x.iter().zip(weight).zip(bias).map(|((x, w), b)| (x - mean) * scale * w + b).collect()
    }

    /// x W + b.
    fn linear(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let (weight, bias) = (self.tensor(&format!("{name}.weight")), self.tensor(&format!("{name}.bias")));
        let sum =
            |out: usize| x.iter().enumerate().map(|(i, x)| x * weight[i * bias.len() + out]).sum::<f64>();
        bias.iter().enumerate().map(|(out, bias)| bias + sum(out)).collect()
    }

    /// What the last of these positions attends to; each is q, k and v side by side.
    fn attend(&self, projected: &[Vec<f64>]) -> Vec<f64> {
        let (d, width) = (self.config.dimensions, self.config.dimensions / self.config.heads);
        let last = projected.last().expect("a position attends to itself");
        let mut out = Vec::new();
        for head in (0..d).step_by(width) {
            let dot = |p: &Vec<f64>| (head..head + width).map(|i| last[i] * p[d + i]).sum::<f64>();
            let scores: Vec<f64> = projected.iter().map(|p| dot(p) / (width as f64).sqrt()).collect();
            let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = scores.iter().map(|s| (s - most).exp()).collect();
            let total: f64 = weights.iter().sum();
            let value =
                |i: usize| projected.iter().zip(&weights).map(|(p, w)| w / total * p[2 * d + i]).sum();
            out.extend((head..head + width).map(value).collect::<Vec<f64>>());
        }
        out
    }
}

fn add(x: &mut [f64], y: &[f64]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}

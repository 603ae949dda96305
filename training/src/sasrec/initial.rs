//! Parameters to begin with.

use std::collections::BTreeMap;

use candle_core::{Device, Result, Var};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use shared::model::config::SasrecConfig;
use shared::model::sasrec::{ITEM_EMBEDDINGS, POSITION_EMBEDDINGS, tensors};

use super::optimizer::Parameter;
use super::windows::{Purpose, random};

/// Deviation of the embeddings: small enough that all logits are near 0.
const EMBEDDINGS: f64 = 0.02;

/// Embeddings of [`EMBEDDINGS`], linear layers by Glorot and Bengio 2010, normalisations that change nothing.
///
/// # Errors
/// When the device has no room.
pub(super) fn initial(
    config: &SasrecConfig,
    items: usize,
    seed: u64,
    device: &Device,
) -> Result<BTreeMap<String, Parameter>> {
    let mut random = random(seed, Purpose::Weights, 0);
    let mut parameter = |(name, shape): (String, Vec<usize>)| {
        let count = shape.iter().product();
        let numbers: Vec<f32> = match (name.as_str(), shape.as_slice()) {
            (ITEM_EMBEDDINGS | POSITION_EMBEDDINGS, _) => normal(&mut random, EMBEDDINGS, count),
            (_, [inputs, outputs]) => {
                // Queries, keys and values are three layers side by side.
                let outputs = if name.contains("query_key_value") { outputs / 3 } else { *outputs };
                normal(&mut random, (2.0 / (inputs + outputs) as f64).sqrt(), count)
            }
            _ => vec![if name.ends_with("weight") { 1.0 } else { 0.0 }; count],
        };
        Ok((name, Parameter::new(Var::from_vec(numbers, shape, device)?)?))
    };
    tensors(config, items).into_iter().map(&mut parameter).collect()
}

/// Draws from a normal distribution (Box and Muller 1958).
fn normal(random: &mut ChaCha8Rng, deviation: f64, count: usize) -> Vec<f32> {
    let mut draw = || {
        let (u, v): (f64, f64) = (random.random(), random.random());
        ((-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos() * deviation) as f32
    };
    (0..count).map(|_| draw()).collect()
}

//! The network on candle: to train it, and to answer many histories at once on whatever device candle knows.
//!
//! The network is written once over [`Operators`], the few things it does to tensors. [`Plain`] does them with candle's
//! own operators, all of which have a gradient; a trainer brings faster ones.
//!
//! Histories of different lengths lie side by side, without padding: everything but attention treats an item by
//! itself, and attention knows where each history begins ([`Batch::lengths`]).

use std::collections::HashMap;

use candle_core::{D, Device, Result, Tensor, bail};

use super::{ITEM_EMBEDDINGS, POSITION_EMBEDDINGS};
use crate::model::config::SasrecConfig;

/// Histories side by side: T items in all.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The row of each item, U32 `[T]`.
    pub rows: Tensor,
    /// The position of each item, U32 `[T]`: the newest of a history has L − 1.
    pub positions: Tensor,
    /// How many items each history has; they sum to T.
    pub lengths: Vec<usize>,
}

impl Batch {
    /// Puts histories side by side, oldest item first, each of 1 to `length` items.
    ///
    /// # Errors
    /// When a history is empty or longer, or the device has no room.
    pub fn of<'a>(
        histories: impl IntoIterator<Item = &'a [u32]>,
        length: usize,
        device: &Device,
    ) -> Result<Self> {
        let (mut rows, mut positions, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
        for history in histories {
            if !(1..=length).contains(&history.len()) {
                bail!("a history of {} items; 1 to {length} are taken", history.len());
            }
            rows.extend_from_slice(history);
            positions.extend((length - history.len()) as u32..length as u32);
            lengths.push(history.len());
        }
        let count = rows.len();
        let rows = Tensor::from_vec(rows, count, device)?;
        Ok(Self { rows, positions: Tensor::from_vec(positions, count, device)?, lengths })
    }

    /// Where the newest item of each history is among the T, U32 `[histories]`.
    ///
    /// # Errors
    /// When the device has no room.
    pub fn newest(&self) -> Result<Tensor> {
        let ends = self.lengths.iter().scan(0_u32, |end, length| {
            *end += *length as u32;
            Some(*end - 1)
        });
        let ends: Vec<u32> = ends.collect();
        Tensor::from_slice(&ends, ends.len(), self.rows.device())
    }
}

/// What the network does to tensors.
pub trait Operators {
    /// √d times the items' embeddings, plus those of their positions: `[T, d]`.
    ///
    /// # Errors
    /// When shapes do not fit, or the device has no room; so for all of these.
    fn embed(&self, items: &Tensor, positions: &Tensor, batch: &Batch) -> Result<Tensor>;

    /// Layer normalisation (Ba, Kiros and Hinton 2016, arXiv:1607.06450) of each row of `x`, `[T, d]`.
    ///
    /// # Errors
    /// As for [`Self::embed`].
    fn normalize(&self, x: &Tensor, norm: &Affine, epsilon: f32) -> Result<Tensor>;

    /// x W + b: `[T, in]` to `[T, out]`.
    ///
    /// # Errors
    /// As for [`Self::embed`].
    fn linear(&self, x: &Tensor, layer: &Affine) -> Result<Tensor>;

    /// Causal attention within each history, over queries, keys and values that lie side by side: `[T, 3 d]` to
    /// `[T, d]`. A head has d / `heads` successive numbers of each.
    ///
    /// # Errors
    /// As for [`Self::embed`].
    fn attend(&self, query_key_value: &Tensor, batch: &Batch, heads: usize) -> Result<Tensor>;

    /// max(x, 0).
    ///
    /// # Errors
    /// As for [`Self::embed`].
    fn rectify(&self, x: &Tensor) -> Result<Tensor>;

    /// x plus what a layer makes of it.
    ///
    /// # Errors
    /// As for [`Self::embed`].
    fn add(&self, x: &Tensor, change: &Tensor) -> Result<Tensor>;
}

/// A weight and a bias.
#[derive(Clone, Debug)]
pub struct Affine {
    /// `[in, out]` of a linear layer, `[d]` of a normalisation.
    pub weight: Tensor,
    /// `[out]`, or `[d]`.
    pub bias: Tensor,
}

/// The network and its parameters.
#[derive(Debug)]
pub struct Network {
    config: SasrecConfig,
    items: Tensor,
    positions: Tensor,
    blocks: Vec<Block>,
    norm: Affine,
}

#[derive(Debug)]
struct Block {
    attention_norm: Affine,
    query_key_value: Affine,
    attention_output: Affine,
    feed_forward_norm: Affine,
    feed_forward_in: Affine,
    feed_forward_out: Affine,
}

impl Network {
    /// Takes its parameters by the names of [`super::tensors`], whose shapes they have.
    ///
    /// # Errors
    /// Names a tensor that is missing.
    pub fn new(config: &SasrecConfig, tensors: &HashMap<String, Tensor>) -> Result<Self> {
        if config.attended_padding {
            bail!("this network does not attend to padding, which the model's training did");
        }
        let get = |name: &str| match tensors.get(name) {
            Some(tensor) => Ok(tensor.clone()),
            None => bail!("{name}: missing"),
        };
        let affine = |layer: &str| {
            Result::Ok(Affine {
                weight: get(&format!("{layer}.weight"))?,
                bias: get(&format!("{layer}.bias"))?,
            })
        };
        let block = |block: usize| {
            let affine = |layer: &str| affine(&format!("blocks.{block}.{layer}"));
            Result::Ok(Block {
                attention_norm: affine("attention_norm")?,
                query_key_value: affine("query_key_value")?,
                attention_output: affine("attention_output")?,
                feed_forward_norm: affine("feed_forward_norm")?,
                feed_forward_in: affine("feed_forward_in")?,
                feed_forward_out: affine("feed_forward_out")?,
            })
        };
        Ok(Self {
            config: config.clone(),
            items: get(ITEM_EMBEDDINGS)?,
            positions: get(POSITION_EMBEDDINGS)?,
            blocks: (0..config.blocks).map(block).collect::<Result<_>>()?,
            norm: affine("norm")?,
        })
    }

    /// What the network makes of each item and those before it in its history: `[T, d]`, to be multiplied with the item
    /// embeddings.
    ///
    /// # Errors
    /// When a row or position is outside of its table, or the device has no room.
    pub fn hidden(&self, batch: &Batch, operators: &impl Operators) -> Result<Tensor> {
        let epsilon = self.config.norm_epsilon as f32;
        let mut x = operators.embed(&self.items, &self.positions, batch)?;
        for block in &self.blocks {
            let normal = operators.normalize(&x, &block.attention_norm, epsilon)?;
            let query_key_value = operators.linear(&normal, &block.query_key_value)?;
            let attended = operators.attend(&query_key_value, batch, self.config.heads)?;
            x = operators.add(&x, &operators.linear(&attended, &block.attention_output)?)?;

            let normal = operators.normalize(&x, &block.feed_forward_norm, epsilon)?;
            let inner = operators.rectify(&operators.linear(&normal, &block.feed_forward_in)?)?;
            x = operators.add(&x, &operators.linear(&inner, &block.feed_forward_out)?)?;
        }
        operators.normalize(&x, &self.norm, epsilon)
    }

    /// The query of each history: `[histories, d]`.
    ///
    /// # Errors
    /// As for [`Self::hidden`].
    pub fn queries(&self, batch: &Batch, operators: &impl Operators) -> Result<Tensor> {
        self.hidden(batch, operators)?.index_select(&batch.newest()?, 0)
    }

    /// The embeddings of all items, `[items, d]`.
    #[must_use]
    pub fn items(&self) -> &Tensor {
        &self.items
    }
}

/// Candle's own operators, in forms that have a gradient (`ops::layer_norm`, `softmax_last_dim` and others have none,
/// and say nothing: a parameter behind them is never trained).
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain {
    /// Share of numbers that are dropped in training, 0 or more and below 1.
    pub dropout: f32,
}

impl Plain {
    fn drop(self, x: Tensor) -> Result<Tensor> {
        if self.dropout == 0.0 { Ok(x) } else { candle_nn::ops::dropout(&x, self.dropout) }
    }

    /// Histories of one length: `[B, n, 3 d]` to `[B, n, d]`.
    fn attend_to(self, query_key_value: &Tensor, heads: usize) -> Result<Tensor> {
        let (count, n, packed) = query_key_value.dims3()?;
        let (d, per_head) = (packed / 3, packed / 3 / heads);
        let part = |index: usize| {
            let part = query_key_value.narrow(D::Minus1, index * d, d)?;
            part.reshape((count, n, heads, per_head))?.transpose(1, 2)?.contiguous()
        };
        let (queries, keys, values) = (part(0)?, part(1)?, part(2)?);
        let scores = (queries.matmul(&keys.transpose(2, 3)?.contiguous()?)? / (per_head as f64).sqrt())?;
        let future = future(n, query_key_value.device())?;
        let weights = candle_nn::ops::softmax(&scores.broadcast_add(&future)?, D::Minus1)?;
        let attended = self.drop(weights)?.matmul(&values)?;
        attended.transpose(1, 2)?.contiguous()?.reshape((count, n, d))
    }
}

impl Operators for Plain {
    fn embed(&self, items: &Tensor, positions: &Tensor, batch: &Batch) -> Result<Tensor> {
        let scale = (items.dim(1)? as f64).sqrt();
        let items = (items.index_select(&batch.rows, 0)? * scale)?;
        self.drop((items + positions.index_select(&batch.positions, 0)?)?)
    }

    fn normalize(&self, x: &Tensor, norm: &Affine, epsilon: f32) -> Result<Tensor> {
        candle_nn::ops::layer_norm_slow(x, &norm.weight, &norm.bias, epsilon)
    }

    fn linear(&self, x: &Tensor, layer: &Affine) -> Result<Tensor> {
        x.matmul(&layer.weight)?.broadcast_add(&layer.bias)
    }

    fn attend(&self, query_key_value: &Tensor, batch: &Batch, heads: usize) -> Result<Tensor> {
        each_history(query_key_value, batch, |histories| self.attend_to(histories, heads))
    }

    fn rectify(&self, x: &Tensor) -> Result<Tensor> {
        self.drop(x.relu()?)
    }

    fn add(&self, x: &Tensor, change: &Tensor) -> Result<Tensor> {
        x + self.drop(change.clone())?
    }
}

/// Candle's own operators in the forms that it has for inference, which are faster than [`Plain`]'s: none has a gradient,
/// so nothing behind them can be trained.
#[derive(Clone, Debug)]
pub struct Inference {
    /// `[L, L]`: 0 up to a position, −∞ after it.
    future: Tensor,
}

impl Inference {
    /// For histories of at most `length` items.
    ///
    /// # Errors
    /// When the device has no room.
    pub fn new(length: usize, device: &Device) -> Result<Self> {
        Ok(Self { future: future(length, device)? })
    }

    /// Histories of one length: `[B, n, 3 d]` to `[B, n, d]`.
    fn attend_to(&self, query_key_value: &Tensor, heads: usize) -> Result<Tensor> {
        let (count, n, packed) = query_key_value.dims3()?;
        let (d, per_head) = (packed / 3, packed / 3 / heads);
        let part = |index: usize| {
            let part = query_key_value.narrow(D::Minus1, index * d, d)?;
            part.reshape((count, n, heads, per_head))?.transpose(1, 2)?.contiguous()
        };
        let scores = (part(0)?.matmul(&part(1)?.t()?)? / (per_head as f64).sqrt())?;
        let future = self.future.narrow(0, 0, n)?.narrow(1, 0, n)?;
        let weights = candle_nn::ops::softmax_last_dim(&scores.broadcast_add(&future)?)?;
        let attended = weights.matmul(&part(2)?)?;
        attended.transpose(1, 2)?.contiguous()?.reshape((count, n, d))
    }
}

impl Operators for Inference {
    fn embed(&self, items: &Tensor, positions: &Tensor, batch: &Batch) -> Result<Tensor> {
        let scale = (items.dim(1)? as f64).sqrt();
        (items.index_select(&batch.rows, 0)? * scale)? + positions.index_select(&batch.positions, 0)?
    }

    fn normalize(&self, x: &Tensor, norm: &Affine, epsilon: f32) -> Result<Tensor> {
        candle_nn::ops::layer_norm(x, &norm.weight, &norm.bias, epsilon)
    }

    fn linear(&self, x: &Tensor, layer: &Affine) -> Result<Tensor> {
        x.matmul(&layer.weight)?.broadcast_add(&layer.bias)
    }

    fn attend(&self, query_key_value: &Tensor, batch: &Batch, heads: usize) -> Result<Tensor> {
        each_history(query_key_value, batch, |histories| self.attend_to(histories, heads))
    }

    fn rectify(&self, x: &Tensor) -> Result<Tensor> {
        x.relu()
    }

    fn add(&self, x: &Tensor, change: &Tensor) -> Result<Tensor> {
        x + change
    }
}

/// `[n, n]`: 0 up to a position, −∞ after it.
fn future(n: usize, device: &Device) -> Result<Tensor> {
    let future = (0..n * n).map(|at| if at % n > at / n { f32::NEG_INFINITY } else { 0.0 });
    Tensor::from_iter(future, device)?.reshape((n, n))
}

/// Attention, `[B, n, 3 d]` to `[B, n, d]`, within each history of a batch: all at once where they have one length.
fn each_history(
    query_key_value: &Tensor,
    batch: &Batch,
    attend: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let (total, packed) = query_key_value.dims2()?;
    let (count, first) = (batch.lengths.len(), batch.lengths.first().copied().unwrap_or_default());
    if batch.lengths.iter().all(|length| *length == first) {
        let together = query_key_value.reshape((count, first, packed))?;
        return attend(&together)?.reshape((total, packed / 3));
    }
    let mut start = 0;
    let mut parts = Vec::with_capacity(count);
    for &length in &batch.lengths {
        let history = query_key_value.narrow(0, start, length)?.unsqueeze(0)?;
        parts.push(attend(&history)?.squeeze(0)?);
        start += length;
    }
    Tensor::cat(&parts, 0)
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::testing::{SasrecWeights, sasrec_config};

    #[test]
    fn both_forms_of_the_operators_say_what_the_formulas_say() {
        let weights = SasrecWeights::random(sasrec_config(), 30, 2);
        let tensor = |(name, shape, values): &(String, Vec<usize>, Vec<f32>)| {
            (name.clone(), Tensor::from_slice(values, shape.as_slice(), &Device::Cpu).unwrap())
        };
        let tensors = weights.tensors.iter().map(tensor).collect();
        let network = Network::new(&weights.config, &tensors).unwrap();
        let histories: [&[u32]; 3] = [&[7, 3, 29, 4, 1], &[5], &[9, 8, 2]];
        // All of one length take another way than different lengths.
        for histories in [&histories[..], &histories[..1]] {
            let batch = Batch::of(histories.iter().copied(), 5, &Device::Cpu).unwrap();
            let plain = network.queries(&batch, &Plain::default()).unwrap();
            let inference = Inference::new(5, &Device::Cpu).unwrap();
            let inferred = network.queries(&batch, &inference).unwrap();
            for queries in [plain, inferred] {
                let queries: Vec<Vec<f32>> = queries.to_vec2().unwrap();
                for (found, history) in queries.iter().zip(histories) {
                    for (found, expected) in found.iter().zip(weights.query(history)) {
                        assert!((f64::from(*found) - expected).abs() < 5e-5, "{found} {expected}");
                    }
                }
            }
        }
    }
}

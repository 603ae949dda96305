//! Cross-entropy of the softmax over all items, from hidden vectors (Klenitskiy and Vasilev 2023, arXiv:2309.07602).
//!
//! The logits of all rows would be the largest tensor of a step by far. They are made a few rows at a time, and since the
//! loss is where a backward pass begins, the gradients are made with them and the logits forgotten.

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use multiversion::multiversion;
use rayon::prelude::*;
use shared::model::math::{exp_in_place_sum, maximum};
use shared::model::matmul::{Scratch, View, multiply};

use super::linear::add_to;
use super::{gradient, numbers};

/// Partial gradients of the items: as many threads can work at once, whatever their number the sums are the same.
const PARTIALS: usize = 8;

/// The mean cross-entropy of `targets`, one a row of `hidden` `[T, d]`, against all `items` `[items, d]`; `rows` of
/// logits are held at a time and thread.
///
/// # Errors
/// When shapes do not fit or a target is no item.
pub fn softmax_loss(hidden: &Tensor, items: &Tensor, targets: Vec<u32>, rows: usize) -> Result<Tensor> {
    hidden.apply_op2(items, SoftmaxLoss { targets, rows, gradients: Mutex::default() })
}

struct SoftmaxLoss {
    targets: Vec<u32>,
    rows: usize,
    /// Of hidden vectors and of items, for a loss whose own gradient is 1.
    gradients: Mutex<Option<(Vec<f32>, Vec<f32>)>>,
}

impl CustomOp2 for SoftmaxLoss {
    fn name(&self) -> &'static str {
        "softmax-loss"
    }

    fn cpu_fwd(
        &self,
        hidden: &CpuStorage,
        of_hidden: &Layout,
        items: &CpuStorage,
        of_items: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (count, d) = of_hidden.shape().dims2()?;
        let (catalogue, _) = of_items.shape().dims2()?;
        if self.targets.len() != count || self.targets.iter().any(|target| *target as usize >= catalogue) {
            bail!("softmax-loss: {} targets for {count} rows, or one that is no item", self.targets.len());
        }
        let (hidden, items) = (numbers(hidden, of_hidden)?, numbers(items, of_items)?);
        let transposed = transpose(items, d);
        let mut of_hidden = vec![0.0; count * d];
        let mut shares: Vec<Vec<Chunk<'_>>> = (0..PARTIALS).map(|_| Vec::new()).collect();
        let chunks = of_hidden
            .chunks_mut(self.rows * d)
            .zip(hidden.chunks(self.rows * d))
            .zip(self.targets.chunks(self.rows));
        for (index, ((of_hidden, hidden), targets)) in chunks.enumerate() {
            shares[index % PARTIALS].push(Chunk { of_hidden, hidden, targets });
        }
        let share = 1.0 / count as f32;
        let tasks = shares.into_par_iter().filter(|chunks| !chunks.is_empty());
        let partials: Vec<(f64, Vec<f32>)> = tasks
            .map_init(Buffers::default, |buffers, chunks| {
                let mut of_items = vec![0.0; items.len()];
                let losses = chunks
                    .into_iter()
                    .map(|chunk| chunk.add(items, &transposed, share, &mut of_items, buffers));
                (losses.sum(), of_items)
            })
            .collect();
        let loss = partials.iter().map(|(loss, _)| loss).sum::<f64>() / count as f64;
        let mut partials = partials.into_iter().map(|(_, of_items)| of_items);
        let mut of_items = partials.next().unwrap_or_else(|| vec![0.0; items.len()]);
        for partial in partials {
            let pieces = of_items.par_chunks_mut(1 << 14).zip(partial.par_chunks(1 << 14));
            pieces.for_each(|(sum, partial)| add_to(sum, partial));
        }
        *self.gradients.lock().unwrap_or_else(PoisonError::into_inner) = Some((of_hidden, of_items));
        Ok((CpuStorage::F32(vec![loss as f32]), Shape::from(())))
    }

    fn bwd(
        &self,
        hidden: &Tensor,
        items: &Tensor,
        _: &Tensor,
        of_loss: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let gradients = self.gradients.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((of_hidden, of_items)) = gradients else {
            bail!("softmax-loss: a second backward pass");
        };
        scaled_gradients(of_loss, (of_hidden, hidden), (of_items, items))
    }
}

/// Gradients that were made for a loss whose own gradient is 1.
pub(super) fn scaled_gradients(
    of_loss: &Tensor,
    (of_hidden, hidden): (Vec<f32>, &Tensor),
    (of_items, items): (Vec<f32>, &Tensor),
) -> Result<(Option<Tensor>, Option<Tensor>)> {
    let factor = f64::from(of_loss.to_scalar::<f32>()?);
    let scaled = |gradient: Option<Tensor>| match gradient {
        Some(gradient) if factor != 1.0 => (gradient * factor).map(Some),
        gradient => Ok(gradient),
    };
    Ok((scaled(gradient(of_hidden, hidden)?)?, scaled(gradient(of_items, items)?)?))
}

/// A few rows.
struct Chunk<'a> {
    of_hidden: &'a mut [f32],
    hidden: &'a [f32],
    targets: &'a [u32],
}

#[derive(Default)]
struct Buffers {
    logits: Vec<f32>,
    scratch: Scratch,
}

impl Chunk<'_> {
    /// The sum of the rows' losses; their gradients times `share` go to the hidden vectors and are added to the items'.
    fn add(
        self,
        items: &[f32],
        transposed: &[f32],
        share: f32,
        of_items: &mut [f32],
        buffers: &mut Buffers,
    ) -> f64 {
        let Buffers { logits, scratch } = buffers;
        let rows = self.targets.len();
        let (d, catalogue) = (self.hidden.len() / rows, items.len() * rows / self.hidden.len());
        logits.resize(rows * catalogue, 0.0);
        let (hidden, transposed) = (View::rows(self.hidden, d), View::rows(transposed, catalogue));
        multiply((rows, catalogue, d), hidden, transposed, logits, catalogue, false, scratch);
        let mut loss = 0.0;
        for (logits, target) in logits.chunks_exact_mut(catalogue).zip(self.targets) {
            let target = *target as usize;
            let most = maximum(logits);
            let logit = logits[target] - most;
            let sum = exp_in_place_sum(logits, most);
            loss += f64::from(sum.ln() - logit);
            scale_by(logits, share / sum);
            logits[target] -= share;
        }
        let rows_of = View::rows(logits, catalogue);
        multiply((rows, d, catalogue), rows_of, View::rows(items, d), self.of_hidden, d, false, scratch);
        let columns_of = View::columns(logits, catalogue);
        multiply((catalogue, d, rows), columns_of, hidden, of_items, d, true, scratch);
        loss
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx2+fma", "x86_64+avx2+fma", "aarch64+neon"))]
fn scale_by(numbers: &mut [f32], scale: f32) {
    numbers.iter_mut().for_each(|number| *number *= scale);
}

/// `[items, d]` to `[d, items]`, a square of 16 at a time.
fn transpose(items: &[f32], d: usize) -> Vec<f32> {
    const SQUARE: usize = 16;
    let count = items.len() / d;
    let mut transposed = vec![0.0; items.len()];
    for first in (0..count).step_by(SQUARE) {
        for from in (0..d).step_by(SQUARE) {
            for row in first..(first + SQUARE).min(count) {
                for column in from..(from + SQUARE).min(d) {
                    transposed[column * count + row] = items[row * d + column];
                }
            }
        }
    }
    transposed
}

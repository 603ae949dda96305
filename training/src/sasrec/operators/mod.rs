//! What the network does to tensors, on a CPU, with its gradients: the same as [`shared::model::sasrec::network::Plain`]
//! does with candle's own operators, in a fraction of the time and memory.
//!
//! Candle's form of a layer keeps every intermediate tensor for the backward pass and runs most of them on one thread.
//! Here a layer is one operator: it keeps its arguments alone and computes the rest again (as Chen, Xu, Zhang and
//! Guestrin 2016, arXiv:1604.06174, and Dao et al. 2022, arXiv:2205.14135, do), and all of them divide the work among
//! the threads of the current rayon pool in pieces that do not depend on their number: a result has the same bits
//! with one thread and with sixteen.

mod attention;
mod dropout;
mod elementwise;
mod embedding;
mod linear;
mod normalization;
mod sampled;
mod softmax_loss;

use std::cell::Cell;

use candle_core::{CpuStorage, Layout, Result, Tensor, bail};
use shared::model::sasrec::network::{Affine, Batch, Operators};

use dropout::Dropout;
pub use sampled::{SampledLoss, calibration};
pub use softmax_loss::softmax_loss;

/// The operators of one training step.
#[derive(Debug)]
pub struct Fused {
    probability: f32,
    seed: u64,
    /// How often a mask was asked for: each has its own.
    site: Cell<u64>,
}

impl Fused {
    /// Operators that drop this share of numbers, 0 or more and below 1; the same seed drops the same.
    #[must_use]
    pub fn new(dropout: f32, seed: u64) -> Self {
        Self { probability: dropout, seed, site: Cell::new(0) }
    }

    fn dropout(&self) -> Dropout {
        self.site.set(self.site.get() + 1);
        Dropout::new(self.probability, self.seed, self.site.get())
    }
}

impl Operators for Fused {
    fn embed(&self, items: &Tensor, positions: &Tensor, batch: &Batch) -> Result<Tensor> {
        let operator = embedding::Embedding {
            rows: batch.rows.to_vec1()?,
            positions: batch.positions.to_vec1()?,
            dropout: self.dropout(),
        };
        items.apply_op2(positions, operator)
    }

    fn normalize(&self, x: &Tensor, norm: &Affine, epsilon: f32) -> Result<Tensor> {
        x.apply_op3(&norm.weight, &norm.bias, normalization::Normalization { epsilon })
    }

    fn linear(&self, x: &Tensor, layer: &Affine) -> Result<Tensor> {
        x.apply_op3(&layer.weight, &layer.bias, linear::Linear)
    }

    fn attend(&self, query_key_value: &Tensor, batch: &Batch, heads: usize) -> Result<Tensor> {
        let lengths = batch.lengths.clone();
        query_key_value.apply_op1(attention::Attention { lengths, heads, dropout: self.dropout() })
    }

    fn rectify(&self, x: &Tensor) -> Result<Tensor> {
        x.apply_op1(elementwise::Rectify { dropout: self.dropout() })
    }

    fn add(&self, x: &Tensor, change: &Tensor) -> Result<Tensor> {
        x.apply_op2(change, elementwise::Add { dropout: self.dropout() })
    }
}

/// Rows that one task takes at a time.
const ROWS: usize = 256;
/// Rows that are summed into one partial gradient; the partials are then added in order.
const PARTIAL_ROWS: usize = 2_048;

/// The numbers of a tensor that lies in one piece.
fn numbers<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let all = storage.as_slice::<f32>()?;
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&all[start..end]),
        None => bail!("a tensor that does not lie in one piece"),
    }
}

/// A copy of the numbers of a tensor.
#[cfg(test)]
fn copied(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

/// Calls `use_numbers` with the numbers of tensors on the CPU.
fn with_numbers<const N: usize, T>(
    tensors: [&Tensor; N],
    use_numbers: impl FnOnce([&[f32]; N]) -> T,
) -> Result<T> {
    let guards = tensors.map(Tensor::storage_and_layout);
    let mut all = [&[] as &[f32]; N];
    for (numbers_of, (storage, layout)) in all.iter_mut().zip(&guards) {
        *numbers_of = match &**storage {
            candle_core::Storage::Cpu(storage) => numbers(storage, layout)?,
            _ => bail!("a tensor that is not on the CPU"),
        };
    }
    Ok(use_numbers(all))
}

/// A gradient of the shape of `like`.
fn gradient(numbers: Vec<f32>, like: &Tensor) -> Result<Option<Tensor>> {
    Ok(Some(Tensor::from_vec(numbers, like.shape(), like.device())?))
}

#[cfg(test)]
mod tests;

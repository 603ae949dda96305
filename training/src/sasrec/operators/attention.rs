//! Causal attention within each history (Vaswani et al. 2017), with dropout on its weights.
//!
//! Queries are taken a few rows at a time: their weights over all keys before them are a small matrix that stays in the
//! cache, and nothing of it is kept. The backward pass computes them again (as Dao et al. 2022 do).

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use multiversion::multiversion;
use rayon::prelude::*;
use shared::model::math::{exp_in_place_sum, maximum};
use shared::model::matmul::{Scratch, View, multiply};

use super::dropout::{Dropout, GROUP};
use super::{gradient, numbers, with_numbers};

/// Queries whose weights are computed together.
const QUERIES: usize = 64;

/// Queries, keys and values `[T, 3 d]` to `[T, d]`.
pub(super) struct Attention {
    pub(super) lengths: Vec<usize>,
    pub(super) heads: usize,
    pub(super) dropout: Dropout,
}

impl CustomOp1 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (total, packed) = layout.shape().dims2()?;
        let d = packed / 3;
        let packed = numbers(storage, layout)?;
        let mut attended = vec![0.0; total * d];
        let histories = self.histories(packed, d).into_iter();
        let tasks: Vec<_> = histories.zip(divided(&mut attended, &self.lengths, d)).collect();
        tasks.into_par_iter().for_each_init(Buffers::default, |buffers, (history, attended)| {
            for head in 0..self.heads {
                history.forward(head, attended, buffers);
            }
        });
        Ok((CpuStorage::F32(attended), Shape::from((total, d))))
    }

    fn bwd(&self, packed: &Tensor, _: &Tensor, of_attended: &Tensor) -> Result<Option<Tensor>> {
        let of_attended = of_attended.contiguous()?;
        let (total, width) = packed.dims2()?;
        let d = width / 3;
        let of_packed = with_numbers([packed, &of_attended], |[packed, of_attended]| {
            let mut of_packed = vec![0.0; total * width];
            let histories = self.histories(packed, d).into_iter();
            let tasks: Vec<_> = histories.zip(divided(&mut of_packed, &self.lengths, width)).collect();
            tasks.into_par_iter().for_each_init(Buffers::default, |buffers, (history, of_packed)| {
                let of_attended = &of_attended[history.first * d..][..history.length * d];
                for head in 0..self.heads {
                    history.backward(head, of_attended, of_packed, buffers);
                }
            });
            of_packed
        })?;
        gradient(of_packed, packed)
    }
}

impl Attention {
    fn histories<'a>(&self, packed: &'a [f32], d: usize) -> Vec<History<'a>> {
        let longest = self.lengths.iter().copied().max().unwrap_or_default();
        let of_length = |first: &mut usize, length: &usize| {
            let history = History {
                packed: &packed[*first * 3 * d..][..length * 3 * d],
                first: *first,
                length: *length,
                d,
                heads: self.heads,
                dropout: self.dropout,
                stride: longest.next_multiple_of(GROUP),
            };
            *first += length;
            Some(history)
        };
        self.lengths.iter().scan(0, of_length).collect()
    }
}

/// Memory that the histories of a task share.
#[derive(Default)]
struct Buffers {
    /// Softmax of the scores, `[QUERIES, keys]`.
    weights: Vec<f32>,
    /// The same after dropout.
    dropped: Vec<f32>,
    /// Gradient of the scores.
    of_scores: Vec<f32>,
    scratch: Scratch,
}

/// One history's queries, keys and values.
struct History<'a> {
    /// `[length, 3 d]`
    packed: &'a [f32],
    /// Its first item among those of the batch.
    first: usize,
    length: usize,
    d: usize,
    heads: usize,
    dropout: Dropout,
    /// From one query's mask to the next.
    stride: usize,
}

impl History<'_> {
    fn per_head(&self) -> usize {
        self.d / self.heads
    }

    /// A head's queries (0), keys (1) or values (2) from an item on.
    fn part(&self, part: usize, head: usize, from: usize) -> &[f32] {
        &self.packed[from * 3 * self.d + part * self.d + head * self.per_head()..]
    }

    fn rows(&self, part: usize, head: usize, from: usize) -> View<'_> {
        View::rows(self.part(part, head, from), 3 * self.d)
    }

    fn columns(&self, part: usize, head: usize, from: usize) -> View<'_> {
        View::columns(self.part(part, head, from), 3 * self.d)
    }

    /// The queries from `start` on: how many, and over how many keys.
    fn block(&self, start: usize) -> (usize, usize) {
        let queries = QUERIES.min(self.length - start);
        (queries, start + queries)
    }

    fn forward(&self, head: usize, attended: &mut [f32], buffers: &mut Buffers) {
        let width = self.per_head();
        for start in (0..self.length).step_by(QUERIES) {
            let (queries, keys) = self.block(start);
            self.weigh(head, start, buffers);
            let Buffers { weights, dropped, scratch, .. } = &mut *buffers;
            let weights = if self.dropout.is_off() { weights } else { dropped };
            let out = &mut attended[start * self.d + head * width..];
            let values = self.rows(2, head, 0);
            multiply((queries, width, keys), View::rows(weights, keys), values, out, self.d, false, scratch);
        }
    }

    /// Adds to the gradients of queries, keys and values.
    fn backward(&self, head: usize, of_attended: &[f32], of_packed: &mut [f32], buffers: &mut Buffers) {
        let (d, width) = (self.d, self.per_head());
        let scale = 1.0 / (width as f32).sqrt();
        for start in (0..self.length).step_by(QUERIES) {
            let (queries, keys) = self.block(start);
            self.weigh(head, start, buffers);
            let Buffers { weights, dropped, of_scores, scratch } = &mut *buffers;
            let dropped: &[f32] = if self.dropout.is_off() { weights } else { dropped };
            let of_out = &of_attended[start * d + head * width..];
            of_scores.resize(queries * keys, 0.0);

            // of V += weightsᵀ of_out, of weights = of_out Vᵀ
            let to = |part: usize, from: usize| from * 3 * d + part * d + head * width;
            let out = &mut of_packed[to(2, 0)..];
            let transposed = View::columns(dropped, keys);
            multiply((keys, width, queries), transposed, View::rows(of_out, d), out, 3 * d, true, scratch);
            let values = self.columns(2, head, 0);
            let shape = (queries, keys, width);
            multiply(shape, View::rows(of_out, d), values, of_scores, keys, false, scratch);
            for query in 0..queries {
                let known = start + query + 1;
                let row = query * keys..query * keys + keys;
                let of_row = &mut of_scores[row.clone()];
                softmax_backward(&weights[row.clone()], &dropped[row], known, scale, of_row);
            }
            // of Q = of_scores K, of K += of_scoresᵀ Q
            let out = &mut of_packed[to(0, start)..];
            let of_rows = View::rows(of_scores, keys);
            multiply((queries, width, keys), of_rows, self.rows(1, head, 0), out, 3 * d, true, scratch);
            let out = &mut of_packed[to(1, 0)..];
            let transposed = View::columns(of_scores, keys);
            let queries_of = self.rows(0, head, start);
            multiply((keys, width, queries), transposed, queries_of, out, 3 * d, true, scratch);
        }
    }

    /// The weights of the queries from `start` on over the keys up to theirs, before and after dropout.
    fn weigh(&self, head: usize, start: usize, buffers: &mut Buffers) {
        let Buffers { weights, dropped, scratch, .. } = buffers;
        let (width, (queries, keys)) = (self.per_head(), self.block(start));
        weights.resize(queries * keys, 0.0);
        let (rows, columns) = (self.rows(0, head, start), self.columns(1, head, 0));
        multiply((queries, keys, width), rows, columns, weights, keys, false, scratch);
        let scale = 1.0 / (width as f32).sqrt();
        for (query, row) in weights.chunks_exact_mut(keys).enumerate() {
            let (known, future) = row.split_at_mut(start + query + 1);
            scale_by(known, scale);
            let sum = exp_in_place_sum(known, maximum(known));
            scale_by(known, 1.0 / sum);
            future.fill(0.0);
        }
        if self.dropout.is_off() {
            return;
        }
        dropped.resize(queries * keys, 0.0);
        for (query, (to, from)) in dropped.chunks_exact_mut(keys).zip(weights.chunks_exact(keys)).enumerate()
        {
            let place = ((self.first + start + query) * self.heads + head) * self.stride;
            drop_some(self.dropout, place, to, from);
        }
    }
}

/// Splits numbers among histories of so many rows of `width`.
fn divided<'a>(mut numbers: &'a mut [f32], lengths: &[usize], width: usize) -> Vec<&'a mut [f32]> {
    let take = |length: &usize| {
        let (part, rest) = std::mem::take(&mut numbers).split_at_mut(length * width);
        numbers = rest;
        part
    };
    lengths.iter().map(take).collect()
}

/// The gradient of the scores from that of the weights after dropout, in place: with weights p, kept ones m p, and
/// what comes to these g, it is (m g − Σ m g p) p · scale. Where a weight is 0 so is its gradient.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx2+fma", "x86_64+avx2+fma", "aarch64+neon"))]
fn softmax_backward(weights: &[f32], dropped: &[f32], known: usize, scale: f32, of_scores: &mut [f32]) {
    let (of_known, of_future) = of_scores.split_at_mut(known);
    let mut sums = [0.0_f32; 16];
    for (place, (g, kept)) in of_known.iter_mut().zip(dropped).enumerate() {
        // m g p, of which the sum is wanted first.
        *g *= kept;
        sums[place % 16] += *g;
    }
    let sum: f32 = sums.iter().sum();
    for (g, weight) in of_known.iter_mut().zip(weights) {
        *g = (*g - sum * weight) * scale;
    }
    of_future.fill(0.0);
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx2+fma", "x86_64+avx2+fma", "aarch64+neon"))]
fn scale_by(numbers: &mut [f32], scale: f32) {
    numbers.iter_mut().for_each(|number| *number *= scale);
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx2+fma", "x86_64+avx2+fma", "aarch64+neon"))]
fn drop_some(dropout: Dropout, at: usize, to: &mut [f32], from: &[f32]) {
    dropout.visit(at, to, from, |to, from, factor| *to = from * factor);
}

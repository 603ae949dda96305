//! From a history to a query: the forward pass for one history, on one thread, in memory that is reused.
//!
//! Of the last block's output only the newest position is wanted: there the keys and values of every position are
//! computed, and all else for that one.

use std::sync::{Mutex, PoisonError};

use super::weights::{Block, Weights};
use crate::catalogue::Row;
use crate::model::config::SasrecConfig;
use crate::model::math;
use crate::model::matmul::{self, View};

/// Positions whose attention is computed together. Scores are computed up to the last of them, so that fewer are thrown
/// away when they are few; the product is faster when they are many.
const TOGETHER: usize = 32;

/// The network and the memory of its passes.
#[derive(Debug)]
pub(super) struct Encoder {
    weights: Weights,
    config: SasrecConfig,
    /// As many as passes ever ran at once.
    idle: Mutex<Vec<Scratch>>,
}

/// The memory of one pass over `rows` positions, of d numbers each; f in the feed-forward network.
#[derive(Debug, Default)]
struct Scratch {
    /// `[rows, d]`: what runs through the blocks.
    states: Vec<f32>,
    /// `[rows, d]`: the same normalised; then what attention gives.
    normed: Vec<f32>,
    /// `[rows, 3 d]`: queries, keys and values.
    projected: Vec<f32>,
    /// `[d / heads, rows]`: one head's keys, scaled.
    keys: Vec<f32>,
    /// `[TOGETHER, rows]`: one head's scores, then weights.
    scores: Vec<f32>,
    /// `[rows, f]`
    hidden: Vec<f32>,
    products: matmul::Scratch,
}

impl Encoder {
    pub(super) const fn new(weights: Weights, config: SasrecConfig) -> Self {
        Self { weights, config, idle: Mutex::new(Vec::new()) }
    }

    pub(super) const fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The query of a history: the newest `length` of `rows`, of which there is at least one, each an item's.
    pub(super) fn query(&self, rows: &[Row]) -> Vec<f32> {
        let lock = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = lock().pop();
        let mut scratch = taken.unwrap_or_default();
        let query = self.forward(&rows[rows.len().saturating_sub(self.config.length)..], &mut scratch);
        lock().push(scratch);
        query
    }

    fn forward(&self, history: &[Row], scratch: &mut Scratch) -> Vec<f32> {
        let SasrecConfig { dimensions: d, length, feed_forward, .. } = self.config;
        let missing = length - history.len();
        let padding = if self.config.attended_padding { missing } else { 0 };
        let rows = history.len() + usize::from(padding > 0);
        scratch.resize(rows, &self.config);
        self.embed(history, &mut scratch.states);
        let pass = Pass { rows, d, feed_forward, padding, heads: self.config.heads, epsilon: self.epsilon() };
        let last = self.weights.blocks.len() - 1;
        for (index, block) in self.weights.blocks.iter().enumerate() {
            let first = if index == last { rows - 1 } else { 0 };
            pass.block(block, first, scratch);
        }
        let mut query = vec![0.0; d];
        let newest = &scratch.states[(rows - 1) * d..rows * d];
        let norm = &self.weights.norm;
        math::layer_norm(newest, norm.weight(), norm.bias(), self.epsilon(), &mut query);
        query
    }

    fn epsilon(&self) -> f32 {
        self.config.norm_epsilon as f32
    }

    /// √d × an item's embedding + its position's, newest last; before them zeros where the padding has a position.
    fn embed(&self, history: &[Row], states: &mut [f32]) {
        let d = self.config.dimensions;
        let scale = (d as f64).sqrt() as f32;
        let (padding, states) = states.split_at_mut(states.len() - history.len() * d);
        padding.fill(0.0);
        let positions = &self.weights.positions.as_slice()[(self.config.length - history.len()) * d..];
        let items = self.weights.items.as_slice();
        let places = states.chunks_exact_mut(d).zip(positions.chunks_exact(d));
        for ((state, position), row) in places.zip(history) {
            let item = &items[*row as usize * d..][..d];
            for ((state, item), position) in state.iter_mut().zip(item).zip(position) {
                *state = scale * item + position;
            }
        }
    }
}

impl Scratch {
    /// Makes room. What is there is kept: every number is written before it is read.
    fn resize(&mut self, rows: usize, config: &SasrecConfig) {
        let d = config.dimensions;
        self.states.resize(rows * d, 0.0);
        self.normed.resize(rows * d, 0.0);
        self.projected.resize(rows * 3 * d, 0.0);
        self.keys.resize(rows * (d / config.heads), 0.0);
        self.scores.resize(rows * TOGETHER.min(rows), 0.0);
        self.hidden.resize(rows * config.feed_forward, 0.0);
    }
}

/// One pass.
struct Pass {
    rows: usize,
    d: usize,
    feed_forward: usize,
    /// How many positions the first row stands for, when that is padding; else 0.
    padding: usize,
    heads: usize,
    epsilon: f32,
}

impl Pass {
    /// One block; of its output only the rows from `first` on are computed.
    fn block(&self, block: &Block, first: usize, scratch: &mut Scratch) {
        self.project(block, first, scratch);
        self.attend(first, scratch);

        let Self { rows, d, feed_forward: f, .. } = *self;
        let Scratch { states, normed, hidden, products, .. } = scratch;
        let states = &mut states[first * d..];
        let normed = &mut normed[first * d..];
        let hidden = &mut hidden[first * f..];
        let rows = rows - first;
        add_rows(states, block.attention_output.bias());
        let output = View::rows(block.attention_output.weight(), d);
        matmul::multiply((rows, d, d), View::rows(normed, d), output, states, d, true, products);

        let norm = &block.feed_forward_norm;
        math::layer_norm(states, norm.weight(), norm.bias(), self.epsilon, normed);
        fill_rows(hidden, block.feed_forward_in.bias());
        let inwards = View::rows(block.feed_forward_in.weight(), f);
        matmul::multiply((rows, f, d), View::rows(normed, d), inwards, hidden, f, true, products);
        hidden.iter_mut().for_each(|x| *x = x.max(0.0));
        add_rows(states, block.feed_forward_out.bias());
        let outwards = View::rows(block.feed_forward_out.weight(), d);
        matmul::multiply((rows, d, f), View::rows(hidden, f), outwards, states, d, true, products);
    }

    /// Keys and values of every position, queries of those from `first` on.
    fn project(&self, block: &Block, first: usize, scratch: &mut Scratch) {
        let Self { rows, d, .. } = *self;
        let Scratch { states, normed, projected, products, .. } = scratch;
        let norm = &block.attention_norm;
        math::layer_norm(states, norm.weight(), norm.bias(), self.epsilon, normed);
        let layer = &block.query_key_value;
        fill_rows(projected, layer.bias());
        let columns =
            |from: usize| View { values: &layer.weight()[from..], row_stride: 3 * d, column_stride: 1 };
        let all = View::rows(normed, d);
        if first == 0 {
            matmul::multiply((rows, 3 * d, d), all, columns(0), projected, 3 * d, true, products);
        } else {
            let (out, asking) = (&mut projected[d..], View::rows(&normed[first * d..], d));
            matmul::multiply((rows, 2 * d, d), all, columns(d), out, 3 * d, true, products);
            let out = &mut projected[first * 3 * d..];
            matmul::multiply((rows - first, d, d), asking, columns(0), out, 3 * d, true, products);
        }
    }

    /// What each position from `first` on attends to: the mean of the values up to it, weighted by a softmax of
    /// query · key / √(d / heads), head by head. It goes to `normed`.
    fn attend(&self, first: usize, scratch: &mut Scratch) {
        let Self { rows, d, heads, .. } = *self;
        let Scratch { normed, projected, keys, scores, products, .. } = scratch;
        let width = d / heads;
        let part = |from: usize| View { values: &projected[from..], row_stride: 3 * d, column_stride: 1 };
        for start in (0..d).step_by(width) {
            scaled_transpose(part(d + start), keys, rows, 1.0 / (width as f32).sqrt());
            for from in (first..rows).step_by(TOGETHER) {
                let end = (from + TOGETHER).min(rows);
                let shape = (end - from, end, width);
                let queries = part(from * 3 * d + start);
                matmul::multiply(shape, queries, View::rows(keys, rows), scores, rows, false, products);
                for (row, scores) in (from..end).zip(scores.chunks_exact_mut(rows)) {
                    self.weigh(row, &mut scores[..end]);
                }
                let out = &mut normed[from * d + start..];
                let shape = (end - from, width, end);
                let weights = View::rows(scores, rows);
                matmul::multiply(shape, weights, part(2 * d + start), out, d, false, products);
            }
        }
    }

    /// Turns the scores of a position into weights that sum to 1, those of later positions into 0.
    fn weigh(&self, row: usize, scores: &mut [f32]) {
        let (scores, later) = scores.split_at_mut(row + 1);
        later.fill(0.0);
        if self.padding > 0 {
            // As many equal keys as the padding has positions. To itself it makes no difference how many they are.
            scores[0] += (self.padding as f32).ln();
        }
        let most = math::maximum(scores);
        let scale = 1.0 / math::exp_in_place_sum(scores, most);
        scores.iter_mut().for_each(|weight| *weight *= scale);
    }
}

/// Sets each row to `bias`.
fn fill_rows(rows: &mut [f32], bias: &[f32]) {
    rows.chunks_exact_mut(bias.len()).for_each(|row| row.copy_from_slice(bias));
}

/// Adds `bias` to each row.
fn add_rows(rows: &mut [f32], bias: &[f32]) {
    for row in rows.chunks_exact_mut(bias.len()) {
        row.iter_mut().zip(bias).for_each(|(x, bias)| *x += bias);
    }
}

/// to[j][i] = scale × from(i, j) for so many rows i, over all of `to`.
fn scaled_transpose(from: View<'_>, to: &mut [f32], rows: usize, scale: f32) {
    for (column, to) in to.chunks_exact_mut(rows).enumerate() {
        for (row, to) in to.iter_mut().enumerate() {
            *to = scale * from.values[row * from.row_stride + column * from.column_stride];
        }
    }
}

//! The item vectors of a mapped model, whichever its kind: what a query is scored against.

use super::tensors::Tensor;
use super::topk::{self, Items, Layout};
use super::{Scan, Scored};
use crate::catalogue::{Row, RowSet};

/// Item vectors row by row, and in blocks where the derived tensors are there.
#[derive(Debug)]
pub(super) struct ItemMatrix {
    /// `[items, factors]`
    rows: Tensor<f32, 2>,
    /// `[⌈items / 64⌉, factors, 64]`
    blocks: Option<Tensor<f32, 3>>,
}

impl ItemMatrix {
    pub(super) const fn new(rows: Tensor<f32, 2>, blocks: Option<Tensor<f32, 3>>) -> Self {
        Self { rows, blocks }
    }

    /// Number of items, and numbers per item.
    pub(super) const fn shape(&self) -> [usize; 2] {
        self.rows.shape()
    }

    /// The vector of an item; empty past the last row.
    pub(super) fn vector(&self, row: Row) -> &[f32] {
        let [_, factors] = self.shape();
        let start = row as usize * factors;
        self.rows.as_slice().get(start..start + factors).unwrap_or_default()
    }

    /// See [`topk::top_k`].
    pub(super) fn top_k(&self, query: &[f32], k: usize, excluded: &RowSet) -> Vec<Scored> {
        topk::top_k(self.items(), query, k, excluded)
    }

    /// See [`topk::top_k_each`].
    pub(super) fn top_k_each(&self, scans: &[Scan<'_>]) -> Vec<Vec<Scored>> {
        topk::top_k_each(self.items(), scans)
    }

    /// See [`topk::top_k_by_cosine`]; the query is an item's vector.
    pub(super) fn similar(&self, row: Row, k: usize, excluded: &RowSet) -> Vec<Scored> {
        topk::top_k_by_cosine(self.items(), self.vector(row), k, excluded)
    }

    /// See [`topk::score`].
    pub(super) fn score(&self, query: &[f32], row: Row) -> f32 {
        topk::score(query, self.vector(row))
    }

    /// See [`topk::scores`].
    pub(super) fn scores(&self, query: &[f32]) -> Vec<f32> {
        topk::scores(self.items(), query)
    }

    fn items(&self) -> Items<'_> {
        let [rows, factors] = self.shape();
        let layout = match &self.blocks {
            Some(blocks) => Layout::Blocked(blocks.as_slice()),
            None => Layout::RowMajor(self.rows.as_slice()),
        };
        Items { layout, factors, rows }
    }
}

//! The artifact format, and the recommenders that score straight from mapped files.
//!
//! An artifact is a directory (see `docs/artifact.md`). [`artifact::Artifact::open`] maps its files and checks their
//! headers; nothing it does grows with the number of items. [`verify`] reads everything.

pub mod als;
pub mod artifact;
pub mod cholesky;
pub mod config;
pub mod error;
pub mod folder;
mod items;
pub mod manifest;
mod map;
pub mod math;
pub mod matmul;
pub mod sasrec;
pub mod serving;
pub mod tensors;
pub mod topk;
pub mod verify;
pub mod write;

pub use artifact::Artifact;
pub use error::ArtifactError;

use crate::api::recommendation::Explanation;
use crate::catalogue::{Row, RowSet};

/// A row and how well it fits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// The item.
    pub row: Row,
    /// Its score; larger is better.
    pub score: f32,
}

/// One distinct item of a history that attracts: its row and weight, above 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attraction {
    /// The item.
    pub row: Row,
    /// How strongly the event speaks for it; a `like` has 1.
    pub weight: f32,
}

/// A question to the item vectors: the best `k` rows outside `excluded` for a query.
#[derive(Clone, Copy, Debug)]
pub struct Scan<'a> {
    /// [`Taste::query`].
    pub query: &'a [f32],
    /// How many rows.
    pub k: usize,
    /// Which rows not.
    pub excluded: &'a RowSet,
}

/// What a history comes to: a query vector, and how to take its scores apart.
pub trait Taste: Send {
    /// The vector whose inner product with an item's is that item's score, for whoever scores many tastes at once.
    fn query(&self) -> &[f32];

    /// The best `k` rows outside `excluded`, best first, equals by row.
    fn top_k(&self, k: usize, excluded: &RowSet) -> Vec<Scored>;

    /// The score of one row.
    fn score(&self, row: Row) -> f32;

    /// The score of every row.
    fn scores(&self) -> Vec<f32>;

    /// What each entry of the history has to do with the score of `row`, in history order, in the sense that
    /// [`Recommender::explanation`] says.
    fn contributions(&self, row: Row) -> Vec<f32>;
}

/// A trained model: a function of a history.
pub trait Recommender: Send + Sync {
    /// Folds a history, oldest first, into a taste. `None` when the history is empty.
    fn taste<'a>(&'a self, history: &'a [Attraction]) -> Option<Box<dyn Taste + 'a>>;

    /// What [`Taste::top_k`] says for each of several tastes at once: the same bits, sooner.
    fn top_k_each(&self, scans: &[Scan<'_>]) -> Vec<Vec<Scored>>;

    /// What [`Taste::contributions`] are.
    fn explanation(&self) -> Explanation;

    /// The `k` rows most like `row` outside `excluded`, most alike first, equals by row; the score is the cosine of the
    /// angle between the items, 0 where one has no direction.
    fn similar(&self, row: Row, k: usize, excluded: &RowSet) -> Vec<Scored>;

    /// The vector of an item, for comparing items with each other; empty past the last row.
    fn item_vector(&self, row: Row) -> &[f32];
}

#[cfg(test)]
mod tests;

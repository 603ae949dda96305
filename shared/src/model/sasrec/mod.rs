//! Self-attentive sequential recommendation (SASRec, Kang and McAuley 2018, arXiv:1808.09781) as a function of a history.
//!
//! A history is a sequence: its order counts, the weights of its entries do not. What the network makes of the newest
//! position is the query q, and the score of item j is q · eⱼ, e being the embeddings that also feed the network. The
//! formulas are in `docs/artifact.md`.

mod encoder;
#[cfg(feature = "sasrec")]
pub mod network;
#[cfg(test)]
mod tests;
mod weights;

use std::cell::OnceCell;

use super::config::SasrecConfig;
use super::error::ArtifactError;
use super::items::ItemMatrix;
use super::serving::Serving;
use super::tensors::TensorFile;
use super::{Attraction, Recommender, Scan, Scored, Taste};
use crate::api::recommendation::Explanation;
use crate::catalogue::{Row, RowSet};

use encoder::Encoder;
use weights::Weights;

/// The tensor of `model.safetensors` that embeds items, and that a query is scored against: `[items, dimensions]`.
pub const ITEM_EMBEDDINGS: &str = "item_embeddings";
/// What is added to an item at each position, `[length, dimensions]`; the last row is the newest position.
pub const POSITION_EMBEDDINGS: &str = "position_embeddings";

/// Names and shapes of the tensors of `model.safetensors`, for a catalogue of so many items: all F32, row-major, linear
/// layers as `[in, out]`.
#[must_use]
pub fn tensors(config: &SasrecConfig, items: usize) -> Vec<(String, Vec<usize>)> {
    let (d, f) = (config.dimensions, config.feed_forward);
    let mut tensors = vec![
        (ITEM_EMBEDDINGS.to_owned(), vec![items, d]),
        (POSITION_EMBEDDINGS.to_owned(), vec![config.length, d]),
    ];
    let mut add = |layer: String, weight: &[usize], bias: usize| {
        tensors.push((format!("{layer}.weight"), weight.to_vec()));
        tensors.push((format!("{layer}.bias"), vec![bias]));
    };
    for block in 0..config.blocks {
        add(format!("blocks.{block}.attention_norm"), &[d], d);
        add(format!("blocks.{block}.query_key_value"), &[d, 3 * d], 3 * d);
        add(format!("blocks.{block}.attention_output"), &[d, d], d);
        add(format!("blocks.{block}.feed_forward_norm"), &[d], d);
        add(format!("blocks.{block}.feed_forward_in"), &[d, f], f);
        add(format!("blocks.{block}.feed_forward_out"), &[f, d], d);
    }
    add("norm".to_owned(), &[d], d);
    tensors
}

/// How many of the latest items an explanation leaves out in turn: each is one more pass through the network, and the
/// newest items are what such a model goes by.
pub const EXPLAINED: usize = 10;

/// A mapped sequence model.
#[derive(Debug)]
pub struct Sasrec {
    items: ItemMatrix,
    length: usize,
    encoder: Encoder,
}

impl Sasrec {
    /// Takes the weights of an open file; `items` is the catalogue's number of items.
    ///
    /// # Errors
    /// When the weights have another type or shape than catalogue and configuration say.
    pub fn new(
        config: &SasrecConfig,
        weights: &TensorFile,
        items: usize,
        serving: Option<Serving>,
    ) -> Result<Self, ArtifactError> {
        let encoder = Encoder::new(Weights::new(config, weights, items)?, config.clone());
        let blocks = serving.map(|serving| serving.blocks);
        let items = ItemMatrix::new(encoder.weights().items.clone(), blocks);
        Ok(Self { items, length: config.length, encoder })
    }

    /// The query of a history of rows, oldest first, of which the newest `length` count. `None` when there is none, or
    /// one of them is no item's.
    #[must_use]
    pub fn query(&self, rows: &[Row]) -> Option<Vec<f32>> {
        let known = |row: &Row| (*row as usize) < self.items.shape()[0];
        (!rows.is_empty() && rows.iter().all(known)).then(|| self.encoder.query(rows))
    }
}

impl Recommender for Sasrec {
    fn taste<'a>(&'a self, history: &'a [Attraction]) -> Option<Box<dyn Taste + 'a>> {
        let history: Vec<Row> = history.iter().map(|item| item.row).collect();
        let query = self.query(&history)?;
        Some(Box::new(SasrecTaste { model: self, history, query, without: OnceCell::new() }))
    }

    fn top_k_each(&self, scans: &[Scan<'_>]) -> Vec<Vec<Scored>> {
        self.items.top_k_each(scans)
    }

    fn explanation(&self) -> Explanation {
        Explanation::LeaveOneOut
    }

    fn similar(&self, row: Row, k: usize, excluded: &RowSet) -> Vec<Scored> {
        self.items.similar(row, k, excluded)
    }

    fn item_vector(&self, row: Row) -> &[f32] {
        self.items.vector(row)
    }
}

/// An encoded history.
struct SasrecTaste<'a> {
    model: &'a Sasrec,
    history: Vec<Row>,
    query: Vec<f32>,
    /// The queries of the history without each of its latest items, in history order; made when they are first wanted.
    without: OnceCell<Vec<Vec<f32>>>,
}

impl SasrecTaste<'_> {
    /// How many of the oldest items are not explained: they are passed over, or too old for the network to see.
    fn unexplained(&self) -> usize {
        self.history.len().saturating_sub(EXPLAINED.min(self.model.length))
    }

    /// Empty for a history of one item: without it there is no score to compare with.
    fn queries_without(&self) -> Vec<Vec<f32>> {
        let without = |left_out: usize| {
            let mut rest = self.history.clone();
            rest.remove(left_out);
            self.model.query(&rest)
        };
        (self.unexplained()..self.history.len()).filter_map(without).collect()
    }
}

impl Taste for SasrecTaste<'_> {
    fn query(&self) -> &[f32] {
        &self.query
    }

    fn top_k(&self, k: usize, excluded: &RowSet) -> Vec<Scored> {
        self.model.items.top_k(&self.query, k, excluded)
    }

    fn score(&self, row: Row) -> f32 {
        self.model.items.score(&self.query, row)
    }

    fn scores(&self) -> Vec<f32> {
        self.model.items.scores(&self.query)
    }

    fn contributions(&self, row: Row) -> Vec<f32> {
        let score = self.score(row);
        if self.history.len() == 1 {
            return vec![score];
        }
        let mut effects = vec![0.0; self.unexplained()];
        let without = self.without.get_or_init(|| self.queries_without());
        effects.extend(without.iter().map(|query| score - self.model.items.score(query, row)));
        effects
    }
}

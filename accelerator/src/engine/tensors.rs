//! The engine on candle's tensors: a batch at once, on a GPU or whatever device candle knows.
//!
//! Queries come from the network for SASRec, from the fold-in on the CPU for ALS, whose solves are small. One product with
//! all item vectors scores the batch; the scores come back in one copy, and the best of each list are chosen on the CPU.
//! Sums are made in another order than by the definition of a score, so the last bits differ from the mapped engine's.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use rayon::prelude::*;
use shared::catalogue::Row;
use shared::model::artifact::MODEL;
use shared::model::config::Kind;
use shared::model::folder::Folder;
use shared::model::sasrec::network::{Batch, Inference, Network};
use shared::model::{Artifact, Scored};

use super::{Engine, EngineError, Query};

/// A model on a device.
pub struct Tensors {
    artifact: Arc<Artifact>,
    device: Device,
    /// The item vectors, `[factors, items]`.
    items: Tensor,
    encoder: Option<Encoder>,
}

/// What makes queries of sequences.
struct Encoder {
    network: Network,
    operators: Inference,
    /// How many of the newest items it sees.
    length: usize,
}

impl std::fmt::Debug for Tensors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tensors").field("device", &self.device).finish_non_exhaustive()
    }
}

impl Tensors {
    /// Copies the weights of an artifact, which was opened in `folder`, to a device.
    ///
    /// # Errors
    /// When the device has no room, or the model attends to padding, which the network on candle does not.
    pub fn new(artifact: Arc<Artifact>, folder: &Folder, device: Device) -> Result<Self, EngineError> {
        let (kind, file) = (&artifact.config.kind, folder.tensors(MODEL)?);
        let mut tensors = HashMap::new();
        for (name, shape) in kind.tensors(artifact.catalogue.len()) {
            let values = file.elements::<f32>(&name, &shape)?;
            tensors.insert(name, Tensor::from_slice(values.as_slice(), shape, &device)?);
        }
        let encoder = match kind {
            Kind::Als(_) => None,
            Kind::Sasrec(config) => Some(Encoder {
                network: Network::new(config, &tensors)?,
                operators: Inference::new(config.length, &device)?,
                length: config.length,
            }),
        };
        // `tensors` names the item matrix of every kind.
        let items = tensors
            .remove(kind.item_matrix())
            .ok_or_else(|| candle_core::Error::Msg(format!("{}: missing", kind.item_matrix())))?;
        let items = items.t()?.contiguous()?;
        Ok(Self { artifact, device, items, encoder })
    }

    /// `[histories, factors]`.
    fn queries(&self, batch: &[Query]) -> candle_core::Result<Tensor> {
        match &self.encoder {
            Some(encoder) => encoder.queries(batch, &self.device),
            None => {
                let factors = self.items.dim(0)?;
                let folded = batch.par_iter().map(|query| self.folded(query, factors));
                let folded: Vec<Vec<f32>> = folded.collect();
                Tensor::from_vec(folded.concat(), (batch.len(), factors), &self.device)
            }
        }
    }

    fn folded(&self, query: &Query, factors: usize) -> Vec<f32> {
        let taste = self.artifact.recommender().taste(&query.history);
        // Not a number, so that no row is chosen.
        taste.map_or_else(|| vec![f32::NAN; factors], |taste| taste.query().to_vec())
    }
}

impl Encoder {
    fn queries(&self, batch: &[Query], device: &Device) -> candle_core::Result<Tensor> {
        let rows = |query: &Query| {
            let newest = query.history.len().saturating_sub(self.length);
            query.history[newest..].iter().map(|item| item.row).collect()
        };
        let histories: Vec<Vec<Row>> = batch.iter().map(rows).collect();
        let histories = Batch::of(histories.iter().map(Vec::as_slice), self.length, device)?;
        self.network.queries(&histories, &self.operators)
    }
}

impl Engine for Tensors {
    fn recommend(&self, batch: &[Query]) -> Result<Vec<Vec<Scored>>, EngineError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let scores = self.queries(batch)?.matmul(&self.items)?;
        let scores: Vec<f32> = scores.flatten_all()?.to_vec1()?;
        let lists = scores.par_chunks(self.artifact.catalogue.len()).zip(batch);
        Ok(lists.map(|(scores, query)| best(scores, query.limit)).collect())
    }
}

/// The best rows, best first, equals by row. A score that is not a number is never chosen.
fn best(scores: &[f32], limit: usize) -> Vec<Scored> {
    let order = |a: &Scored, b: &Scored| {
        b.score.partial_cmp(&a.score).unwrap_or(Ordering::Equal).then(a.row.cmp(&b.row))
    };
    let rows = scores.iter().enumerate().filter(|(_, score)| !score.is_nan());
    let mut rows: Vec<Scored> = rows.map(|(row, score)| Scored { row: row as Row, score: *score }).collect();
    if limit < rows.len() {
        rows.select_nth_unstable_by(limit, order);
        rows.truncate(limit);
    }
    rows.sort_unstable_by(order);
    rows
}

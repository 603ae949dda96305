//! What is compared: anything that scores the whole catalogue for a history.

use shared::model::{Artifact, Attraction};

/// Scores items for a history.
pub trait Ranker: Sync {
    /// What tables call it.
    fn name(&self) -> &str;

    /// The score of every item; larger is better. `history` holds items and weights, oldest first: a
    /// ranker may make something of the order.
    fn scores(&self, history: &[(u32, f32)]) -> Vec<f32>;
}

/// A model of any kind as it is served, from its artifact; its name is the kind's.
#[derive(Debug)]
pub struct ArtifactRanker {
    artifact: Artifact,
}

impl ArtifactRanker {
    /// Ranks by an artifact whose rows are the items of the data.
    #[must_use]
    pub fn new(artifact: Artifact) -> Self {
        Self { artifact }
    }
}

impl Ranker for ArtifactRanker {
    fn name(&self) -> &str {
        self.artifact.config.kind.name()
    }

    fn scores(&self, history: &[(u32, f32)]) -> Vec<f32> {
        let history: Vec<_> = history.iter().map(|&(row, weight)| Attraction { row, weight }).collect();
        let taste = self.artifact.recommender().taste(&history);
        taste.map_or_else(|| vec![f32::NAN; self.artifact.catalogue.len()], |taste| taste.scores())
    }
}

/// The baseline: what most people had, whoever asks.
#[derive(Debug)]
pub struct Popularity {
    counts: Vec<f32>,
}

impl Popularity {
    /// Ranks by the number of training interactions.
    #[must_use]
    pub fn new(counts: &[u32]) -> Self {
        Self { counts: counts.iter().map(|count| *count as f32).collect() }
    }
}

impl Ranker for Popularity {
    fn name(&self) -> &str {
        "popularity"
    }

    fn scores(&self, _: &[(u32, f32)]) -> Vec<f32> {
        self.counts.clone()
    }
}

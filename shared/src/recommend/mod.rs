//! The use case: a history becomes a ranked, filtered, explained answer that says where it came from.

mod diversity;
mod history;
mod lookup;
mod memory;
mod present;
mod rank;
mod validate;

use std::path::Path;
use std::time::Instant;

use crate::api::recommendation::{
    DeadlineMs, HistoryReceipt, ModelReceipt, ProfileSource, Reason, Receipt, Rung,
};
use crate::api::{Answer, HistoryEntry, RecommendationRequest};
use crate::catalogue::RowSet;
use crate::model::{Artifact, ArtifactError, Scored, Taste};

use history::KnownHistory;
pub use memory::{Memory, Remembered};

/// How many more candidates than asked for are ranked when variety is wanted, within these bounds.
const DIVERSITY_POOL: usize = 4;
const DIVERSITY_POOL_LEAST: usize = 100;
const DIVERSITY_POOL_MOST: usize = 1_000;

/// A model that answers.
#[derive(Debug)]
pub struct Recommending {
    artifact: Artifact,
    model: ModelReceipt,
}

/// What one rung came up with.
struct Candidates<'a> {
    rung: Rung,
    reason: Option<Reason>,
    items: Vec<Scored>,
    taste: Option<Box<dyn Taste + 'a>>,
}

impl Recommending {
    /// Opens the artifact in a directory.
    ///
    /// # Errors
    /// As [`Artifact::open`].
    pub fn open(folder: &Path) -> Result<Self, ArtifactError> {
        Artifact::open(folder).map(Self::new)
    }

    /// Answers from an open artifact.
    #[must_use]
    pub fn new(artifact: Artifact) -> Self {
        let model = ModelReceipt {
            name: artifact.config.name.clone(),
            version: artifact.config.version.clone(),
            digest: artifact.manifest.digest.clone(),
        };
        Self { artifact, model }
    }

    /// The artifact it answers from.
    #[must_use]
    pub fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    /// Answers a request of which nothing is remembered. There is always an answer: what the rules leave of the model's
    /// list, else of what is popular; it is empty only when they leave nothing.
    #[must_use]
    pub fn answer(&self, request: &RecommendationRequest, request_id: String) -> Answer {
        self.answer_knowing(request, &Remembered::default(), request_id, Instant::now())
    }

    /// The same with what is remembered of the person it names; what the request brings is newer.
    pub async fn answer_for(
        &self,
        memory: &Memory,
        request: &RecommendationRequest,
        request_id: String,
    ) -> Answer {
        let started = Instant::now();
        let remembered = memory.recall(request.user_id.as_ref(), request.deadline_ms).await;
        self.answer_knowing(request, &remembered, request_id, started)
    }

    fn answer_knowing(
        &self,
        request: &RecommendationRequest,
        remembered: &Remembered,
        request_id: String,
        started: Instant,
    ) -> Answer {
        let catalogue = &self.artifact.catalogue;
        let history = self.history_of(remembered, request.history.as_slice());
        let mut excluded = catalogue.filtered_out(&request.filters);
        history.exclude(request.filters.include_seen, &mut excluded);

        let k = request.k.get() as usize;
        let candidates = self.candidates(&history, request, k, &excluded);
        let items = candidates.items.iter().zip(1..);
        let items = items.map(|(item, rank)| present::item(catalogue, *item, rank)).collect();
        let came_from = (remembered, request.history.as_slice());
        let rung = (candidates.rung, candidates.reason);
        let receipt = self.receipt(rung, &history, came_from, request.deadline_ms, started);
        let mut answer = Answer { request_id, items, explanation: None, receipt };
        if let (true, Some(taste)) = (request.explain, &candidates.taste) {
            let explanation = self.artifact.recommender().explanation();
            for (item, scored) in answer.items.iter_mut().zip(&candidates.items) {
                let weights = taste.contributions(scored.row);
                present::explain(item, (explanation, &weights), &history.attractions, catalogue);
            }
            answer.explanation = Some(explanation);
        }
        answer.receipt.elapsed_ms = elapsed_ms(started);
        answer
    }

    /// What the catalogue knows of a person: what is remembered, then what the request brought.
    fn history_of(&self, remembered: &Remembered, given: &[HistoryEntry]) -> KnownHistory {
        let entries = remembered.history.iter().chain(given);
        KnownHistory::of(entries, &self.artifact.catalogue, &self.artifact.config.event_weights)
    }

    fn receipt(
        &self,
        (rung, reason): (Rung, Option<Reason>),
        history: &KnownHistory,
        (remembered, given): (&Remembered, &[HistoryEntry]),
        deadline: DeadlineMs,
        started: Instant,
    ) -> Receipt {
        let unavailable = remembered.unavailable.then_some(Reason::ProfileUnavailable);
        Receipt {
            rung,
            reason,
            model: self.model.clone(),
            profile: match (!remembered.history.is_empty(), !given.is_empty()) {
                (true, true) => ProfileSource::Both,
                (true, false) => ProfileSource::Store,
                (false, true) => ProfileSource::Request,
                (false, false) if remembered.unavailable => ProfileSource::Unavailable,
                (false, false) => ProfileSource::None,
            },
            history: HistoryReceipt { used: history.known, unknown: history.unknown },
            degraded: reason.into_iter().chain(unavailable).collect(),
            elapsed_ms: elapsed_ms(started),
            deadline_ms: deadline.get(),
        }
    }

    /// The best rung's candidates that hold as an output.
    fn candidates<'a>(
        &'a self,
        history: &'a KnownHistory,
        request: &RecommendationRequest,
        k: usize,
        excluded: &RowSet,
    ) -> Candidates<'a> {
        let varied = |rank: &dyn Fn(usize) -> Vec<Scored>| {
            let diversity = request.diversity.get();
            if diversity == 0.0 {
                return rank(k);
            }
            let pool = (k * DIVERSITY_POOL).clamp(DIVERSITY_POOL_LEAST, DIVERSITY_POOL_MOST);
            diversity::maximal_marginal_relevance(&rank(pool), k, diversity, self.artifact.recommender())
        };
        let popular = |reason| {
            let items = varied(&|count| self.popular(count, excluded));
            Candidates { rung: Rung::Popular, reason: Some(reason), items, taste: None }
        };
        if history.attractions.is_empty() {
            return popular(Reason::NoKnownHistory);
        }
        let Some(taste) = self.artifact.recommender().taste(&history.attractions) else {
            tracing::error!(model = self.model.digest, "the model could not fold in a known history");
            return popular(Reason::FunctionInvalidOutput);
        };
        let items = varied(&|count| taste.top_k(count, excluded));
        let reachable = k.min(self.artifact.catalogue.len());
        match validate::output(&items, reachable, excluded) {
            Ok(()) => Candidates { rung: Rung::Function, reason: None, items, taste: Some(taste) },
            Err(broken) => {
                tracing::error!(model = self.model.digest, broken, "the function's own answer is not valid");
                popular(Reason::FunctionInvalidOutput)
            }
        }
    }

    /// The `count` most popular rows outside `excluded`; the score is the number of interactions.
    fn popular(&self, count: usize, excluded: &RowSet) -> Vec<Scored> {
        let catalogue = &self.artifact.catalogue;
        let rows = catalogue.by_popularity().iter().copied();
        let allowed = rows.filter(|&row| (row as usize) < catalogue.len() && !excluded.contains(row));
        allowed.take(count).map(|row| Scored { row, score: catalogue.popularity(row) as f32 }).collect()
    }
}

/// Milliseconds since then, to the microsecond.
fn elapsed_ms(started: Instant) -> f64 {
    (started.elapsed().as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests;

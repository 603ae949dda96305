//! Putting given items in order for a person.

use std::collections::HashSet;
use tokio::time::Instant;

use super::history::KnownHistory;
use super::ladder::Verdict;
use super::{Memory, Recommending, Remembered};
use crate::api::ranking::{RankedItem, RankingAnswer, RankingRequest};
use crate::api::recommendation::{Reason, Rung};
use crate::catalogue::Row;

impl Recommending {
    /// Orders the items of a request by their scores, equals as in the catalogue; whoever has no known history gets
    /// them by popularity. Items that the catalogue doesn't know come last.
    pub async fn rank_for(
        &self,
        memory: &Memory,
        request: &RankingRequest,
        request_id: String,
    ) -> RankingAnswer {
        let started = Instant::now();
        let remembered = memory.recall(request.user_id.as_ref(), request.deadline_ms).await;
        self.rank_knowing(request, &remembered, request_id, started)
    }

    pub(super) fn rank_knowing(
        &self,
        request: &RankingRequest,
        remembered: &Remembered,
        request_id: String,
        started: Instant,
    ) -> RankingAnswer {
        let catalogue = &self.artifact.catalogue;
        let history = self.history_of(remembered, request.history.as_slice());
        let mut asked = HashSet::new();
        let items = request.items.as_slice().iter().filter(|id| asked.insert(id.as_str()));
        let rows: Vec<(&str, Option<Row>)> =
            items.map(|id| (id.as_str(), catalogue.row(id.as_str()))).collect();

        let (verdict, scores) = self.scores_of(&rows, &history);
        let mut order: Vec<usize> = (0..rows.len()).collect();
        // Stable: what is unknown keeps its order.
        order.sort_by(|&a, &b| match (scores[a], scores[b]) {
            (Some(x), Some(y)) => y.total_cmp(&x).then(rows[a].1.cmp(&rows[b].1)),
            (x, y) => y.is_some().cmp(&x.is_some()),
        });
        let ranked = order.into_iter().zip(1..).map(|(place, rank)| RankedItem {
            item_id: rows[place].0.to_owned(),
            rank,
            score: scores[place],
            known: rows[place].1.is_some(),
            title: rows[place].1.and_then(|row| catalogue.title(row)).map(str::to_owned),
        });
        let items = ranked.collect();
        let came_from = (remembered, request.history.as_slice());
        let model = self.model.clone();
        let receipt = self.receipt(verdict, model, &history, came_from, request.deadline_ms, started);
        RankingAnswer { request_id, items, receipt }
    }

    /// The score of each known item: the model's, or its popularity where the model has none to give.
    fn scores_of(&self, rows: &[(&str, Option<Row>)], history: &KnownHistory) -> (Verdict, Vec<Option<f32>>) {
        let verdict = |rung, function| Verdict { rung, accelerator: None, function };
        let popularity =
            || rows.iter().map(|(_, row)| row.map(|row| self.artifact.catalogue.popularity(row) as f32));
        if history.attractions.is_empty() {
            return (verdict(Rung::Popular, Some(Reason::NoKnownHistory)), popularity().collect());
        }
        let taste = self.artifact.recommender().taste(&history.attractions);
        let scores = taste
            .map(|taste| rows.iter().map(|(_, row)| row.map(|row| taste.score(row))).collect::<Vec<_>>());
        match scores {
            Some(scores) if scores.iter().flatten().all(|score| score.is_finite()) => {
                (verdict(Rung::Function, None), scores)
            }
            _ => {
                tracing::error!(model = self.model.digest, "the model's scores are not finite");
                (verdict(Rung::Popular, Some(Reason::FunctionInvalidOutput)), popularity().collect())
            }
        }
    }
}

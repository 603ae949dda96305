//! The use case: a history becomes a ranked, filtered, explained answer that says where it came from.
//!
//! There is a ladder of rungs: the accelerator, the model inside the function, what is popular. The function's own answer is
//! made for every request, while the accelerator is asked: the way down is the one that is always walked.

mod ask;
mod diversity;
mod history;
mod ladder;
mod lookup;
mod many;
mod memory;
mod present;
mod rank;
mod rules;
mod validate;
mod warm_up;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::accelerator::{Accelerator, Link, Ranked};
use crate::api::recommendation::{
    DeadlineMs, Explanation, HistoryReceipt, ModelReceipt, ProfileSource, Reason, Receipt, Rung,
};
use crate::api::{Answer, HistoryEntry, RecommendationRequest};
use crate::catalogue::RowSet;
use crate::model::{Artifact, ArtifactError, Scored, Taste};

use ask::{Question, cut_off};
use history::KnownHistory;
use ladder::{Event, Ladder, OwnAnswer, Start, Verdict};
pub use memory::{Memory, Remembered};
use rules::Rules;

/// A model that answers, and the accelerators that answer better while they can be reached. A clone answers from the same
/// artifact, and has the same links.
#[derive(Clone, Debug)]
pub struct Recommending {
    artifact: Arc<Artifact>,
    model: ModelReceipt,
    links: Vec<Arc<Link>>,
}

/// Who is answered: what is known of them, and the rules of their request.
struct Person<'a> {
    remembered: &'a Remembered,
    given: &'a [HistoryEntry],
    history: KnownHistory,
    rules: Rules,
}

/// The function's own answer.
struct Own<'a> {
    outcome: OwnAnswer,
    items: Vec<Scored>,
    taste: Option<Box<dyn Taste + 'a>>,
}

impl Own<'_> {
    fn none(outcome: OwnAnswer) -> Self {
        Self { outcome, items: Vec::new(), taste: None }
    }
}

/// The accelerator's answer after the rules.
struct Theirs {
    items: Vec<Scored>,
    model: ModelReceipt,
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
            version: Some(artifact.config.version.clone()),
            digest: Some(artifact.manifest.digest.clone()),
        };
        Self { artifact: Arc::new(artifact), model, links: Vec::new() }
    }

    /// The same with accelerators to ask first, the first that can be reached.
    #[must_use]
    pub fn with_accelerators(mut self, accelerators: impl IntoIterator<Item = Arc<dyn Accelerator>>) -> Self {
        let link = |accelerator| Arc::new(Link::new(accelerator, &self.artifact));
        self.links = accelerators.into_iter().map(link).collect();
        self
    }

    /// The artifact it answers from.
    #[must_use]
    pub fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    /// The links to the accelerators, in the order in which they are asked.
    #[must_use]
    pub fn links(&self) -> &[Arc<Link>] {
        &self.links
    }

    /// Answers a request of which nothing is remembered, without asking an accelerator. There is always an answer: what the
    /// rules leave of the model's list, else of what is popular; it is empty only when they leave nothing.
    #[must_use]
    pub fn answer(&self, request: &RecommendationRequest, request_id: String) -> Answer {
        self.answer_knowing(request, &Remembered::default(), request_id, Instant::now())
    }

    fn answer_knowing(
        &self,
        request: &RecommendationRequest,
        remembered: &Remembered,
        request_id: String,
        started: Instant,
    ) -> Answer {
        let person = self.person(remembered, request);
        let own = self.own(&person, request);
        self.write(request, request_id, &person, (alone(own.outcome), &own, None), started)
    }

    /// Answers a request with what is remembered of the person it names, what the request brings being newer, from the
    /// highest rung that answers in time.
    pub async fn answer_for(
        &self,
        memory: &Memory,
        request: &RecommendationRequest,
        request_id: String,
    ) -> Answer {
        let started = Instant::now();
        let remembered = memory.recall(request.user_id.as_ref(), request.deadline_ms).await;
        let person = self.person(&remembered, request);
        let (cut_off, limit) = (cut_off(request.deadline_ms), person.rules.rows_to_ask_for(&person.history));
        let asked = Question::ask(&self.links, &person.history.attractions, limit, started + cut_off).await;
        let own = self.own(&person, request);
        let judge = |ranked| self.judge(&person, request, ranked);
        let (verdict, theirs) = asked.climb(started, cut_off, own.outcome, judge).await;
        self.write(request, request_id, &person, (verdict, &own, theirs.as_ref()), started)
    }

    fn person<'a>(&self, remembered: &'a Remembered, request: &'a RecommendationRequest) -> Person<'a> {
        let given = request.history.as_slice();
        let history = self.history_of(remembered, given);
        let rules = Rules::of(request, &history, &self.artifact.catalogue);
        Person { remembered, given, history, rules }
    }

    /// What the catalogue knows of a person: what is remembered, then what the request brought.
    fn history_of(&self, remembered: &Remembered, given: &[HistoryEntry]) -> KnownHistory {
        let entries = remembered.history.iter().chain(given);
        KnownHistory::of(entries, &self.artifact.catalogue, &self.artifact.config.event_weights)
    }

    /// The function's own answer, checked like a stranger's.
    fn own<'a>(&'a self, person: &'a Person<'_>, request: &RecommendationRequest) -> Own<'a> {
        match self.taste(person) {
            Ok(taste) => {
                let ranked = taste.top_k(person.rules.wanted, &person.rules.excluded);
                self.checked(person, request, taste, ranked)
            }
            Err(outcome) => Own::none(outcome),
        }
    }

    /// What the history comes to, or why to nothing.
    fn taste<'a>(&'a self, person: &'a Person<'_>) -> Result<Box<dyn Taste + 'a>, OwnAnswer> {
        if person.history.attractions.is_empty() {
            return Err(OwnAnswer::NothingKnown);
        }
        self.artifact.recommender().taste(&person.history.attractions).ok_or_else(|| {
            tracing::error!(model = self.model.digest, "the model could not fold in a known history");
            OwnAnswer::Invalid
        })
    }

    /// An own answer of what the taste ranked.
    fn checked<'a>(
        &self,
        person: &Person<'_>,
        request: &RecommendationRequest,
        taste: Box<dyn Taste + 'a>,
        ranked: Vec<Scored>,
    ) -> Own<'a> {
        let items = self.varied(request, person.rules.wanted, |_| ranked);
        match validate::output(&items, person.rules.k, &person.rules.excluded) {
            Ok(()) => Own { outcome: OwnAnswer::Ranked, items, taste: Some(taste) },
            Err(broken) => {
                tracing::error!(model = self.model.digest, broken, "the function's own answer is not valid");
                Own::none(OwnAnswer::Invalid)
            }
        }
    }

    /// The accelerator's list after the rules; `None` when they leave too little of it.
    fn judge(&self, person: &Person<'_>, request: &RecommendationRequest, ranked: Ranked) -> Option<Theirs> {
        let Person { rules, .. } = person;
        let mut allowed = ranked.items;
        allowed.retain(|item| !rules.excluded.contains(item.row));
        let items = self.varied(request, rules.wanted, move |count| {
            allowed.truncate(count);
            allowed
        });
        validate::output(&items, rules.k, &rules.excluded).ok()?;
        let model = ModelReceipt { name: ranked.model, version: ranked.version, digest: ranked.digest };
        Some(Theirs { items, model })
    }

    /// The best of what `rank` ranks: it is asked for `wanted`, and of these as many as the request asks for are taken for
    /// their variety.
    fn varied(
        &self,
        request: &RecommendationRequest,
        wanted: usize,
        rank: impl FnOnce(usize) -> Vec<Scored>,
    ) -> Vec<Scored> {
        let diversity = request.diversity.get();
        let ranked = rank(wanted);
        if diversity == 0.0 {
            return ranked;
        }
        let k = request.k.get() as usize;
        diversity::maximal_marginal_relevance(&ranked, k, diversity, self.artifact.recommender())
    }

    /// The `count` most popular rows outside `excluded`; the score is the number of interactions.
    fn popular(&self, count: usize, excluded: &RowSet) -> Vec<Scored> {
        let catalogue = &self.artifact.catalogue;
        let rows = catalogue.by_popularity().iter().copied();
        let allowed = rows.filter(|&row| (row as usize) < catalogue.len() && !excluded.contains(row));
        allowed.take(count).map(|row| Scored { row, score: catalogue.popularity(row) as f32 }).collect()
    }

    /// Writes the answer of the rung that the ladder came to.
    fn write(
        &self,
        request: &RecommendationRequest,
        request_id: String,
        person: &Person<'_>,
        (verdict, own, theirs): (Verdict, &Own<'_>, Option<&Theirs>),
        started: Instant,
    ) -> Answer {
        let catalogue = &self.artifact.catalogue;
        let (items, model) = match (verdict.rung, theirs) {
            (Rung::Accelerator, Some(theirs)) => (theirs.items.clone(), theirs.model.clone()),
            (Rung::Function, _) => (own.items.clone(), self.model.clone()),
            _ => {
                let Rules { excluded, wanted, .. } = &person.rules;
                let popular = self.varied(request, *wanted, |count| self.popular(count, excluded));
                (popular, self.model.clone())
            }
        };
        let came_from = (person.remembered, person.given);
        let receipt = self.receipt(verdict, model, &person.history, came_from, request.deadline_ms, started);
        let ranked =
            items.iter().zip(1..).map(|(item, rank)| present::item(catalogue, *item, rank)).collect();
        let mut answer = Answer { request_id, items: ranked, explanation: None, receipt };
        if request.explain && verdict.rung != Rung::Popular {
            self.explain(&mut answer, &items, person, own.taste.as_deref());
        }
        answer.receipt.elapsed_ms = elapsed_ms(started);
        answer
    }

    /// Says why each item was chosen: by the model that chose them where the function has it, else by likeness.
    fn explain(&self, answer: &mut Answer, items: &[Scored], person: &Person<'_>, taste: Option<&dyn Taste>) {
        let recommender = self.artifact.recommender();
        let same_model = answer.receipt.model.digest == self.model.digest;
        let taste = taste.filter(|_| same_model);
        let explanation = taste.map_or(Explanation::Similarity, |_| recommender.explanation());
        let attractions = &person.history.attractions;
        for (item, scored) in answer.items.iter_mut().zip(items) {
            let weights = match taste {
                Some(taste) => taste.contributions(scored.row),
                None => diversity::likeness(recommender, scored.row, attractions),
            };
            present::explain(item, (explanation, &weights), attractions, &self.artifact.catalogue);
        }
        answer.explanation = Some(explanation);
    }

    fn receipt(
        &self,
        verdict: Verdict,
        model: ModelReceipt,
        history: &KnownHistory,
        (remembered, given): (&Remembered, &[HistoryEntry]),
        deadline: DeadlineMs,
        started: Instant,
    ) -> Receipt {
        let unavailable = remembered.unavailable.then_some(Reason::ProfileUnavailable);
        Receipt {
            rung: verdict.rung,
            reason: verdict.reason(),
            model,
            profile: match (!remembered.history.is_empty(), !given.is_empty()) {
                (true, true) => ProfileSource::Both,
                (true, false) => ProfileSource::Store,
                (false, true) => ProfileSource::Request,
                (false, false) if remembered.unavailable => ProfileSource::Unavailable,
                (false, false) => ProfileSource::None,
            },
            history: HistoryReceipt { used: history.known, unknown: history.unknown },
            degraded: verdict.degraded().chain(unavailable).collect(),
            elapsed_ms: elapsed_ms(started),
            deadline_ms: deadline.get(),
        }
    }
}

/// Where the ladder ends that has nobody to ask.
fn alone(own: OwnAnswer) -> Verdict {
    match Ladder::new(Start::Nothing, Duration::MAX).on(Event::Function(own), Duration::ZERO) {
        ladder::Decision::Answer(verdict) => verdict,
        ladder::Decision::Wait => unreachable!(
            "with nothing to wait for the ladder decides at once; a test goes through all its outcomes"
        ),
    }
}

/// Milliseconds since then, to the microsecond.
fn elapsed_ms(started: Instant) -> f64 {
    (started.elapsed().as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests;

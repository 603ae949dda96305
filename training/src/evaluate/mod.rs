//! Offline evaluation: how well does a model find what people did next?
//!
//! A model is scored as it is served: it is written as an artifact, opened, and asked with each user's history. Ties
//! are counted against it: an item as good as the one sought ranks before it. All models are asked about the same users,
//! so they are compared user by user.

mod bootstrap;
mod metrics;
mod protocol;
mod rankers;

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Serialize, Serializer};

pub use bootstrap::{Interval, MetricDifference};
pub use protocol::{Case, Protocol, Split, leave_last_out, ncf, strong};
pub use rankers::{ArtifactRanker, Popularity, Ranker};

/// What an evaluation found.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// Which protocol.
    pub protocol: Protocol,
    /// The data's name.
    pub source: String,
    /// Items that were ranked for each user (with `ncf`, its candidates).
    pub candidates: usize,
    /// Users that were asked for.
    pub users: usize,
    /// The cut-off of the main metrics.
    pub k: usize,
    /// Each model's figures, in the order they were asked; in JSON an object with the names as keys, in that order.
    #[serde(serialize_with = "by_name")]
    pub models: Vec<ModelResult>,
    /// Every model against the last, the baseline; then each two of the others, the later less the earlier.
    pub differences: Vec<Difference>,
}

impl Evaluation {
    /// The figures of the model of this name.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<&ModelResult> {
        self.models.iter().find(|model| model.name == name)
    }
}

/// One model's figures: means over users.
#[derive(Clone, Debug, Serialize)]
pub struct ModelResult {
    /// The model's name.
    #[serde(skip)]
    pub name: String,
    /// Metric to mean.
    #[serde(flatten)]
    pub metrics: BTreeMap<String, f64>,
    /// Metric to its 95% bootstrap interval over users. Coverage is one figure of the whole and has none.
    pub intervals: BTreeMap<String, Interval>,
    /// What each user was asked and answered, for plots.
    #[serde(skip)]
    pub cases: Vec<CaseResult>,
    /// Metric to its value for each user, in the order of the cases; what differences are taken of.
    #[serde(skip)]
    pub by_user: BTreeMap<String, Vec<f64>>,
}

/// One model against another, metric by metric.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// The name of the model that is compared.
    pub model: String,
    /// The name of the one that it is compared with.
    pub baseline: String,
    /// Metric to how much more the model has of it. Coverage is one figure of the whole and is not compared.
    pub metrics: BTreeMap<String, MetricDifference>,
}

impl Difference {
    /// One result less another over the same cases.
    #[must_use]
    pub fn of(model: &ModelResult, baseline: &ModelResult) -> Self {
        let metrics = model.by_user.par_iter().filter_map(|(name, values)| {
            let others = baseline.by_user.get(name)?;
            Some((name.clone(), bootstrap::difference(values, others)))
        });
        Self { model: model.name.clone(), baseline: baseline.name.clone(), metrics: metrics.collect() }
    }
}

/// One user's outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseResult {
    /// Items in the history.
    pub history: usize,
    /// How popular the first item sought is: its place in the order of popularity, 0 the most popular.
    pub popularity_rank: usize,
    /// How many candidates rank before the first item sought, seen items masked.
    pub rank: usize,
}

/// Evaluates models on the cases of a split. Names are distinct; the last model is the baseline that all others are
/// compared with.
#[must_use]
pub fn evaluate(split: &Split, rankers: &[&dyn Ranker], k: usize, source: &str) -> Evaluation {
    let models: Vec<ModelResult> = rankers.iter().map(|ranker| result(split, *ranker, k)).collect();
    let candidates =
        split.cases.first().and_then(|case| case.candidates.as_ref()).map_or(split.items, Vec::len);
    Evaluation {
        protocol: split.protocol,
        source: source.to_owned(),
        candidates,
        users: split.cases.len(),
        k,
        differences: differences(&models),
        models,
    }
}

fn differences(models: &[ModelResult]) -> Vec<Difference> {
    let Some((baseline, models)) = models.split_last() else { return Vec::new() };
    let to_baseline = models.iter().map(|model| Difference::of(model, baseline));
    let to_earlier = models
        .iter()
        .enumerate()
        .flat_map(|(place, later)| models[..place].iter().map(move |earlier| Difference::of(later, earlier)));
    to_baseline.chain(to_earlier).collect()
}

fn result(split: &Split, ranker: &dyn Ranker, k: usize) -> ModelResult {
    let outcomes: Vec<Outcome> = split.cases.par_iter().map(|case| outcome(split, ranker, case, k)).collect();
    let values = |place: usize| outcomes.iter().map(|outcome| outcome.metrics[place]).collect();
    let names = metrics::names(split.protocol, k).into_iter().enumerate();
    let by_user: BTreeMap<String, Vec<f64>> = names.map(|(place, name)| (name, values(place))).collect();
    let mut metrics: BTreeMap<_, _> =
        by_user.iter().map(|(name, values)| (name.clone(), bootstrap::mean(values))).collect();
    let intervals = by_user.par_iter().map(|(name, values)| (name.clone(), bootstrap::interval(values)));
    if split.protocol != Protocol::Ncf {
        let mut shown = vec![false; split.items];
        outcomes.iter().flat_map(|outcome| &outcome.top).for_each(|item| shown[*item as usize] = true);
        let share = shown.iter().filter(|s| **s).count() as f64 / split.items.max(1) as f64;
        metrics.insert(format!("coverage@{k}"), share);
    }
    ModelResult {
        name: ranker.name().to_owned(),
        metrics,
        intervals: intervals.collect(),
        cases: outcomes.into_iter().map(|outcome| outcome.case).collect(),
        by_user,
    }
}

fn by_name<S: Serializer>(models: &[ModelResult], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(models.iter().map(|model| (&model.name, model)))
}

struct Outcome {
    metrics: Vec<f64>,
    top: Vec<u32>,
    case: CaseResult,
}

fn outcome(split: &Split, ranker: &dyn Ranker, case: &Case, k: usize) -> Outcome {
    let scores = ranker.scores(&case.history);
    let mut masked = scores.clone();
    case.history.iter().for_each(|(item, _)| masked[*item as usize] = f32::NEG_INFINITY);
    let ranks: Vec<usize> = case
        .targets
        .iter()
        .map(|target| metrics::rank(&masked, *target, case.candidates.as_deref()))
        .collect();
    let unmasked = || metrics::rank(&scores, case.targets[0], None);
    Outcome {
        metrics: metrics::of(split.protocol, &ranks, unmasked, k),
        top: top(&masked, k),
        case: CaseResult {
            history: case.history.len(),
            popularity_rank: split.popularity_rank[case.targets[0] as usize],
            rank: ranks[0],
        },
    }
}

/// The k best items, equals by index.
fn top(scores: &[f32], k: usize) -> Vec<u32> {
    let mut items: Vec<u32> =
        (0..scores.len() as u32).filter(|i| scores[*i as usize] > f32::NEG_INFINITY).collect();
    let order = |a: &u32, b: &u32| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.cmp(b));
    if k < items.len() {
        items.select_nth_unstable_by(k, order);
        items.truncate(k);
    }
    items
}

#[cfg(test)]
mod tests;

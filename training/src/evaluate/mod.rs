//! Offline evaluation: how well does a model find what people did next?
//!
//! A model is scored as it is served: it is written as an artifact, opened, and asked with each user's history. Ties
//! are counted against it: an item as good as the one sought ranks before it.

mod bootstrap;
mod protocol;
mod rankers;

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Serialize;

pub use bootstrap::Interval;
pub use protocol::{Case, Protocol, Split, leave_last_out, ncf, strong};
pub use rankers::{AlsRanker, Popularity, Ranker};

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
    /// Each model's figures, by name.
    pub models: BTreeMap<String, ModelResult>,
}

/// One model's figures: means over users.
#[derive(Clone, Debug, Serialize)]
pub struct ModelResult {
    /// Metric to mean.
    #[serde(flatten)]
    pub metrics: BTreeMap<String, f64>,
    /// Metric to its 95% bootstrap interval over users. Coverage is one figure of the whole and has none.
    pub intervals: BTreeMap<String, Interval>,
    /// What each user was asked and answered, for plots.
    #[serde(skip)]
    pub cases: Vec<CaseResult>,
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

/// Evaluates models on the cases of a split.
#[must_use]
pub fn evaluate(split: &Split, rankers: &[&dyn Ranker], k: usize, source: &str) -> Evaluation {
    let results = rankers.iter().map(|ranker| (ranker.name().to_owned(), result(split, *ranker, k)));
    let candidates =
        split.cases.first().and_then(|case| case.candidates.as_ref()).map_or(split.items, Vec::len);
    Evaluation {
        protocol: split.protocol,
        source: source.to_owned(),
        candidates,
        users: split.cases.len(),
        k,
        models: results.collect(),
    }
}

fn result(split: &Split, ranker: &dyn Ranker, k: usize) -> ModelResult {
    let outcomes: Vec<Outcome> = split.cases.par_iter().map(|case| outcome(split, ranker, case, k)).collect();
    let mut metrics = BTreeMap::new();
    let mut intervals = BTreeMap::new();
    for (place, name) in metric_names(split.protocol, k).into_iter().enumerate() {
        let values: Vec<f64> = outcomes.iter().map(|outcome| outcome.metrics[place]).collect();
        metrics.insert(name.clone(), bootstrap::mean(&values));
        intervals.insert(name, bootstrap::interval(&values));
    }
    if split.protocol != Protocol::Ncf {
        let mut shown = vec![false; split.items];
        outcomes.iter().flat_map(|outcome| &outcome.top).for_each(|item| shown[*item as usize] = true);
        let share = shown.iter().filter(|s| **s).count() as f64 / split.items.max(1) as f64;
        metrics.insert(format!("coverage@{k}"), share);
    }
    ModelResult { metrics, intervals, cases: outcomes.into_iter().map(|outcome| outcome.case).collect() }
}

/// The names of what [`metrics`] computes, in its order.
fn metric_names(protocol: Protocol, k: usize) -> Vec<String> {
    match protocol {
        Protocol::LeaveLastOut => vec![
            format!("hr@{k}"),
            format!("ndcg@{k}"),
            "mrr".into(),
            format!("hr@{k}_unmasked"),
            format!("ndcg@{k}_unmasked"),
        ],
        Protocol::Ncf => vec![format!("hr@{k}"), format!("ndcg@{k}"), "mrr".into()],
        Protocol::Strong => vec!["recall@20".into(), "recall@50".into(), "ndcg@100".into()],
    }
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
    let ranks: Vec<usize> =
        case.targets.iter().map(|target| rank(&masked, *target, case.candidates.as_deref())).collect();
    let metrics = match split.protocol {
        Protocol::LeaveLastOut => {
            let unmasked = rank(&scores, case.targets[0], None);
            vec![
                hit(ranks[0], k),
                gain(ranks[0], k),
                reciprocal(ranks[0]),
                hit(unmasked, k),
                gain(unmasked, k),
            ]
        }
        Protocol::Ncf => vec![hit(ranks[0], k), gain(ranks[0], k), reciprocal(ranks[0])],
        Protocol::Strong => vec![recall(&ranks, 20), recall(&ranks, 50), ndcg(&ranks, 100)],
    };
    let case = CaseResult {
        history: case.history.len(),
        popularity_rank: split.popularity_rank[case.targets[0] as usize],
        rank: ranks[0],
    };
    Outcome { metrics, top: top(&masked, k), case }
}

/// How many candidates rank before the target; one of its score does, for ties count against the model, and so does
/// everything when its own score is not a number.
fn rank(scores: &[f32], target: u32, candidates: Option<&[u32]>) -> usize {
    let sought = scores[target as usize];
    let before = |item: u32| item != target && (sought.is_nan() || scores[item as usize] >= sought);
    match candidates {
        Some(candidates) => candidates.iter().filter(|item| before(**item)).count(),
        None => (0..scores.len() as u32).filter(|item| before(*item)).count(),
    }
}

fn hit(rank: usize, k: usize) -> f64 {
    f64::from(u8::from(rank < k))
}

/// NDCG of one relevant item.
fn gain(rank: usize, k: usize) -> f64 {
    if rank < k { 1.0 / (rank as f64 + 2.0).log2() } else { 0.0 }
}

fn reciprocal(rank: usize) -> f64 {
    1.0 / (rank as f64 + 1.0)
}

/// The share of the targets among the first k, of as many as could be there (Liang et al. 2018).
fn recall(ranks: &[usize], k: usize) -> f64 {
    ranks.iter().filter(|rank| **rank < k).count() as f64 / ranks.len().min(k) as f64
}

/// NDCG of several relevant items (Liang et al. 2018).
fn ndcg(ranks: &[usize], k: usize) -> f64 {
    let found: f64 = ranks.iter().map(|rank| gain(*rank, k)).sum();
    let best: f64 = (0..ranks.len().min(k)).map(|rank| gain(rank, k)).sum();
    found / best
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

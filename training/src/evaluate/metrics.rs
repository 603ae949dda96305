//! The metrics of one user, from how many candidates rank before each item sought.

use super::Protocol;

/// The names of the metrics of [`of`], in its order.
pub(super) fn names(protocol: Protocol, k: usize) -> Vec<String> {
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

/// One user's metrics. `ranks` are of the items sought with seen items masked, `unmasked` that of the first without.
pub(super) fn of(protocol: Protocol, ranks: &[usize], unmasked: impl Fn() -> usize, k: usize) -> Vec<f64> {
    match protocol {
        Protocol::LeaveLastOut => {
            let unmasked = unmasked();
            vec![
                hit(ranks[0], k),
                gain(ranks[0], k),
                reciprocal(ranks[0]),
                hit(unmasked, k),
                gain(unmasked, k),
            ]
        }
        Protocol::Ncf => vec![hit(ranks[0], k), gain(ranks[0], k), reciprocal(ranks[0])],
        Protocol::Strong => vec![recall(ranks, 20), recall(ranks, 50), ndcg(ranks, 100)],
    }
}

/// How many candidates rank before the target; one of its score does, for ties count against the model, and so does
/// everything when its own score is not a number.
pub(super) fn rank(scores: &[f32], target: u32, candidates: Option<&[u32]>) -> usize {
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
pub(super) fn recall(ranks: &[usize], k: usize) -> f64 {
    ranks.iter().filter(|rank| **rank < k).count() as f64 / ranks.len().min(k) as f64
}

/// NDCG of several relevant items (Liang et al. 2018).
pub(super) fn ndcg(ranks: &[usize], k: usize) -> f64 {
    let found: f64 = ranks.iter().map(|rank| gain(*rank, k)).sum();
    let best: f64 = (0..ranks.len().min(k)).map(|rank| gain(rank, k)).sum();
    found / best
}

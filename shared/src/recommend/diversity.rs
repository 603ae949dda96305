//! Variety: maximal marginal relevance (Carbonell and Goldstein 1998).

use crate::catalogue::Row;
use crate::model::{Attraction, Recommender, Scored};

/// Chooses `k` of the candidates, best first, each time the one with the largest
/// (1 − δ) relevance − δ (largest cosine to one chosen before). Relevance is the score brought to 0…1 over the
/// candidates; a negative cosine counts as 0. Equals go by the order of the candidates, so δ = 0 keeps it.
pub(super) fn maximal_marginal_relevance(
    candidates: &[Scored],
    k: usize,
    diversity: f32,
    model: &dyn Recommender,
) -> Vec<Scored> {
    let (Some(best), Some(worst)) = (candidates.first(), candidates.last()) else { return Vec::new() };
    let span = best.score - worst.score;
    let relevance = |c: &Scored| if span > 0.0 { (c.score - worst.score) / span } else { 1.0 };
    let directions: Vec<Vec<f32>> = candidates.iter().map(|c| direction(model.item_vector(c.row))).collect();

    let mut left: Vec<usize> = (0..candidates.len()).collect();
    let mut closest = vec![0.0_f32; candidates.len()];
    let mut chosen = Vec::with_capacity(k.min(candidates.len()));
    while chosen.len() < k {
        let value = |i: usize| (1.0 - diversity) * relevance(&candidates[i]) - diversity * closest[i];
        let better = |best: Option<usize>, (place, &i): (usize, &usize)| match best {
            Some(other) if value(left[other]) >= value(i) => best,
            _ => Some(place),
        };
        let Some(place) = left.iter().enumerate().fold(None, better) else { break };
        let next = left.remove(place);
        chosen.push(candidates[next]);
        for &i in &left {
            closest[i] = closest[i].max(dot(&directions[i], &directions[next]));
        }
    }
    chosen
}

/// How alike an item is to each of a history: the cosine of the angle between their vectors, 0 where one has no direction.
pub(super) fn likeness(model: &dyn Recommender, row: Row, history: &[Attraction]) -> Vec<f32> {
    let item = direction(model.item_vector(row));
    history.iter().map(|other| dot(&item, &direction(model.item_vector(other.row)))).collect()
}

/// The vector at length 1; zeros when it has no direction.
fn direction(vector: &[f32]) -> Vec<f32> {
    let length = dot(vector, vector).sqrt();
    let scale = if length.is_normal() { length.recip() } else { 0.0 };
    vector.iter().map(|v| v * scale).collect()
}

/// An inner product in eight partial sums, which the compiler turns into vectors. No score is made of it.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_chunks, a_rest) = a.as_chunks::<8>();
    let (b_chunks, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0_f32; 8];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

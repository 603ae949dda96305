//! Made-up interactions with the shape of real ones: a few items that many took, many that few did, and people of very
//! different diligence. How long training takes depends on these counts, not on tastes.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How many of each there shall be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) users: usize,
    pub(crate) items: usize,
    /// Distinct pairs of a user and an item.
    pub(crate) pairs: usize,
}

/// MovieLens ml-1m: 6,040 users, 3,706 items, 1,000,209 ratings.
pub(crate) const ML_1M: Shape = Shape { users: 6_040, items: 3_706, pairs: 1_000_209 };

/// What of ml-1m trains sequence models: items with at least five users, as in the published comparisons.
pub(crate) const ML_1M_SEQUENCES: Shape = Shape { users: 6_040, items: 3_416, pairs: 999_611 };

/// Fewest and most items of a user, as in ml-1m.
const ACTIVITY: (f64, f64) = (20.0, 2_314.0);
/// Spread of the logarithm of a user's number of items.
const ACTIVITY_DEVIATION: f64 = 1.05;
/// The weight of the item of rank r is (r + shift) to the power −exponent (Mandelbrot's form of Zipf's law), chosen by
/// hand so that the median item has as many users as in ml-1m, 124; the most popular has 2,600, there 3,428.
const POPULARITY: (f64, f64) = (1.3, 100.0);

/// Draws interactions of a shape, as what each user had; the same for a seed at all times. Every weight is 1.
pub(crate) fn histories(shape: Shape, seed: u64) -> Vec<Vec<(u32, f32)>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (exponent, shift) = POPULARITY;
    let log_weights: Vec<f64> = (0..shape.items).map(|rank| -exponent * (rank as f64 + shift).ln()).collect();
    let mut keyed: Vec<(f64, u32)> = Vec::with_capacity(shape.items);
    let mut histories = Vec::with_capacity(shape.users);
    for count in activity(shape, &mut random) {
        // The largest of log-weight plus Gumbel noise are a weighted sample without replacement (Efraimidis and
        // Spirakis 2006, in logarithms).
        keyed.clear();
        keyed.extend(log_weights.iter().zip(0..).map(|(weight, item)| (weight + gumbel(&mut random), item)));
        if count < keyed.len() {
            keyed.select_nth_unstable_by(count, |a, b| b.0.total_cmp(&a.0));
        }
        histories.push(keyed.iter().take(count).map(|(_, item)| (*item, 1.0)).collect());
    }
    histories
}

/// Items per user: log-normal within bounds, scaled so that they sum to the number of pairs.
fn activity(shape: Shape, random: &mut ChaCha8Rng) -> Vec<usize> {
    let drawn: Vec<f64> =
        (0..shape.users).map(|_| (ACTIVITY_DEVIATION * standard_normal(random)).exp()).collect();
    let most = ACTIVITY.1.min(shape.items as f64);
    let scaled = |scale: f64| {
        drawn.iter().map(move |value| (value * scale).clamp(ACTIVITY.0.min(most), most) as usize)
    };
    let (mut low, mut high) = (0.0, shape.pairs as f64);
    // Halving: a double's digits are used up after as many steps.
    for _ in 0..f64::MANTISSA_DIGITS {
        let middle = (low + high) / 2.0;
        if scaled(middle).sum::<usize>() <= shape.pairs { low = middle } else { high = middle }
    }
    let mut counts: Vec<usize> = scaled(low).collect();
    // What rounding left over goes to the first who have room.
    let missing = shape.pairs.saturating_sub(counts.iter().sum());
    counts.iter_mut().filter(|count| **count < most as usize).take(missing).for_each(|count| *count += 1);
    counts
}

fn gumbel(random: &mut ChaCha8Rng) -> f64 {
    -(-(1.0 - random.random::<f64>()).ln()).ln()
}

/// A draw from the standard normal distribution (Box and Muller 1958).
fn standard_normal(random: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (random.random(), random.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

#[cfg(test)]
mod tests {
    use training::als::Interactions;

    use super::*;

    #[test]
    fn the_drawn_pairs_are_as_many_as_asked_for_and_drawn_again_by_the_same_seed() {
        let shape = Shape { users: 50, items: 300, pairs: 2_000 };
        let draw = || Interactions::of(&histories(shape, 1), shape.items);
        let drawn = draw();
        assert_eq!((drawn.len(), drawn.by_user.rows(), drawn.by_item.rows()), (2_000, 50, 300));
        assert_eq!(drawn, draw());
        let popularity = drawn.popularity();
        assert!(popularity[..30].iter().sum::<u32>() > popularity[270..].iter().sum());
    }
}

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

/// About what papers on top-k make of MovieLens ml-20m, its ratings of 4 and more: users and items are theirs.
pub(crate) const ML_20M: Shape = Shape { users: 136_677, items: 20_108, pairs: 9_100_000 };

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
    let weight = |rank: usize| (rank as f64 + shift).powf(-exponent);
    let up_to: Vec<f64> = (0..shape.items)
        .scan(0.0, |sum, rank| {
            *sum += weight(rank);
            Some(*sum)
        })
        .collect();
    let all = up_to.last().copied().unwrap_or_default();
    let mut taken = vec![false; shape.items];
    let mut history = |count: usize, random: &mut ChaCha8Rng| {
        // What is drawn twice is drawn anew: one after the other by weight, without replacement.
        let mut drawn = Vec::with_capacity(count);
        while drawn.len() < count {
            let place = random.random::<f64>() * all;
            let item = up_to.partition_point(|sum| *sum <= place).min(shape.items - 1);
            if !taken[item] {
                taken[item] = true;
                drawn.push((item as u32, 1.0));
            }
        }
        drawn.iter().for_each(|(item, _)| taken[*item as usize] = false);
        drawn
    };
    activity(shape, &mut random).into_iter().map(|count| history(count, &mut random)).collect()
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

//! Percentile bootstrap over users (Efron 1979).

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

/// Resamples: enough for the ends of a 95% interval to be steady in the third digit.
const RESAMPLES: usize = 1_000;
/// A fixed seed: the same data give the same interval.
const SEED: u64 = 20_080_519;

/// A 95% interval, lower end first.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval(pub f64, pub f64);

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The interval of the mean.
pub(super) fn interval(values: &[f64]) -> Interval {
    if values.is_empty() {
        return Interval(0.0, 0.0);
    }
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut resampled =
        || (0..values.len()).map(|_| values[random.random_range(0..values.len())]).sum::<f64>();
    let mut means: Vec<f64> = (0..RESAMPLES).map(|_| resampled() / values.len() as f64).collect();
    means.sort_by(f64::total_cmp);
    Interval(means[RESAMPLES / 40], means[RESAMPLES - 1 - RESAMPLES / 40])
}

//! Percentile bootstrap over users (Efron 1979), of one model and of the difference between two.

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

impl Interval {
    /// Whether 0 is below or above it: an interval of differences then tells which of the two is better.
    #[must_use]
    pub fn excludes_zero(self) -> bool {
        self.0 > 0.0 || self.1 < 0.0
    }
}

/// How much more of a metric one model has than another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MetricDifference {
    /// The mean over users of the model's value less the baseline's.
    pub difference: f64,
    /// Its 95% interval.
    pub interval: Interval,
}

/// The difference between two models that the same users were asked about, in the same order. It is paired (Koehn 2004,
/// "Statistical Significance Tests for Machine Translation Evaluation"): a resample holds the same users for both, so
/// what makes a user hard for both cancels out.
pub(super) fn difference(model: &[f64], baseline: &[f64]) -> MetricDifference {
    let differences: Vec<f64> =
        model.iter().zip(baseline).map(|(model, baseline)| model - baseline).collect();
    MetricDifference { difference: mean(&differences), interval: interval(&differences) }
}

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

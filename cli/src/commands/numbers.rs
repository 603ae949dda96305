//! Numbers with their ranges.

pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n >= 1).ok_or_else(|| "expected a whole number, at least 1".into())
}

pub(super) fn above_zero(text: &str) -> Result<f64, String> {
    number(text).filter(|n| *n > 0.0).ok_or_else(|| "expected a number above 0".into())
}

pub(super) fn zero_or_more(text: &str) -> Result<f64, String> {
    number(text).filter(|n| *n >= 0.0).ok_or_else(|| "expected a number, 0 or more".into())
}

/// 0 to 1, and not 1.
pub(super) fn share_below_one(text: &str) -> Result<f64, String> {
    let share = number(text).filter(|n| (0.0..1.0).contains(n));
    share.ok_or_else(|| "expected a number from 0 to below 1".into())
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|n: &f64| n.is_finite())
}

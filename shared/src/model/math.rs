//! Functions over slices of f32 that run in the widest vectors the machine has: what sequence models are made of beside
//! products of matrices.
//!
//! No product is fused with a sum and every sum has its order, so that the bits are the same on every machine.

use multiversion::multiversion;

/// Numbers that advance together: one 512-bit register.
const LANES: usize = 16;

/// Below it e^x is no normal f32; it is taken as 0.
const EXP_LOWEST: f32 = -87.336_54;
/// 1.5 × 2²³: added to a number below 2²², it leaves the nearest integer in the low bits of the sum.
const ROUNDER: f32 = 12_582_912.0;
/// ln 2 in two parts, of which the first has so few bits that its products with integers to 2⁸ are exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// The bias of an f32's exponent, and where its bits lie.
const EXPONENT_BIAS: u32 = 127;
const EXPONENT_SHIFT: u32 = 23;

/// e^x for x ≤ 88, with a relative error of at most 2⁻²³; 0 for x below −87.33, where e^x is no normal f32; NaN for NaN.
///
/// x = n ln 2 + r with |r| ≤ ½ ln 2, and e^r by the polynomial of `expf` in Moshier's Cephes library.
#[inline(always)]
fn exp(x: f32) -> f32 {
    let shifted = x * std::f32::consts::LOG2_E + ROUNDER;
    let n = shifted - ROUNDER;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 5.0e-1;
    let power = f32::from_bits(shifted.to_bits().wrapping_add(EXPONENT_BIAS) << EXPONENT_SHIFT);
    let value = (p * (r * r) + r + 1.0) * power;
    if x < EXP_LOWEST { 0.0 } else { value }
}

/// The largest of the values; −∞ of none. Those that are not numbers are passed over.
#[must_use]
#[multiversion(targets("x86_64+avx512f+avx512vl+avx2+fma", "x86_64+avx2+fma", "aarch64+neon"))]
pub fn maximum(values: &[f32]) -> f32 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut most = [f32::NEG_INFINITY; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            most[lane] = if chunk[lane] > most[lane] { chunk[lane] } else { most[lane] };
        }
    }
    most.iter().chain(rest).fold(f32::NEG_INFINITY, |most, v| if *v > most { *v } else { most })
}

/// Turns each value x into e^(x − shift) and returns the sum of what they then are. With the maximum as the shift that is
/// a softmax but for the division.
///
/// For x − shift ≤ 88 a value has a relative error of at most 2⁻²³, and is 0 where x − shift is below −87.33.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx2+fma", "x86_64+avx2+fma", "aarch64+neon"))]
pub fn exp_in_place_sum(values: &mut [f32], shift: f32) -> f32 {
    let (chunks, rest) = values.as_chunks_mut::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            chunk[lane] = exp(chunk[lane] - shift);
            sums[lane] += chunk[lane];
        }
    }
    // What fills the last vector becomes 0.
    let mut last = [f32::NEG_INFINITY; LANES];
    last.iter_mut().zip(&*rest).for_each(|(last, x)| *last = x - shift);
    for lane in 0..LANES {
        last[lane] = exp(last[lane]);
        sums[lane] += last[lane];
    }
    rest.copy_from_slice(&last[..rest.len()]);
    sum_lanes(sums)
}

/// The mean of a row, and 1 / √(variance + `epsilon`), the variance being that of the row itself (divided by its length).
/// The row is not empty.
#[must_use]
#[multiversion(targets("x86_64+avx512f+avx512vl+avx2+fma", "x86_64+avx2+fma", "aarch64+neon"))]
pub fn norm_statistics(row: &[f32], epsilon: f32) -> (f32, f32) {
    statistics(row, epsilon)
}

/// Layer normalisation (Ba, Kiros and Hinton 2016, arXiv:1607.06450) of each row of `rows` into `out`:
/// (x − mean) / √(variance + `epsilon`) × `weight` + `bias`. Rows are as long as `weight` and `bias`, which are not empty.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx2+fma", "x86_64+avx2+fma", "aarch64+neon"))]
pub fn layer_norm(rows: &[f32], weight: &[f32], bias: &[f32], epsilon: f32, out: &mut [f32]) {
    let width = weight.len();
    for (row, out) in rows.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        let (mean, scale) = statistics(row, epsilon);
        for (((out, x), weight), bias) in out.iter_mut().zip(row).zip(weight).zip(bias) {
            *out = (x - mean) * scale * weight + bias;
        }
    }
}

#[inline(always)]
fn statistics(row: &[f32], epsilon: f32) -> (f32, f32) {
    let length = row.len() as f32;
    let mean = sum_of(row, |x| x) / length;
    let variance = sum_of(row, |x| (x - mean) * (x - mean)) / length;
    (mean, 1.0 / (variance + epsilon).sqrt())
}

#[inline(always)]
fn sum_of(row: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = row.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            sums[lane] += term(chunk[lane]);
        }
    }
    for (sum, x) in sums.iter_mut().zip(rest) {
        *sum += term(*x);
    }
    sum_lanes(sums)
}

/// Pairs, then pairs of pairs: four additions deep.
#[inline(always)]
fn sum_lanes(mut sums: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
        half /= 2;
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_within_their_bound() {
        // A step that meets every remainder, from where they vanish to 0.
        let x: Vec<f32> = (0..2_000_000).map(|i| -87.33 * i as f32 / 2e6).collect();
        let mut values = x.clone();
        exp_in_place_sum(&mut values, 0.0);
        for (x, value) in x.iter().zip(&values) {
            let expected = f64::from(*x).exp();
            let error = (f64::from(*value) - expected).abs() / expected;
            assert!(error <= 2.0_f64.powi(-23), "e^{x}: {value}, off by {error:e}");
        }
    }

    #[test]
    fn exponentials_at_the_ends() {
        let mut values = [0.0, -87.34, -1e30, f32::NEG_INFINITY, 88.0, f32::NAN];
        exp_in_place_sum(&mut values, 0.0);
        assert_eq!(values[..4], [1.0, 0.0, 0.0, 0.0]);
        assert!((f64::from(values[4]) / 88.0_f64.exp() - 1.0).abs() < 2.0_f64.powi(-23));
        assert!(values[5].is_nan());
    }

    #[test]
    fn sums_and_maxima_are_those_of_the_values_at_every_length() {
        for length in 0..70 {
            let x: Vec<f32> = (0..length).map(|i| ((i * 37 + 11) % 23) as f32 / 3.0).collect();
            let most = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(maximum(&x), most);
            let mut values = x.clone();
            let sum = exp_in_place_sum(&mut values, most);
            let expected = x.iter().fold(0.0, |sum, x| sum + f64::from(x - most).exp());
            assert!((f64::from(sum) - expected).abs() <= 1e-6 * expected, "{length}: {sum} {expected}");
        }
        assert_eq!(maximum(&[f32::NAN, 1.0, f32::NAN]), 1.0);
    }

    #[test]
    fn rows_are_normalised_as_the_formula_says() {
        for width in [1, 5, 16, 50, 64] {
            // A large mean: what is left of a variance by E[x²] − E[x]² in f32 would be noise.
            let row: Vec<f32> = (0..width).map(|i| 100.0 + ((i * 7) % 5) as f32).collect();
            let weight: Vec<f32> = (0..width).map(|i| 0.5 + i as f32 / 8.0).collect();
            let bias: Vec<f32> = (0..width).map(|i| i as f32 / 4.0 - 2.0).collect();
            let mut out = vec![0.0; 2 * width];
            layer_norm(&[row.clone(), row.clone()].concat(), &weight, &bias, 1e-5, &mut out);
            let length = width as f64;
            let mean = row.iter().map(|x| f64::from(*x)).sum::<f64>() / length;
            let variance = row.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / length;
            for (i, out) in out.iter().enumerate() {
                let i = i % width;
                let unit = (f64::from(row[i]) - mean) / (variance + 1e-5).sqrt();
                let expected = unit * f64::from(weight[i]) + f64::from(bias[i]);
                assert!((f64::from(*out) - expected).abs() < 1e-4, "{width}, {i}: {out} {expected}");
            }
        }
    }
}

//! Turning item vectors into integers.

use super::{Int8, QUAD};
use crate::model::topk::BLOCK;

/// Item vectors as integers, in memory; what [`Int8`] is of a mapped file.
#[derive(Debug)]
pub struct RowsInInt8 {
    /// `[⌈items / 64⌉, ⌈factors / 4⌉, 64, 4]`: what one integer dot product takes lies together.
    pub values: Vec<i8>,
    /// `[⌈items / 64⌉, 64]`
    pub scales: Vec<f32>,
    /// `[⌈items / 64⌉, 64]`
    pub residuals: Vec<f32>,
}

impl RowsInInt8 {
    /// Those of a row-major matrix `[items, factors]`.
    #[must_use]
    pub fn of(matrix: &[f32], factors: usize) -> Self {
        let blocks = (matrix.len() / factors).div_ceil(BLOCK);
        let quads = factors.div_ceil(QUAD);
        let mut rows = Self {
            values: vec![0; blocks * quads * BLOCK * QUAD],
            scales: vec![0.0; blocks * BLOCK],
            residuals: vec![0.0; blocks * BLOCK],
        };
        for (row, vector) in matrix.chunks_exact(factors).enumerate() {
            let (block, lane) = (row / BLOCK, row % BLOCK);
            let quantised = Quantised::of(vector);
            for (d, value) in quantised.values.iter().enumerate() {
                rows.values[((block * quads + d / QUAD) * BLOCK + lane) * QUAD + d % QUAD] = *value;
            }
            rows.scales[row] = quantised.scale;
            rows.residuals[row] = quantised.residual_norm;
        }
        rows
    }

    /// With the matrix that they were made of.
    #[must_use]
    pub fn with<'a>(&'a self, matrix: &'a [f32]) -> Int8<'a> {
        Int8 { values: &self.values, scales: &self.scales, residuals: &self.residuals, matrix }
    }
}

/// A row as scale × 8-bit integers, symmetric about 0.
struct Quantised {
    values: Vec<i8>,
    /// 0 for a row of zeros, or one that is not finite.
    scale: f32,
    /// ‖v − scale × values‖, rounded up.
    residual_norm: f32,
}

impl Quantised {
    fn of(vector: &[f32]) -> Self {
        let largest = vector.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
        let scale = largest / 127.0;
        let scale = if scale.is_normal() { scale } else { 0.0 };
        let quantise =
            |v: &f32| if scale == 0.0 { 0 } else { (v / scale).round().clamp(-127.0, 127.0) as i8 };
        let values: Vec<i8> = vector.iter().map(quantise).collect();
        let residual =
            vector.iter().zip(&values).map(|(v, i)| f64::from(*v) - f64::from(scale) * f64::from(*i));
        let norm = residual.map(|r| r * r).sum::<f64>().sqrt();
        // A double holds the norm to some 1e-13 of itself; one step up in f32 is a millionfold more.
        Self { values, scale, residual_norm: (norm as f32).next_up() }
    }
}

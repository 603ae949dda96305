//! Layer normalisation (Ba, Kiros and Hinton 2016, arXiv:1607.06450).

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use multiversion::multiversion;
use rayon::prelude::*;
use shared::model::math::{layer_norm, norm_statistics};

use super::linear::add_to;
use super::{PARTIAL_ROWS, ROWS, gradient, numbers, with_numbers};

/// y = (x − mean) / √(variance + ε) · weight + bias, a row of x `[T, d]` at a time.
pub(super) struct Normalization {
    pub(super) epsilon: f32,
}

impl CustomOp3 for Normalization {
    fn name(&self) -> &'static str {
        "normalization"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        of_x: &Layout,
        weight: &CpuStorage,
        of_weight: &Layout,
        bias: &CpuStorage,
        of_bias: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = numbers(x, of_x)?;
        let (weight, bias) = (numbers(weight, of_weight)?, numbers(bias, of_bias)?);
        let d = weight.len();
        let mut y = vec![0.0; x.len()];
        let tasks = y.par_chunks_mut(ROWS * d).zip(x.par_chunks(ROWS * d));
        tasks.for_each(|(y, x)| layer_norm(x, weight, bias, self.epsilon, y));
        Ok((CpuStorage::F32(y), of_x.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        of_y: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let of_y = of_y.contiguous()?;
        let d = weight.elem_count();
        let (of_x, of_weight, of_bias) = with_numbers([x, weight, &of_y], |[x, weight, of_y]| {
            let mut of_x = vec![0.0; x.len()];
            let tasks = of_x
                .par_chunks_mut(PARTIAL_ROWS * d)
                .zip(x.par_chunks(PARTIAL_ROWS * d))
                .zip(of_y.par_chunks(PARTIAL_ROWS * d));
            let partial = |((of_x, x), of_y): ((&mut [f32], &[f32]), &[f32])| {
                let mut sums = (vec![0.0; d], vec![0.0; d]);
                backward(x, weight, of_y, self.epsilon, of_x, &mut sums.0, &mut sums.1);
                sums
            };
            let partials: Vec<_> = tasks.map(partial).collect();
            let (mut of_weight, mut of_bias) = (vec![0.0; d], vec![0.0; d]);
            for (weight, bias) in &partials {
                add_to(&mut of_weight, weight);
                add_to(&mut of_bias, bias);
            }
            (of_x, of_weight, of_bias)
        })?;
        Ok((gradient(of_x, x)?, gradient(of_weight, weight)?, gradient(of_bias, bias)?))
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx2+fma", "x86_64+avx2+fma", "aarch64+neon"))]
fn backward(
    x: &[f32],
    weight: &[f32],
    of_y: &[f32],
    epsilon: f32,
    of_x: &mut [f32],
    of_weight: &mut [f32],
    of_bias: &mut [f32],
) {
    let d = weight.len();
    for ((of_x, x), of_y) in of_x.chunks_exact_mut(d).zip(x.chunks_exact(d)).zip(of_y.chunks_exact(d)) {
        let (mean, inverse) = norm_statistics(x, epsilon);
        for i in 0..d {
            let normal = (x[i] - mean) * inverse;
            of_weight[i] += of_y[i] * normal;
            of_bias[i] += of_y[i];
            // What comes to the normalised number, until the next pass.
            of_x[i] = of_y[i] * weight[i];
        }
        let along_one = sum(d, |i| of_x[i]) / d as f32;
        let along_x = sum(d, |i| of_x[i] * (x[i] - mean) * inverse) / d as f32;
        for (of_x, x) in of_x.iter_mut().zip(x) {
            *of_x = inverse * (*of_x - along_one - (x - mean) * inverse * along_x);
        }
    }
}

/// Σ of `term`, in sixteen sums side by side.
#[inline(always)]
fn sum(d: usize, term: impl Fn(usize) -> f32) -> f32 {
    let mut sums = [0.0_f32; 16];
    let whole = d / 16 * 16;
    for start in (0..whole).step_by(16) {
        for (lane, sum) in sums.iter_mut().enumerate() {
            *sum += term(start + lane);
        }
    }
    for i in whole..d {
        sums[i - whole] += term(i);
    }
    sums.iter().sum()
}

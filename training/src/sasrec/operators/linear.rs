//! y = x W + b.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;
use shared::model::matmul::{Scratch, View, multiply};

use super::{PARTIAL_ROWS, ROWS, gradient, numbers, with_numbers};

/// x `[T, in]`, W `[in, out]`, b `[out]` to `[T, out]`.
pub(super) struct Linear;

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
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
        let (count, inputs) = of_x.shape().dims2()?;
        let (_, outputs) = of_weight.shape().dims2()?;
        let x = numbers(x, of_x)?;
        let (weight, bias) = (numbers(weight, of_weight)?, numbers(bias, of_bias)?);
        let mut y = vec![0.0; count * outputs];
        let tasks = y.par_chunks_mut(ROWS * outputs).zip(x.par_chunks(ROWS * inputs));
        tasks.for_each_init(Scratch::default, |scratch, (y, x)| {
            y.chunks_exact_mut(outputs).for_each(|y| y.copy_from_slice(bias));
            let shape = (x.len() / inputs, outputs, inputs);
            multiply(shape, View::rows(x, inputs), View::rows(weight, outputs), y, outputs, true, scratch);
        });
        Ok((CpuStorage::F32(y), Shape::from((count, outputs))))
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
        let (inputs, outputs) = weight.dims2()?;
        let (of_x, (of_weight, of_bias)) = with_numbers([x, weight, &of_y], |[x, weight, of_y]| {
            (of_input(weight, of_y, inputs, outputs), of_parameters(x, of_y, inputs, outputs))
        })?;
        Ok((gradient(of_x, x)?, gradient(of_weight, weight)?, gradient(of_bias, bias)?))
    }
}

/// dx = dy Wᵀ.
fn of_input(weight: &[f32], of_y: &[f32], inputs: usize, outputs: usize) -> Vec<f32> {
    let mut of_x = vec![0.0; of_y.len() / outputs * inputs];
    let tasks = of_x.par_chunks_mut(ROWS * inputs).zip(of_y.par_chunks(ROWS * outputs));
    tasks.for_each_init(Scratch::default, |scratch, (of_x, of_y)| {
        let shape = (of_y.len() / outputs, inputs, outputs);
        let transposed = View::columns(weight, outputs);
        multiply(shape, View::rows(of_y, outputs), transposed, of_x, inputs, false, scratch);
    });
    of_x
}

/// dW = xᵀ dy, db = Σ dy.
fn of_parameters(x: &[f32], of_y: &[f32], inputs: usize, outputs: usize) -> (Vec<f32>, Vec<f32>) {
    let tasks = x.par_chunks(PARTIAL_ROWS * inputs).zip(of_y.par_chunks(PARTIAL_ROWS * outputs));
    let partial = |scratch: &mut Scratch, (x, of_y): (&[f32], &[f32])| {
        let mut of_weight = vec![0.0; inputs * outputs];
        let shape = (inputs, outputs, of_y.len() / outputs);
        let transposed = View::columns(x, inputs);
        multiply(shape, transposed, View::rows(of_y, outputs), &mut of_weight, outputs, false, scratch);
        let mut of_bias = vec![0.0; outputs];
        for of_y in of_y.chunks_exact(outputs) {
            add_to(&mut of_bias, of_y);
        }
        (of_weight, of_bias)
    };
    let partials: Vec<_> = tasks.map_init(Scratch::default, partial).collect();
    let mut sums = (vec![0.0; inputs * outputs], vec![0.0; outputs]);
    for (of_weight, of_bias) in &partials {
        add_to(&mut sums.0, of_weight);
        add_to(&mut sums.1, of_bias);
    }
    sums
}

/// sum += part.
pub(super) fn add_to(sum: &mut [f32], part: &[f32]) {
    sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
}

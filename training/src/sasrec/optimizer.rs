//! Adam (Kingma and Ba 2015, arXiv:1412.6980), whose moments can be kept in a checkpoint.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var, bail};

/// Decay of the mean of gradients.
const BETA_1: f64 = 0.9;
/// Decay of the mean of their squares: shorter than Adam's own .999, as for language models of this form.
const BETA_2: f64 = 0.98;
const EPSILON: f64 = 1e-8;

/// Parameters by name, and their moments.
#[derive(Debug)]
pub(super) struct Adam {
    pub(super) parameters: BTreeMap<String, Parameter>,
    /// Steps taken.
    pub(super) step: usize,
}

/// A parameter with the decaying means of its gradient and of the gradient's square.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) value: Var,
    pub(super) mean: Tensor,
    pub(super) square: Tensor,
}

impl Parameter {
    pub(super) fn new(value: Var) -> Result<Self> {
        Ok(Self { mean: value.zeros_like()?, square: value.zeros_like()?, value })
    }
}

impl Adam {
    /// Takes a step.
    ///
    /// # Errors
    /// When a parameter has no gradient: it would silently never be trained.
    pub(super) fn step(&mut self, gradients: &GradStore, learning_rate: f64) -> Result<()> {
        self.step += 1;
        let unbiased = |beta: f64| 1.0 - beta.powi(self.step.min(1 << 20) as i32);
        let (mean_scale, square_scale) = (1.0 / unbiased(BETA_1), 1.0 / unbiased(BETA_2));
        for (name, parameter) in &mut self.parameters {
            let Some(gradient) = gradients.get(parameter.value.as_tensor()) else {
                bail!("{name} has no gradient");
            };
            let mean = ((&parameter.mean * BETA_1)? + (gradient * (1.0 - BETA_1))?)?;
            let square = ((&parameter.square * BETA_2)? + (gradient.sqr()? * (1.0 - BETA_2))?)?;
            let size = ((&square * square_scale)?.sqrt()? + EPSILON)?;
            let change = ((&mean * (learning_rate * mean_scale))? / size)?;
            parameter.value.set(&(parameter.value.as_tensor() - change)?)?;
            // What is kept must not keep the gradients' graph.
            (parameter.mean, parameter.square) = (mean.detach(), square.detach());
        }
        Ok(())
    }
}

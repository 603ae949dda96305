//! The words that are for ALS alone.

use clap::{Args, ValueEnum};
use training::als::{AlsSettings, Solver};

use super::numbers::{above_zero, at_least_one, zero_or_more};

pub(super) const HEADING: &str = "ALS";

/// How to train ALS.
#[derive(Debug, Args)]
pub(crate) struct AlsOptions {
    /// Numbers per item
    #[arg(long, help_heading = HEADING, default_value_t = AlsSettings::default().factors, value_parser = factors)]
    factors: usize,
    /// Regularisation λ, scaled by how much each row has
    #[arg(long, help_heading = HEADING, default_value_t = AlsSettings::default().regularization, value_parser = above_zero)]
    regularization: f64,
    /// Weight α₀ of every pair that was not observed
    #[arg(long, help_heading = HEADING, default_value_t = AlsSettings::default().alpha0, value_parser = zero_or_more)]
    alpha0: f64,
    /// Standard deviation of the initial factors, times √factors
    #[arg(long, help_heading = HEADING, default_value_t = AlsSettings::default().init_std, value_parser = above_zero)]
    init_std: f64,
    /// How each row's least squares are solved
    #[arg(long, help_heading = HEADING, value_enum, default_value = "cg")]
    solver: SolverKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SolverKind {
    /// A few steps of conjugate gradients a row and epoch
    Cg,
    /// Exact solutions by Cholesky's factorisation
    Cholesky,
}

/// Steps of conjugate gradients a row and epoch.
const CG_STEPS: usize = 3;

impl AlsOptions {
    /// The settings, with the seed and epochs that are given for any model.
    pub(super) fn settings(&self, seed: u64, epochs: Option<usize>) -> AlsSettings {
        AlsSettings {
            factors: self.factors,
            epochs: epochs.unwrap_or(AlsSettings::default().epochs),
            regularization: self.regularization,
            alpha0: self.alpha0,
            init_std: self.init_std,
            seed,
            solver: match self.solver {
                SolverKind::Cg => Solver::ConjugateGradient { steps: CG_STEPS },
                SolverKind::Cholesky => Solver::Cholesky,
            },
        }
    }
}

fn factors(text: &str) -> Result<usize, String> {
    let most = shared::model::config::FACTORS_LIMIT;
    let number = at_least_one(text)?;
    if number <= most { Ok(number) } else { Err(format!("at most {most}")) }
}

//! Implicit alternating least squares.
//!
//! The model of Hu, Koren and Volinsky 2008 ("Collaborative Filtering for Implicit Feedback Datasets") with the
//! weighting and the frequency-scaled regularisation of Rendle, Krichene, Zhang and Koren 2021 ("Revisiting the
//! Performance of iALS on Item Recommendation Benchmarks", arXiv:2110.14037). With user factors W, item factors V, and
//! the weights wᵤᵢ of the observed pairs S, training lowers
//!
//! L = Σ₍ᵤ,ᵢ₎∈S wᵤᵢ (1 − wᵤ·vᵢ)² + α₀ Σᵤ,ᵢ (wᵤ·vᵢ)² + Σᵤ λᵤ ‖wᵤ‖² + Σᵢ λᵢ ‖vᵢ‖²
//!
//! where λᵤ = λ (Σᵢ wᵤᵢ + α₀ N) over N items, and λᵢ likewise over the users. Each half of an epoch solves one least
//! squares problem a row; see [`solve`](self) for how.

mod interactions;
mod solve;

use ndarray::{Array2, ArrayView2, s};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

pub use interactions::{Interactions, Sparse};
use solve::{LANES, RowSolver, SquaredError};

/// How training is done.
#[derive(Clone, Debug, PartialEq)]
pub struct AlsSettings {
    /// Numbers per user and item.
    pub factors: usize,
    /// Passes over users and items.
    pub epochs: usize,
    /// λ, above 0.
    pub regularization: f64,
    /// α₀, the weight of every pair, observed or not; 0 or more.
    pub alpha0: f64,
    /// Standard deviation of the initial factors, times √factors.
    pub init_std: f64,
    /// Seed of the initial factors: the same seed gives the same factors whatever the number of threads.
    pub seed: u64,
    /// How a row's least squares problem is solved.
    pub solver: Solver,
}

impl Default for AlsSettings {
    /// Settings that do well on the MovieLens sets without tuning.
    fn default() -> Self {
        Self {
            factors: 64,
            epochs: 12,
            regularization: 0.01,
            alpha0: 0.1,
            init_std: 0.1,
            seed: 42,
            solver: Solver::ConjugateGradient { steps: 3 },
        }
    }
}

/// How a row's least squares problem is solved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Solver {
    /// Conjugate gradients from the row's last value (Takács, Pilászy and Tikk 2011): a few steps an epoch lower the
    /// loss about as far as exact solutions do, at a fraction of the cost.
    ConjugateGradient {
        /// Steps a row and epoch, at least 1.
        steps: usize,
    },
    /// Exactly, by Cholesky's factorisation.
    Cholesky,
}

/// How far training is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Epochs done.
    pub epoch: usize,
    /// L after them, divided by the number of observed pairs.
    pub loss: f64,
}

/// What training left.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// Row-major `[items, factors]`.
    pub item_factors: Vec<f32>,
    /// L over the number of observed pairs, an epoch.
    pub losses: Vec<f64>,
}

/// Trains on interactions; `report` is called after each epoch.
#[must_use]
pub fn train(
    interactions: &Interactions,
    settings: &AlsSettings,
    mut report: impl FnMut(Progress),
) -> Trained {
    let mut random = ChaCha8Rng::seed_from_u64(settings.seed);
    let mut items = Factors::random(interactions.by_item.rows(), settings, &mut random);
    let mut users = Factors::zeros(interactions.by_user.rows(), settings.factors);
    let mut losses = Vec::with_capacity(settings.epochs);
    for epoch in 1..=settings.epochs {
        let gram = items.gram();
        users.solve(&items, &gram, &interactions.by_user, settings);
        let gram = users.gram();
        items.solve(&users, &gram, &interactions.by_item, settings);
        let loss = loss(&users, &items, &gram, interactions, settings);
        losses.push(loss);
        report(Progress { epoch, loss });
    }
    Trained { item_factors: items.unpadded(), losses }
}

/// Rows of factors, each padded with zeros to whole vectors.
struct Factors {
    values: Vec<f32>,
    factors: usize,
    stride: usize,
}

/// Rows summed into one partial Gram matrix: the partials are added in order, so that the sum does not depend on the
/// number of threads.
const GRAM_CHUNK: usize = 1_024;
/// Rows that a thread takes at a time; few, for a popular item costs as much as a thousand others.
const SOLVE_CHUNK: usize = 16;

impl Factors {
    fn zeros(rows: usize, factors: usize) -> Self {
        let stride = factors.next_multiple_of(LANES);
        Self { values: vec![0.0; rows * stride], factors, stride }
    }

    fn random(rows: usize, settings: &AlsSettings, random: &mut ChaCha8Rng) -> Self {
        let mut factors = Self::zeros(rows, settings.factors);
        let deviation = settings.init_std / (settings.factors as f64).sqrt();
        for row in factors.values.chunks_exact_mut(factors.stride) {
            for value in &mut row[..settings.factors] {
                *value = (deviation * standard_normal(random)) as f32;
            }
        }
        factors
    }

    fn rows(&self) -> usize {
        self.values.len() / self.stride
    }

    /// FᵀF, `[stride, stride]`.
    fn gram(&self) -> Array2<f32> {
        let partials: Vec<Array2<f32>> = self
            .values
            .par_chunks(GRAM_CHUNK * self.stride)
            .filter_map(|rows| ArrayView2::from_shape((rows.len() / self.stride, self.stride), rows).ok())
            .map(|rows| rows.t().dot(&rows))
            .collect();
        partials.into_iter().fold(Array2::zeros((self.stride, self.stride)), |sum, partial| sum + partial)
    }

    /// Solves every row for the other side's factors.
    fn solve(&mut self, other: &Self, gram: &Array2<f32>, observed: &Sparse, settings: &AlsSettings) {
        let (factors, stride) = (self.factors, self.stride);
        let alpha0 = settings.alpha0 as f32;
        let weighted_gram = gram.mapv(|g| g * alpha0);
        let Some(weighted_gram) = weighted_gram.as_slice() else { return };
        let columns = other.rows() as f64;
        // Each chunk by itself: rayon's first cut is into quarters, and of these the popular items would be all of one.
        self.values.par_chunks_mut(SOLVE_CHUNK * stride).with_max_len(1).enumerate().for_each_init(
            || RowSolver::new(factors, stride, settings.solver),
            |solver, (chunk, rows)| {
                for (index, row) in rows.chunks_exact_mut(stride).enumerate() {
                    let (columns_seen, weights) = observed.row(chunk * SOLVE_CHUNK + index);
                    let weight: f64 = weights.iter().map(|w| f64::from(*w)).sum();
                    let ridge = settings.regularization * (weight + settings.alpha0 * columns);
                    solver.solve(row, &other.values, columns_seen, weights, weighted_gram, ridge as f32);
                }
            },
        );
    }

    fn unpadded(&self) -> Vec<f32> {
        self.values.chunks_exact(self.stride).flat_map(|row| &row[..self.factors]).copied().collect()
    }
}

/// L over the number of observed pairs. `user_gram` is WᵀW.
fn loss(
    users: &Factors,
    items: &Factors,
    user_gram: &Array2<f32>,
    interactions: &Interactions,
    settings: &AlsSettings,
) -> f64 {
    let norm = |row: &[f32]| row.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>();
    let (user_count, item_count) = (users.rows() as f64, items.rows() as f64);
    let ridge = |weights: &[f32], others: f64| {
        settings.regularization
            * (weights.iter().map(|w| f64::from(*w)).sum::<f64>() + settings.alpha0 * others)
    };
    let arch = pulp::Arch::new();
    // Collected in order before they are summed: the same bits at any number of threads.
    let of_users: Vec<f64> = (0..users.rows())
        .into_par_iter()
        .map(|user| {
            let row = &users.values[user * users.stride..][..users.stride];
            let (columns, weights) = interactions.by_user.row(user);
            let error = SquaredError { x: row, others: &items.values, columns, weights };
            arch.dispatch(error) + ridge(weights, item_count) * norm(row)
        })
        .collect();
    let of_items = (0..items.rows()).map(|item| {
        let (_, weights) = interactions.by_item.row(item);
        ridge(weights, user_count) * norm(&items.values[item * items.stride..][..items.stride])
    });
    let everywhere = (user_gram * &items.gram()).slice(s![.., ..]).iter().map(|g| f64::from(*g)).sum::<f64>();
    let total = of_users.iter().sum::<f64>() + of_items.sum::<f64>() + settings.alpha0 * everywhere;
    total / interactions.len().max(1) as f64
}

/// A draw from the standard normal distribution (Box and Muller 1958).
fn standard_normal(random: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (random.random(), random.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

#[cfg(test)]
mod tests;

//! Binary cross-entropy against sampled items, calibrated (gSASRec: Petrov and Macdonald 2023, arXiv:2308.07192).
//!
//! With few items drawn against each that was next, a model learns probabilities far too high and orders the best items
//! badly. The paper's remedy is many items drawn, and the likelihood of what was next to the power β:
//! −β ln σ(s⁺) − Σ ln(1 − σ(s⁻)), with β from [`calibration`]. Here all places of a history share the items drawn against
//! it, which makes their scores one product of matrices.

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use multiversion::multiversion;
use rayon::prelude::*;
use shared::model::math::exp_in_place_sum;
use shared::model::matmul::{Scratch, View, multiply};

use super::numbers;
use super::softmax_loss::scaled_gradients;

/// β for `negatives` drawn of a catalogue of `items`: t = 0 leaves the plain loss, t = 1 calibrates in full. `t` is 0 to 1.
#[must_use]
pub fn calibration(t: f64, negatives: usize, items: usize) -> f64 {
    let rate = negatives as f64 / items.saturating_sub(1).max(1) as f64;
    rate * (t * (1.0 - 1.0 / rate) + 1.0 / rate)
}

/// The loss of a batch against sampled items.
#[derive(Clone, Debug)]
pub struct SampledLoss {
    /// What was next, one a row of the hidden vectors.
    pub targets: Vec<u32>,
    /// How many rows each history has.
    pub lengths: Vec<usize>,
    /// The items drawn against each history, as many for each, one history after the other. Where one is what was next,
    /// it does not count.
    pub negatives: Vec<u32>,
    /// β.
    pub calibration: f32,
}

impl SampledLoss {
    /// The loss, a mean over rows and over the items of a row.
    ///
    /// # Errors
    /// When shapes do not fit, or one of the items is none.
    pub fn of(self, hidden: &Tensor, items: &Tensor) -> Result<Tensor> {
        hidden.apply_op2(items, Operator { loss: self, gradients: Mutex::default() })
    }

    fn fits(&self, count: usize, catalogue: usize) -> bool {
        let histories = self.lengths.len();
        let all = || self.targets.iter().chain(&self.negatives);
        self.targets.len() == count
            && self.lengths.iter().sum::<usize>() == count
            && histories > 0
            && self.negatives.len().is_multiple_of(histories)
            && all().all(|item| (*item as usize) < catalogue)
    }
}

struct Operator {
    loss: SampledLoss,
    gradients: Mutex<Option<(Vec<f32>, Vec<f32>)>>,
}

impl CustomOp2 for Operator {
    fn name(&self) -> &'static str {
        "sampled-loss"
    }

    fn cpu_fwd(
        &self,
        hidden: &CpuStorage,
        of_hidden: &Layout,
        items: &CpuStorage,
        of_items: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (count, d) = of_hidden.shape().dims2()?;
        let (catalogue, _) = of_items.shape().dims2()?;
        if !self.loss.fits(count, catalogue) {
            bail!(
                "sampled-loss: targets, lengths or negatives do not fit {count} rows and {catalogue} items"
            );
        }
        let (hidden, items) = (numbers(hidden, of_hidden)?, numbers(items, of_items)?);
        let histories = self.histories(hidden, d);
        let share = 1.0 / (count * (self.negatives() + 1)) as f32;
        let add = |buffers: &mut Buffers, history: &History<'_>| {
            history.gradients(items, share, self.loss.calibration, buffers)
        };
        let gradients: Vec<Gradients> = histories.par_iter().map_init(Buffers::default, add).collect();

        let mut of_items = vec![0.0; items.len()];
        let mut of_hidden = Vec::with_capacity(hidden.len());
        let mut loss = 0.0;
        for (history, gradients) in histories.iter().zip(gradients) {
            loss += gradients.loss;
            of_hidden.extend_from_slice(&gradients.hidden);
            scatter(history.negatives, &gradients.negatives, d, &mut of_items);
            scatter(history.targets, &gradients.targets, d, &mut of_items);
        }
        *self.gradients.lock().unwrap_or_else(PoisonError::into_inner) = Some((of_hidden, of_items));
        Ok((CpuStorage::F32(vec![(loss * f64::from(share)) as f32]), Shape::from(())))
    }

    fn bwd(
        &self,
        hidden: &Tensor,
        items: &Tensor,
        _: &Tensor,
        of_loss: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let gradients = self.gradients.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((of_hidden, of_items)) = gradients else {
            bail!("sampled-loss: a second backward pass");
        };
        scaled_gradients(of_loss, (of_hidden, hidden), (of_items, items))
    }
}

impl Operator {
    /// How many items are drawn against a history.
    fn negatives(&self) -> usize {
        self.loss.negatives.len() / self.loss.lengths.len()
    }

    fn histories<'a>(&'a self, hidden: &'a [f32], d: usize) -> Vec<History<'a>> {
        let mut first = 0;
        let negatives = self.negatives();
        let of = |(index, length): (usize, &usize)| {
            let history = History {
                hidden: &hidden[first * d..][..length * d],
                targets: &self.loss.targets[first..][..*length],
                negatives: &self.loss.negatives[index * negatives..][..negatives],
                d,
            };
            first += length;
            history
        };
        self.loss.lengths.iter().enumerate().map(of).collect()
    }
}

struct History<'a> {
    hidden: &'a [f32],
    targets: &'a [u32],
    negatives: &'a [u32],
    d: usize,
}

/// What a history adds to the loss, before it is divided, and to gradients.
struct Gradients {
    loss: f64,
    /// `[n, d]`
    hidden: Vec<f32>,
    /// Of each target, `[n, d]`
    targets: Vec<f32>,
    /// Of each item drawn, `[negatives, d]`
    negatives: Vec<f32>,
}

#[derive(Default)]
struct Buffers {
    drawn: Vec<f32>,
    scores: Vec<f32>,
    scratch: Scratch,
}

impl History<'_> {
    fn gradients(&self, items: &[f32], share: f32, calibration: f32, buffers: &mut Buffers) -> Gradients {
        let Buffers { drawn, scores, scratch } = buffers;
        let (d, rows, count) = (self.d, self.targets.len(), self.negatives.len());
        drawn.clear();
        for item in self.negatives {
            drawn.extend_from_slice(&items[*item as usize * d..][..d]);
        }
        scores.resize(rows * count, 0.0);
        let hidden = View::rows(self.hidden, d);
        multiply((rows, count, d), hidden, View::columns(drawn, d), scores, count, false, scratch);
        let mut loss = 0.0;
        for (scores, target) in scores.chunks_exact_mut(count.max(1)).zip(self.targets) {
            for (score, item) in scores.iter_mut().zip(self.negatives) {
                if item == target {
                    *score = f32::NEG_INFINITY;
                }
            }
            loss += of_negatives(scores, share);
        }
        let mut gradients = Gradients {
            loss,
            hidden: vec![0.0; rows * d],
            targets: vec![0.0; rows * d],
            negatives: vec![0.0; count * d],
        };
        let of_scores = View::rows(scores, count);
        let of_drawn = View::rows(drawn, d);
        multiply((rows, d, count), of_scores, of_drawn, &mut gradients.hidden, d, false, scratch);
        let transposed = View::columns(scores, count);
        multiply((count, d, rows), transposed, hidden, &mut gradients.negatives, d, false, scratch);
        for (row, target) in self.targets.iter().enumerate() {
            let (hidden, item) = (&self.hidden[row * d..][..d], &items[*target as usize * d..][..d]);
            let score: f32 = hidden.iter().zip(item).map(|(h, v)| h * v).sum();
            let score = f64::from(score);
            gradients.loss += f64::from(calibration) * softplus(-score);
            let of_score = -share * calibration * (1.0 / (1.0 + score.exp())) as f32;
            let of_row = row * d..row * d + d;
            let to = gradients.hidden[of_row.clone()].iter_mut().zip(&mut gradients.targets[of_row]);
            for ((of_hidden, of_target), (h, v)) in to.zip(hidden.iter().zip(item)) {
                *of_hidden += of_score * v;
                *of_target = of_score * h;
            }
        }
        gradients
    }
}

/// ln(1 + e^x).
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// A score above it counts as it: σ is 1 from there on, and e^x far from overflowing.
const HIGHEST: f32 = 80.0;
/// Factors 1 + e^x whose product a double holds.
const FACTORS: usize = 8;

/// Σ ln(1 + e^x), and `share` · σ(x) in the place of each x.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx2+fma", "x86_64+avx2+fma", "aarch64+neon"))]
fn of_negatives(scores: &mut [f32], share: f32) -> f64 {
    // Not `min`, which would make a number of what is none.
    scores.iter_mut().for_each(|x| *x = if *x > HIGHEST { HIGHEST } else { *x });
    exp_in_place_sum(scores, 0.0);
    let mut loss = 0.0;
    for scores in scores.chunks_mut(FACTORS) {
        let product = scores.iter().fold(1.0, |product, e| product * (1.0 + f64::from(*e)));
        loss += product.ln();
        scores.iter_mut().for_each(|e| *e = share * *e / (1.0 + *e));
    }
    loss
}

/// Adds rows of `d` to the rows of a table.
fn scatter(rows: &[u32], from: &[f32], d: usize, table: &mut [f32]) {
    for (row, from) in rows.iter().zip(from.chunks_exact(d)) {
        super::linear::add_to(&mut table[*row as usize * d..][..d], from);
    }
}

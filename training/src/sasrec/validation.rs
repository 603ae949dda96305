//! How well the next item is found, of users whose last one is kept aside.

use candle_core::{Device, Result};
use rand::seq::index;
use rayon::prelude::*;
use shared::model::matmul::{Scratch, View, multiply};
use shared::model::sasrec::network::{Batch, Network, Operators};

use super::windows::{Purpose, random};

/// Users at most: the standard error of the mean is then about .005, enough to tell an epoch that is better from one that
/// isn't, at a few hundredths of an epoch's time.
const USERS: usize = 2_048;
/// Histories that are encoded together.
const TOGETHER: usize = 128;
/// The cut-off.
const K: usize = 10;

/// Histories, and what came next.
#[derive(Debug)]
pub(super) struct Validation {
    cases: Vec<(Vec<u32>, u32)>,
}

impl Validation {
    /// Takes the last item of some of the histories away, half of them at most, and never so that fewer than two are left.
    pub(super) fn split(histories: &mut [Vec<u32>], seed: u64) -> Self {
        let mut eligible: Vec<usize> =
            (0..histories.len()).filter(|user| histories[*user].len() >= 3).collect();
        let wanted = (eligible.len() / 2).min(USERS);
        let mut chosen: Vec<usize> =
            index::sample(&mut random(seed, Purpose::Validation, 0), eligible.len(), wanted).into_vec();
        chosen.sort_unstable();
        eligible = chosen.into_iter().map(|place| eligible[place]).collect();
        let case = |user: usize| {
            let next = histories[user].pop()?;
            Some((histories[user].clone(), next))
        };
        Self { cases: eligible.into_iter().filter_map(case).collect() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    /// The mean NDCG@10 among the whole catalogue, what was seen left out, ties counted against the model.
    pub(super) fn ndcg(
        &self,
        network: &Network,
        length: usize,
        device: &Device,
        operators: &impl Operators,
    ) -> Result<f64> {
        let (_, d) = network.items().dims2()?;
        let items: Vec<f32> = network.items().flatten_all()?.to_vec1()?;
        let mut gain = 0.0;
        for cases in self.cases.chunks(TOGETHER) {
            let newest = cases.iter().map(|(history, _)| &history[history.len().saturating_sub(length)..]);
            let batch = Batch::of(newest, length, device)?;
            let queries: Vec<f32> = network.queries(&batch, operators)?.flatten_all()?.to_vec1()?;
            // Collected before they are summed: the same bits at any number of threads.
            let gains: Vec<f64> = cases
                .par_iter()
                .zip(queries.par_chunks(d))
                .map_init(Scores::default, |scores, ((history, next), query)| {
                    gain_of(scores.rank(&items, query, history, *next))
                })
                .collect();
            gain += gains.iter().sum::<f64>();
        }
        Ok(gain / self.cases.len().max(1) as f64)
    }
}

/// NDCG of one item that has so many before it.
fn gain_of(rank: usize) -> f64 {
    if rank < K { 1.0 / (rank as f64 + 2.0).log2() } else { 0.0 }
}

#[derive(Default)]
struct Scores {
    scores: Vec<f32>,
    scratch: Scratch,
}

impl Scores {
    /// How many items that were not seen score at least as well as what came next.
    fn rank(&mut self, items: &[f32], query: &[f32], history: &[u32], next: u32) -> usize {
        let (d, count) = (query.len(), items.len() / query.len());
        self.scores.resize(count, 0.0);
        multiply(
            (count, 1, d),
            View::rows(items, d),
            View::rows(query, 1),
            &mut self.scores,
            1,
            false,
            &mut self.scratch,
        );
        let sought = self.scores[next as usize];
        history.iter().for_each(|item| self.scores[*item as usize] = f32::NEG_INFINITY);
        let before =
            |(item, score): (usize, &f32)| item != next as usize && (sought.is_nan() || *score >= sought);
        self.scores.iter().enumerate().filter(|scored| before(*scored)).count()
    }
}

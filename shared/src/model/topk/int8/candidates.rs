//! The rows that may still belong to an answer.

use super::may_reach;
use crate::catalogue::Row;
use crate::model::topk::BLOCK;

/// Fewer entries than this are not worth going through again.
const FEWEST_BEFORE_PRUNING: usize = 256;

/// Rows with what their scores are at least and at most, and a score that `k` rows are sure to reach.
///
/// Entries are gathered until there are some more than can be expected to stay; then the `k`-th largest lower bound is
/// found, and the entries that can't reach it are let go.
#[derive(Debug)]
pub(super) struct Candidates {
    k: usize,
    entries: Vec<Candidate>,
    /// At least `k` rows have scores that reach it.
    threshold: f32,
    prune_at: usize,
    /// With more entries than this that can't be let go, the search is given up.
    room: usize,
    gave_up: bool,
    lower_bounds: Vec<f32>,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    row: Row,
    lower: f32,
    upper: f32,
}

impl Candidates {
    /// For the best `k`, 1 or more; `room` is how many rows may be left.
    pub(super) fn new(k: usize, room: usize) -> Self {
        let prune_at = FEWEST_BEFORE_PRUNING.max(4 * k);
        Self {
            k,
            entries: Vec::with_capacity(prune_at + BLOCK),
            threshold: f32::NEG_INFINITY,
            prune_at,
            room,
            gave_up: false,
            lower_bounds: Vec::new(),
        }
    }

    /// A row whose score is surely below it is not in the answer.
    #[inline(always)]
    pub(super) fn threshold(&self) -> f32 {
        self.threshold
    }

    /// Takes what may reach the threshold among the `wanted` lanes of a block, given each one's estimate and how far the score
    /// can be from it. False when there are too many by now.
    #[inline(always)]
    pub(super) fn add(
        &mut self,
        first: Row,
        mut wanted: u64,
        estimate: impl Fn(usize) -> (f32, f32),
    ) -> bool {
        while wanted != 0 {
            let lane = wanted.trailing_zeros();
            wanted &= wanted - 1;
            let (estimate, error) = estimate(lane as usize);
            let upper = estimate + error;
            if may_reach(upper, self.threshold) {
                // Nothing is known of a bound that is no number.
                let lower = (estimate - error).max(f32::NEG_INFINITY);
                self.entries.push(Candidate { row: first + lane, lower, upper });
            }
        }
        if self.entries.len() >= self.prune_at {
            self.prune();
            self.gave_up = self.entries.len() > self.room;
            self.prune_at = self.prune_at.max(2 * self.entries.len());
        }
        !self.gave_up
    }

    /// The rows that are left, ascending; `None` when there are too many.
    pub(super) fn into_rows(mut self) -> Option<Vec<Row>> {
        self.prune();
        let few = !self.gave_up && self.entries.len() <= self.room;
        few.then(|| self.entries.iter().map(|candidate| candidate.row).collect())
    }

    fn prune(&mut self) {
        if self.entries.len() <= self.k {
            return;
        }
        self.lower_bounds.clear();
        self.lower_bounds.extend(self.entries.iter().map(|candidate| candidate.lower));
        let (_, kth, _) = self.lower_bounds.select_nth_unstable_by(self.k - 1, |a, b| b.total_cmp(a));
        self.threshold = self.threshold.max(*kth);
        let threshold = self.threshold;
        self.entries.retain(|candidate| may_reach(candidate.upper, threshold));
    }
}

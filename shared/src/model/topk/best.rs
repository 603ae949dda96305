//! The best rows of a scan so far.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::{BLOCK, Scored};
use crate::catalogue::{Row, RowSet};

/// The best rows so far.
pub(super) struct Best {
    heap: BinaryHeap<WorstFirst>,
    room: usize,
    /// A score must be above it to get in; minus infinity while there is room.
    threshold: f32,
}

impl Best {
    /// Of at most so many rows.
    pub(super) fn new(room: usize) -> Self {
        Self { heap: BinaryHeap::with_capacity(room), room, threshold: f32::NEG_INFINITY }
    }

    /// Whether it takes any row at all.
    pub(super) const fn has_room(&self) -> bool {
        self.room > 0
    }

    fn is_full(&self) -> bool {
        self.heap.len() == self.room
    }

    /// Takes what is good enough of a block whose first row is `first`, and of which `rows` rows or more are there.
    #[inline(always)]
    pub(super) fn consider(&mut self, scores: &[f32; BLOCK], first: usize, rows: usize, excluded: &RowSet) {
        let threshold = self.threshold;
        let mut beats = 0_u64;
        for (lane, score) in scores.iter().enumerate() {
            beats |= u64::from(*score > threshold) << lane;
        }
        if beats == 0 && self.is_full() {
            return;
        }
        let present = u64::MAX >> (BLOCK - rows.min(BLOCK));
        let candidates = if self.is_full() { beats } else { u64::MAX };
        self.offer_block(first as Row, scores, candidates & present & !excluded.word(first / BLOCK));
    }

    /// Offers the lanes of a block, rows ascending: one that equals the worst kept has the larger row and stays out.
    #[inline(never)]
    fn offer_block(&mut self, first: Row, scores: &[f32; BLOCK], mut lanes: u64) {
        while lanes != 0 {
            let lane = lanes.trailing_zeros();
            lanes &= lanes - 1;
            let score = scores[lane as usize];
            if self.is_full() {
                if score > self.threshold {
                    self.heap.pop();
                } else {
                    continue;
                }
            } else if score.is_nan() {
                continue;
            }
            self.heap.push(WorstFirst(Scored { row: first + lane, score }));
            if self.is_full() {
                self.threshold = self.heap.peek().map_or(f32::NEG_INFINITY, |worst| worst.0.score);
            }
        }
    }

    /// Best first, equals by row.
    pub(super) fn into_sorted(self) -> Vec<Scored> {
        self.heap.into_sorted_vec().into_iter().map(|entry| entry.0).collect()
    }
}

/// The order of an answer: larger scores first, equals by row. Scores are numbers; −0 equals 0.
pub(super) fn best_first(a: &Scored, b: &Scored) -> Ordering {
    b.score.partial_cmp(&a.score).unwrap_or(Ordering::Equal).then(a.row.cmp(&b.row))
}

/// Orders scores so that the worst is the greatest: the heap's top, and the last when sorted.
struct WorstFirst(Scored);

impl Ord for WorstFirst {
    fn cmp(&self, other: &Self) -> Ordering {
        best_first(&self.0, &other.0)
    }
}

impl PartialOrd for WorstFirst {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for WorstFirst {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for WorstFirst {}

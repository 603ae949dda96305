//! Exact top-k by inner product over all items.
//!
//! **One score, one definition**: `s = fma(q[d], v[d], s)` from 0 with d ascending, one accumulator per item, in f32.
//! Every path here gives these bits, whatever the layout and the instruction set; ties break by row.
//!
//! Items lie in blocks of 64 rows, dimension-major inside a block: a dimension of the query is broadcast and advances
//! 64 scores at once, so that vectors run across items and the order of additions within one item never changes.
//! Selection is fused with the scan: a block's scores stay in registers and cache, and the heap is touched only when
//! one beats the worst kept.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use multiversion::multiversion;

use super::{Scan, Scored};
use crate::catalogue::{Row, RowSet};

/// Rows in a block: four 512-bit registers of f32.
pub const BLOCK: usize = 64;

/// The item vectors to scan, of `factors` numbers each.
#[derive(Clone, Copy, Debug)]
pub struct Items<'a> {
    /// Row-major, or in blocks.
    pub layout: Layout<'a>,
    /// Numbers per item.
    pub factors: usize,
    /// Number of items.
    pub rows: usize,
}

/// How the item vectors lie in memory.
#[derive(Clone, Copy, Debug)]
pub enum Layout<'a> {
    /// `[rows, factors]`.
    RowMajor(&'a [f32]),
    /// `[⌈rows / 64⌉, factors, 64]`, the rows past the last being zeros.
    Blocked(&'a [f32]),
}

/// The score of one item: the definition.
#[must_use]
pub fn score(query: &[f32], item: &[f32]) -> f32 {
    query.iter().zip(item).fold(0.0, |sum, (q, v)| q.mul_add(*v, sum))
}

/// The best `k` rows outside `excluded`, best first, equals by row. A score that is not a number is never chosen.
#[must_use]
pub fn top_k(items: Items<'_>, query: &[f32], k: usize, excluded: &RowSet) -> Vec<Scored> {
    let mut best = Best::new(k.min(items.rows));
    if best.room > 0 && items.factors > 0 {
        match items.layout {
            Layout::Blocked(blocks) => scan_blocks(blocks, query, items.rows, 0, excluded, &mut best),
            Layout::RowMajor(matrix) => in_blocks(matrix, items.factors, |index, rows, block| {
                scan_blocks(block, query, rows, index * BLOCK, excluded, &mut best);
            }),
        }
    }
    best.into_sorted()
}

/// How many blocks several queries go over before the next ones: 16 × 64 rows × 64 numbers are 256 KiB, which stay in a
/// core's own cache meanwhile.
const TILE: usize = 16;

/// The same for each of several queries: the item vectors come from memory once for all of them.
#[must_use]
pub fn top_k_each(items: Items<'_>, scans: &[Scan<'_>]) -> Vec<Vec<Scored>> {
    let mut best: Vec<Best> = scans.iter().map(|scan| Best::new(scan.k.min(items.rows))).collect();
    if items.factors > 0 {
        let mut tile = |blocks: &[f32], rows: usize, first: usize| {
            for (scan, best) in scans.iter().zip(&mut best).filter(|(_, best)| best.room > 0) {
                scan_blocks(blocks, scan.query, rows, first, scan.excluded, best);
            }
        };
        match items.layout {
            Layout::Blocked(blocks) => {
                for (index, blocks) in blocks.chunks(TILE * items.factors * BLOCK).enumerate() {
                    let first = index * TILE * BLOCK;
                    tile(blocks, items.rows - first, first);
                }
            }
            Layout::RowMajor(matrix) => {
                in_blocks(matrix, items.factors, |index, rows, block| tile(block, rows, index * BLOCK));
            }
        }
    }
    best.into_iter().map(Best::into_sorted).collect()
}

/// The `k` rows outside `excluded` whose vectors point most nearly the way of `query`, best first, equals by row. The score
/// is the cosine of the angle, −1 to 1, and 0 where a vector has no direction.
#[must_use]
pub fn top_k_by_cosine(items: Items<'_>, query: &[f32], k: usize, excluded: &RowSet) -> Vec<Scored> {
    let mut best = Best::new(k.min(items.rows));
    if best.room > 0 && items.factors > 0 {
        match items.layout {
            Layout::Blocked(blocks) => scan_cosines(blocks, query, items.rows, 0, excluded, &mut best),
            Layout::RowMajor(matrix) => in_blocks(matrix, items.factors, |index, rows, block| {
                scan_cosines(block, query, rows, index * BLOCK, excluded, &mut best);
            }),
        }
    }
    best.into_sorted()
}

/// The score of every row.
#[must_use]
pub fn scores(items: Items<'_>, query: &[f32]) -> Vec<f32> {
    let mut scores = vec![0.0; items.rows.next_multiple_of(BLOCK)];
    match items.layout {
        _ if items.factors == 0 => {}
        Layout::Blocked(blocks) => score_blocks(blocks, query, scores.as_chunks_mut::<BLOCK>().0),
        Layout::RowMajor(matrix) => in_blocks(matrix, items.factors, |index, _, block| {
            score_blocks(block, query, &mut scores.as_chunks_mut::<BLOCK>().0[index..]);
        }),
    }
    scores.truncate(items.rows);
    scores
}

/// Calls `visit` with the index, the number of rows and the values of each block of a row-major matrix.
fn in_blocks(matrix: &[f32], factors: usize, mut visit: impl FnMut(usize, usize, &[f32])) {
    let mut block = vec![0.0; factors * BLOCK];
    for (index, rows) in matrix.chunks(factors * BLOCK).enumerate() {
        to_block(rows, factors, &mut block);
        visit(index, rows.len() / factors, &block);
    }
}

/// Writes up to 64 row-major rows of `factors` numbers as one block; missing rows become zeros.
pub fn to_block(rows: &[f32], factors: usize, block: &mut [f32]) {
    block.fill(0.0);
    for (lane, row) in rows.chunks_exact(factors).enumerate() {
        for (d, value) in row.iter().enumerate() {
            block[d * BLOCK + lane] = *value;
        }
    }
}

/// Scans whole blocks holding `rows` rows, the first of which is row `first` (a multiple of 64) of the catalogue.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx2+fma", "x86_64+avx2+fma", "aarch64+neon"))]
fn scan_blocks(blocks: &[f32], query: &[f32], rows: usize, first: usize, excluded: &RowSet, best: &mut Best) {
    for (index, block) in blocks.chunks_exact(query.len() * BLOCK).enumerate() {
        let scores = block_scores(block, query);
        best.consider(&scores, first + index * BLOCK, rows - index * BLOCK, excluded);
    }
}

/// The same by cosine.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx2+fma", "x86_64+avx2+fma", "aarch64+neon"))]
fn scan_cosines(
    blocks: &[f32],
    query: &[f32],
    rows: usize,
    first: usize,
    excluded: &RowSet,
    best: &mut Best,
) {
    let length = query.iter().fold(0.0, |sum: f32, q| q.mul_add(*q, sum)).sqrt();
    for (index, block) in blocks.chunks_exact(query.len() * BLOCK).enumerate() {
        let mut scores = block_scores(block, query);
        let mut squares = [0.0_f32; BLOCK];
        for column in block.as_chunks::<BLOCK>().0 {
            for lane in 0..BLOCK {
                squares[lane] = column[lane].mul_add(column[lane], squares[lane]);
            }
        }
        for lane in 0..BLOCK {
            let cosine = scores[lane] / (length * squares[lane].sqrt());
            scores[lane] = if cosine.is_finite() { cosine.clamp(-1.0, 1.0) } else { 0.0 };
        }
        best.consider(&scores, first + index * BLOCK, rows - index * BLOCK, excluded);
    }
}

/// The scores of the rows of whole blocks.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx2+fma", "x86_64+avx2+fma", "aarch64+neon"))]
fn score_blocks(blocks: &[f32], query: &[f32], scores: &mut [[f32; BLOCK]]) {
    for (block, scores) in blocks.chunks_exact(query.len() * BLOCK).zip(scores) {
        *scores = block_scores(block, query);
    }
}

/// The scores of one block; inlined, so that it is compiled for the instruction set of its caller.
#[inline(always)]
fn block_scores(block: &[f32], query: &[f32]) -> [f32; BLOCK] {
    let mut scores = [0.0_f32; BLOCK];
    for (q, column) in query.iter().zip(block.as_chunks::<BLOCK>().0) {
        for lane in 0..BLOCK {
            scores[lane] = q.mul_add(column[lane], scores[lane]);
        }
    }
    scores
}

/// The best rows so far.
struct Best {
    heap: BinaryHeap<WorstFirst>,
    room: usize,
    /// A score must be above it to get in; minus infinity while there is room.
    threshold: f32,
}

impl Best {
    fn new(room: usize) -> Self {
        Self { heap: BinaryHeap::with_capacity(room), room, threshold: f32::NEG_INFINITY }
    }

    fn is_full(&self) -> bool {
        self.heap.len() == self.room
    }

    /// Takes what is good enough of a block whose first row is `first`, and of which `rows` rows or more are there.
    #[inline(always)]
    fn consider(&mut self, scores: &[f32; BLOCK], first: usize, rows: usize, excluded: &RowSet) {
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

    fn into_sorted(self) -> Vec<Scored> {
        self.heap.into_sorted_vec().into_iter().map(|entry| entry.0).collect()
    }
}

/// Orders scores so that the worst is the greatest: the heap's top, and the last when sorted.
struct WorstFirst(Scored);

impl Ord for WorstFirst {
    fn cmp(&self, other: &Self) -> Ordering {
        // Scores in the heap are numbers; −0 equals 0.
        let by_score = other.0.score.partial_cmp(&self.0.score).unwrap_or(Ordering::Equal);
        by_score.then(self.0.row.cmp(&other.0.row))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The naive form: every score, sorted.
    fn naive(matrix: &[f32], query: &[f32], k: usize, excluded: &RowSet) -> Vec<Scored> {
        let rows = matrix.chunks_exact(query.len()).enumerate();
        let scored = rows.map(|(row, v)| Scored { row: row as Row, score: score(query, v) });
        let mut all: Vec<_> = scored.filter(|s| !s.score.is_nan() && !excluded.contains(s.row)).collect();
        all.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap().then(a.row.cmp(&b.row)));
        all.truncate(k);
        all
    }

    fn blocked(matrix: &[f32], factors: usize) -> Vec<f32> {
        let mut blocks = Vec::new();
        for rows in matrix.chunks(factors * BLOCK) {
            let start = blocks.len();
            blocks.resize(start + factors * BLOCK, 0.0);
            to_block(rows, factors, &mut blocks[start..]);
        }
        blocks
    }

    /// Few distinct values make ties; the others reach every corner of f32.
    fn value() -> impl Strategy<Value = f32> {
        prop_oneof![
            4 => prop::sample::select(vec![0.0, -0.0, 1.0, -1.0, 0.5]),
            4 => -1.0_f32..1.0,
            1 => prop::num::f32::ANY,
        ]
    }

    fn bits(scored: &[Scored]) -> Vec<(Row, u32)> {
        scored.iter().map(|s| (s.row, s.score.to_bits())).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn top_k_equals_a_naive_sort_on_any_input_in_either_layout(
            factors in 1_usize..9,
            values in prop::collection::vec(value(), 0..1500),
            query in prop::collection::vec(value(), 9),
            k in 0_usize..300,
            left_out in prop::collection::vec(0_u32..200, 0..100),
        ) {
            let rows = values.len() / factors;
            let matrix = &values[..rows * factors];
            let query = &query[..factors];
            let mut excluded = RowSet::none(rows);
            left_out.into_iter().for_each(|row| excluded.insert(row));
            let expected = bits(&naive(matrix, query, k, &excluded));
            let blocks = blocked(matrix, factors);
            for layout in [Layout::RowMajor(matrix), Layout::Blocked(&blocks)] {
                let items = Items { layout, factors, rows };
                prop_assert_eq!(&bits(&top_k(items, query, k, &excluded)), &expected);
                let (all, zeros) = (RowSet::none(rows), vec![0.0; factors]);
                let scans = [
                    Scan { query: &zeros, k: 3, excluded: &all },
                    Scan { query, k, excluded: &excluded },
                    Scan { query, k: 0, excluded: &all },
                ];
                let each = top_k_each(items, &scans);
                for (scan, list) in scans.iter().zip(&each) {
                    prop_assert_eq!(bits(list), bits(&top_k(items, scan.query, scan.k, scan.excluded)));
                }
                let nearest = top_k_by_cosine(items, query, k, &excluded);
                prop_assert!(nearest.iter().all(|s| (-1.0..=1.0).contains(&s.score) && !excluded.contains(s.row)));
                prop_assert!(nearest.is_sorted_by(|a, b| a.score > b.score || (a.score == b.score && a.row < b.row)));
                let all: Vec<u32> = scores(items, query).iter().map(|s| s.to_bits()).collect();
                let defined = matrix.chunks_exact(factors).map(|v| score(query, v).to_bits());
                prop_assert!(all.into_iter().eq(defined) || matrix.iter().chain(query).any(|v| !v.is_finite()));
            }
        }
    }
}

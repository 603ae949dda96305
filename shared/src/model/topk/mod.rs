//! Exact top-k by inner product over all items.
//!
//! **One score, one definition**: `s = fma(q[d], v[d], s)` from 0 with d ascending, one accumulator per item, in f32.
//! Every path here gives these bits, whatever the layout and the instruction set; ties break by row.
//!
//! Items lie in blocks of 64 rows, dimension-major inside a block: a dimension of the query is broadcast and advances
//! 64 scores at once, so that vectors run across items and the order of additions within one item never changes.
//! Selection is fused with the scan: a block's scores stay in registers and cache, and the heap is touched only when
//! one beats the worst kept.
//!
//! A catalogue that is larger than the nearer caches is scanned at the speed of memory. There [`int8`] reads a quarter of
//! the bytes: it scores integers, and what might belong to the answer is scored again as above.

mod best;
mod blocks;
pub mod int8;
#[cfg(test)]
mod tests;

use super::Scored;
use crate::catalogue::RowSet;
use best::Best;
pub use blocks::to_block;
use blocks::{in_blocks, scan_blocks, scan_cosines, score_blocks};
use int8::Int8;

/// Rows in a block: four 512-bit registers of f32.
pub const BLOCK: usize = 64;

/// How many queries take turns at a block of items before the next is read: their vectors stay in the nearest cache
/// beside it (64 queries × 64 factors are 16 KB, as a block of items is).
const QUERIES_TOGETHER: usize = 64;

/// The item vectors to scan, of `factors` numbers each.
#[derive(Clone, Copy, Debug)]
pub struct Items<'a> {
    /// Row-major, or in blocks.
    pub layout: Layout<'a>,
    /// The same rounded to integers, where they are there to be scanned first.
    pub int8: Option<Int8<'a>>,
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

/// One of several questions to the same items: the best `k` rows outside `excluded`.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The vector to score by, of as many numbers as an item has.
    pub query: &'a [f32],
    /// How many rows are wanted.
    pub k: usize,
    /// Rows that must not be among them.
    pub excluded: &'a RowSet,
}

/// The score of one item: the definition.
#[must_use]
pub fn score(query: &[f32], item: &[f32]) -> f32 {
    query.iter().zip(item).fold(0.0, |sum, (q, v)| q.mul_add(*v, sum))
}

/// The best `k` rows outside `excluded`, best first, equals by row. A score that is not a number is never chosen.
#[must_use]
pub fn top_k(items: Items<'_>, query: &[f32], k: usize, excluded: &RowSet) -> Vec<Scored> {
    let k = k.min(items.rows);
    if k == 0 || items.factors == 0 {
        return Vec::new();
    }
    if let Some(best) = int8::top_k(items, query, k, excluded) {
        return best;
    }
    let mut best = Best::new(k);
    match items.layout {
        Layout::Blocked(blocks) => scan_blocks(blocks, query, items.rows, 0, excluded, &mut best),
        Layout::RowMajor(matrix) => in_blocks(matrix, items.factors, |index, rows, block| {
            scan_blocks(block, query, rows, index * BLOCK, excluded, &mut best);
        }),
    }
    best.into_sorted()
}

/// What [`top_k`] answers to each of several questions, in their order: the items are read once for 64 of them, and each
/// answer has the bits that it has alone.
#[must_use]
pub fn top_k_of_many(items: Items<'_>, asks: &[Ask<'_>]) -> Vec<Vec<Scored>> {
    asks.chunks(QUERIES_TOGETHER).flat_map(|asks| top_k_together(items, asks)).collect()
}

fn top_k_together(items: Items<'_>, asks: &[Ask<'_>]) -> Vec<Vec<Scored>> {
    if let [ask] = asks {
        return vec![top_k(items, ask.query, ask.k, ask.excluded)];
    }
    let mut best: Vec<Best> = asks.iter().map(|ask| Best::new(ask.k.min(items.rows))).collect();
    let mut scan = |index: usize, rows: usize, block: &[f32]| {
        for (ask, best) in asks.iter().zip(&mut best).filter(|(_, best)| best.has_room()) {
            scan_blocks(block, ask.query, rows, index * BLOCK, ask.excluded, best);
        }
    };
    match items.layout {
        _ if items.factors == 0 => {}
        Layout::RowMajor(matrix) => in_blocks(matrix, items.factors, scan),
        Layout::Blocked(blocks) => {
            for (index, block) in blocks.chunks_exact(items.factors * BLOCK).enumerate() {
                scan(index, items.rows - index * BLOCK, block);
            }
        }
    }
    best.into_iter().map(Best::into_sorted).collect()
}

/// The `k` rows outside `excluded` whose vectors point most nearly the way of `query`, best first, equals by row. The score
/// is the cosine of the angle, −1 to 1, and 0 where a vector has no direction.
#[must_use]
pub fn top_k_by_cosine(items: Items<'_>, query: &[f32], k: usize, excluded: &RowSet) -> Vec<Scored> {
    let k = k.min(items.rows);
    if k == 0 || items.factors == 0 {
        return Vec::new();
    }
    let mut best = Best::new(k);
    match items.layout {
        Layout::Blocked(blocks) => scan_cosines(blocks, query, items.rows, 0, excluded, &mut best),
        Layout::RowMajor(matrix) => in_blocks(matrix, items.factors, |index, rows, block| {
            scan_cosines(block, query, rows, index * BLOCK, excluded, &mut best);
        }),
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

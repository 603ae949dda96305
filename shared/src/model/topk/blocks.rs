//! Scanning blocks of 64 rows in f32.

use multiversion::multiversion;

use super::BLOCK;
use super::best::Best;
use crate::catalogue::RowSet;

/// Calls `visit` with the index, the number of rows and the values of each block of a row-major matrix.
pub(super) fn in_blocks(matrix: &[f32], factors: usize, mut visit: impl FnMut(usize, usize, &[f32])) {
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
pub(super) fn scan_blocks(
    blocks: &[f32],
    query: &[f32],
    rows: usize,
    first: usize,
    excluded: &RowSet,
    best: &mut Best,
) {
    for (index, block) in blocks.chunks_exact(query.len() * BLOCK).enumerate() {
        let scores = block_scores(block, query);
        best.consider(&scores, first + index * BLOCK, rows - index * BLOCK, excluded);
    }
}

/// The same by cosine.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx2+fma", "x86_64+avx2+fma", "aarch64+neon"))]
pub(super) fn scan_cosines(
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
pub(super) fn score_blocks(blocks: &[f32], query: &[f32], scores: &mut [[f32; BLOCK]]) {
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

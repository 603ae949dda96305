//! √d times the embeddings of items, plus those of their positions, with dropout.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use multiversion::multiversion;
use rayon::prelude::*;

use super::dropout::Dropout;
use super::{ROWS, gradient, numbers, with_numbers};

/// Items `[items, d]` and positions `[L, d]` to `[T, d]`.
pub(super) struct Embedding {
    pub(super) rows: Vec<u32>,
    pub(super) positions: Vec<u32>,
    pub(super) dropout: Dropout,
}

impl CustomOp2 for Embedding {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn cpu_fwd(
        &self,
        items: &CpuStorage,
        of_items: &Layout,
        positions: &CpuStorage,
        of_positions: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (count, d) = of_items.shape().dims2()?;
        let (length, _) = of_positions.shape().dims2()?;
        let within = |rows: &[u32], count: usize| rows.iter().all(|row| (*row as usize) < count);
        if !(within(&self.rows, count) && within(&self.positions, length)) {
            bail!("an item or a position outside of its table");
        }
        let (items, positions) = (numbers(items, of_items)?, numbers(positions, of_positions)?);
        let mut x = vec![0.0; self.rows.len() * d];
        let scale = (d as f32).sqrt();
        x.par_chunks_mut(ROWS * d).enumerate().for_each(|(chunk, x)| {
            for (at, x) in (chunk * ROWS..).zip(x.chunks_exact_mut(d)) {
                let item = &items[self.rows[at] as usize * d..][..d];
                let position = &positions[self.positions[at] as usize * d..][..d];
                embed(self.dropout, stretched(at, d), x, item, position, scale);
            }
        });
        Ok((CpuStorage::F32(x), Shape::from((self.rows.len(), d))))
    }

    fn bwd(
        &self,
        items: &Tensor,
        positions: &Tensor,
        _: &Tensor,
        of_x: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let of_x = of_x.contiguous()?;
        let (count, d) = items.dims2()?;
        let (length, _) = positions.dims2()?;
        let scale = (d as f32).sqrt();
        let (of_items, of_positions) = with_numbers([&of_x], |[of_x]| {
            rayon::join(
                || self.scattered(&self.rows, count, d, scale, of_x),
                || self.scattered(&self.positions, length, d, 1.0, of_x),
            )
        })?;
        Ok((gradient(of_items, items)?, gradient(of_positions, positions)?))
    }
}

impl Embedding {
    /// The gradient of a table of `count` rows: `scale` times the sum of the gradients of what was taken from each.
    fn scattered(&self, rows: &[u32], count: usize, d: usize, scale: f32, of_x: &[f32]) -> Vec<f32> {
        let mut table = vec![0.0; count * d];
        for (at, (row, of_x)) in rows.iter().zip(of_x.chunks_exact(d)).enumerate() {
            collect(self.dropout, stretched(at, d), &mut table[*row as usize * d..][..d], of_x, scale);
        }
        table
    }
}

/// Where the mask of a row begins: rows are set apart so that each begins a group.
fn stretched(row: usize, d: usize) -> usize {
    row * d.next_multiple_of(super::dropout::GROUP)
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx2+fma", "x86_64+avx2+fma", "aarch64+neon"))]
fn embed(dropout: Dropout, at: usize, x: &mut [f32], item: &[f32], position: &[f32], scale: f32) {
    for ((x, item), position) in x.iter_mut().zip(item).zip(position) {
        *x = item.mul_add(scale, *position);
    }
    if !dropout.is_off() {
        for (group, x) in x.chunks_mut(super::dropout::GROUP).enumerate() {
            let factors = dropout.factors(at / super::dropout::GROUP + group);
            x.iter_mut().zip(factors).for_each(|(x, factor)| *x *= factor);
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx2+fma", "x86_64+avx2+fma", "aarch64+neon"))]
fn collect(dropout: Dropout, at: usize, sum: &mut [f32], of_x: &[f32], scale: f32) {
    dropout.visit(at, sum, of_x, |sum, of_x, factor| *sum += of_x * factor * scale);
}

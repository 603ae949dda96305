//! Rectification and addition, each with dropout.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};
use multiversion::multiversion;
use rayon::prelude::*;

use super::dropout::Dropout;
use super::{gradient, numbers, with_numbers};

/// Numbers that one task takes at a time: a multiple of a dropout's group.
const PIECE: usize = 16_384;

/// y = dropout(max(x, 0)).
pub(super) struct Rectify {
    pub(super) dropout: Dropout,
}

impl CustomOp1 for Rectify {
    fn name(&self) -> &'static str {
        "rectify"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let y = pieces(numbers(storage, layout)?, |at, y, x| rectify(self.dropout, at, y, x));
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, of_y: &Tensor) -> Result<Option<Tensor>> {
        let of_y = of_y.contiguous()?;
        // What is above 0 in y was above 0 in x and was kept.
        let scale = self.dropout.scale();
        let of_x = with_numbers([y, &of_y], |[y, of_y]| {
            pieces(y, |at, of_x, y| where_positive(scale, of_x, y, &of_y[at..]))
        })?;
        gradient(of_x, x)
    }
}

/// z = x + dropout(y).
pub(super) struct Add {
    pub(super) dropout: Dropout,
}

impl CustomOp2 for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        of_x: &Layout,
        y: &CpuStorage,
        of_y: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, y) = (numbers(x, of_x)?, numbers(y, of_y)?);
        let z = pieces(y, |at, z, y| add(self.dropout, at, z, y, &x[at..]));
        Ok((CpuStorage::F32(z), of_x.shape().clone()))
    }

    fn bwd(
        &self,
        _: &Tensor,
        y: &Tensor,
        _: &Tensor,
        of_z: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        if self.dropout.is_off() {
            return Ok((Some(of_z.clone()), Some(of_z.clone())));
        }
        let whole = of_z.contiguous()?;
        let of_y = with_numbers([&whole], |[of_z]| {
            pieces(of_z, |at, of_y, of_z| drop_some(self.dropout, at, of_y, of_z))
        })?;
        Ok((Some(of_z.clone()), gradient(of_y, y)?))
    }
}

/// Makes as many numbers as `from` has, in pieces: `make(place, to, from)`.
fn pieces(from: &[f32], make: impl Fn(usize, &mut [f32], &[f32]) + Sync) -> Vec<f32> {
    let mut to = vec![0.0; from.len()];
    let tasks = to.par_chunks_mut(PIECE).zip(from.par_chunks(PIECE)).enumerate();
    tasks.for_each(|(piece, (to, from))| make(piece * PIECE, to, from));
    to
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx2+fma", "x86_64+avx2+fma", "aarch64+neon"))]
fn rectify(dropout: Dropout, at: usize, y: &mut [f32], x: &[f32]) {
    dropout.visit(at, y, x, |y, x, factor| *y = x.max(0.0) * factor);
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx2+fma", "x86_64+avx2+fma", "aarch64+neon"))]
fn where_positive(scale: f32, of_x: &mut [f32], y: &[f32], of_y: &[f32]) {
    for ((of_x, y), of_y) in of_x.iter_mut().zip(y).zip(of_y) {
        *of_x = if *y > 0.0 { of_y * scale } else { 0.0 };
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx2+fma", "x86_64+avx2+fma", "aarch64+neon"))]
fn add(dropout: Dropout, at: usize, z: &mut [f32], y: &[f32], x: &[f32]) {
    dropout.visit(at, z, y, |z, y, factor| *z = y * factor);
    z.iter_mut().zip(x).for_each(|(z, x)| *z += x);
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx2+fma", "x86_64+avx2+fma", "aarch64+neon"))]
fn drop_some(dropout: Dropout, at: usize, y: &mut [f32], x: &[f32]) {
    dropout.visit(at, y, x, |y, x, factor| *y = x * factor);
}

//! One row's least squares problem: (α₀G + λI + Σ w v vᵀ) x = Σ w v over the row's observed columns.
//!
//! Rows of factors are padded to [`LANES`] numbers, a whole number of vectors on any machine, and the inner loops are
//! written over vectors of the widest kind that it has.

use pulp::{Arch, Simd, WithSimd};
use shared::model::cholesky::Symmetric;

use super::Solver;

/// Numbers in the widest vector there is: one 512-bit register.
pub(super) const LANES: usize = 16;
/// Columns whose inner products advance together, to hide the latency of one.
const TOGETHER: usize = 4;
/// A residual this small against its right-hand side is the rounding of f32.
const CONVERGED: f32 = 1e-6;

/// Solves rows, one after another, in memory that is kept.
pub(super) struct RowSolver {
    arch: Arch,
    factors: usize,
    solver: Solver,
    residual: Vec<f32>,
    direction: Vec<f32>,
    image: Vec<f32>,
    gathered: Vec<f32>,
    /// 0, 1, 2, …: the columns of what is gathered.
    consecutive: Vec<u32>,
}

/// Most bytes of a row's observed vectors that are copied side by side before the passes over them: a share of the
/// second cache. More would not be there any longer when the next pass begins.
const GATHERED_BYTES: usize = 512 * 1024;

impl RowSolver {
    pub(super) fn new(factors: usize, stride: usize, solver: Solver) -> Self {
        let zeros = || vec![0.0; stride];
        let (gathered, consecutive) = (Vec::new(), Vec::new());
        let (residual, direction, image) = (zeros(), zeros(), zeros());
        Self { arch: Arch::new(), factors, solver, residual, direction, image, gathered, consecutive }
    }

    /// Improves `row`, or solves it exactly. `others` holds the other side's factors, `gram` is α₀G, both padded.
    pub(super) fn solve(
        &mut self,
        row: &mut [f32],
        others: &[f32],
        columns: &[u32],
        weights: &[f32],
        gram: &[f32],
        ridge: f32,
    ) {
        let scattered = System { others, columns, weights, gram, ridge };
        if columns.is_empty() {
            row.fill(0.0);
            return;
        }
        match self.solver {
            Solver::ConjugateGradient { steps } => {
                self.gather(&scattered, row.len());
                let Self { arch, residual, direction, image, gathered, consecutive, .. } = self;
                let near = System { others: gathered, columns: consecutive, ..scattered };
                let system = if gathered.is_empty() { scattered } else { near };
                arch.dispatch(ConjugateGradient {
                    system: &system,
                    x: row,
                    steps,
                    residual,
                    direction,
                    image,
                });
            }
            Solver::Cholesky => exactly(&scattered, row, self.factors),
        }
    }

    /// Copies the observed vectors side by side, or nothing when they are too many.
    fn gather(&mut self, system: &System<'_>, stride: usize) {
        self.gathered.clear();
        self.consecutive.clear();
        if system.columns.len() * stride * size_of::<f32>() > GATHERED_BYTES {
            return;
        }
        for column in system.columns {
            self.gathered.extend_from_slice(&system.others[*column as usize * stride..][..stride]);
        }
        self.consecutive.extend(0..system.columns.len() as u32);
    }
}

struct System<'a> {
    others: &'a [f32],
    columns: &'a [u32],
    weights: &'a [f32],
    gram: &'a [f32],
    ridge: f32,
}

/// Conjugate gradients (Hestenes and Stiefel 1952) from the value that `x` has.
struct ConjugateGradient<'a> {
    system: &'a System<'a>,
    x: &'a mut [f32],
    steps: usize,
    residual: &'a mut [f32],
    direction: &'a mut [f32],
    image: &'a mut [f32],
}

impl WithSimd for ConjugateGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { system, x, steps, residual, direction, image } = self;
        // residual = Σ w (1 − v·x) v − (α₀G + λ) x
        add_observed(simd, system, x, residual, |dot, weight| weight * (1.0 - dot));
        subtract_dense(simd, system, x, residual);
        direction.copy_from_slice(residual);
        let mut norm = dot(simd, residual, residual);
        let enough = norm * CONVERGED * CONVERGED;
        for _ in 0..steps {
            if norm <= enough || norm == 0.0 {
                return;
            }
            // The negative image of the direction, so that both products share their code.
            add_observed(simd, system, direction, image, |dot, weight| -weight * dot);
            subtract_dense(simd, system, direction, image);
            let step = -norm / dot(simd, direction, image);
            add_scaled(simd, x, direction, step);
            add_scaled(simd, residual, image, step);
            let next = dot(simd, residual, residual);
            let turn = next / norm;
            for (d, r) in direction.iter_mut().zip(residual.iter()) {
                *d = r + turn * *d;
            }
            norm = next;
        }
    }
}

/// out = Σ coefficient(v·p, w) v over the observed columns.
#[inline(always)]
fn add_observed<S: Simd>(
    simd: S,
    system: &System<'_>,
    p: &[f32],
    out: &mut [f32],
    coefficient: impl Fn(f32, f32) -> f32,
) {
    let stride = p.len();
    let vector = |column: u32| &system.others[column as usize * stride..][..stride];
    out.fill(0.0);
    let (groups, rest) = system.columns.as_chunks::<TOGETHER>();
    let (weights, rest_weights) = system.weights.as_chunks::<TOGETHER>();
    for (columns, weights) in groups.iter().zip(weights) {
        let vectors = columns.map(vector);
        let dots = dots(simd, vectors, p);
        let mut scales = [0.0_f32; TOGETHER];
        for i in 0..TOGETHER {
            scales[i] = coefficient(dots[i], weights[i]);
        }
        add_all_scaled(simd, out, vectors, scales);
    }
    for (column, weight) in rest.iter().zip(rest_weights) {
        let vector = vector(*column);
        add_scaled(simd, out, vector, coefficient(dot(simd, vector, p), *weight));
    }
}

/// out −= (α₀G + λ) p
#[inline(always)]
fn subtract_dense<S: Simd>(simd: S, system: &System<'_>, p: &[f32], out: &mut [f32]) {
    let stride = p.len();
    add_scaled(simd, out, p, -system.ridge);
    let rows = system.gram.chunks_exact(stride * TOGETHER);
    for (rows, scales) in rows.zip(p.as_chunks::<TOGETHER>().0) {
        let row = |i: usize| &rows[i * stride..][..stride];
        add_all_scaled(simd, out, [row(0), row(1), row(2), row(3)], scales.map(|scale| -scale));
    }
}

#[inline(always)]
fn dots<S: Simd>(simd: S, vectors: [&[f32]; TOGETHER], p: &[f32]) -> [f32; TOGETHER] {
    let p = S::as_simd_f32s(p).0;
    let [a, b, c, d] = vectors.map(|vector| &S::as_simd_f32s(vector).0[..p.len()]);
    let mut sums = [simd.splat_f32s(0.0); TOGETHER];
    for i in 0..p.len() {
        sums[0] = simd.mul_add_f32s(a[i], p[i], sums[0]);
        sums[1] = simd.mul_add_f32s(b[i], p[i], sums[1]);
        sums[2] = simd.mul_add_f32s(c[i], p[i], sums[2]);
        sums[3] = simd.mul_add_f32s(d[i], p[i], sums[3]);
    }
    [
        simd.reduce_sum_f32s(sums[0]),
        simd.reduce_sum_f32s(sums[1]),
        simd.reduce_sum_f32s(sums[2]),
        simd.reduce_sum_f32s(sums[3]),
    ]
}

/// out += Σ scale × vector
#[inline(always)]
fn add_all_scaled<S: Simd>(simd: S, out: &mut [f32], vectors: [&[f32]; TOGETHER], scales: [f32; TOGETHER]) {
    let out = S::as_mut_simd_f32s(out).0;
    let [a, b, c, d] = vectors.map(|vector| &S::as_simd_f32s(vector).0[..out.len()]);
    let scales = [
        simd.splat_f32s(scales[0]),
        simd.splat_f32s(scales[1]),
        simd.splat_f32s(scales[2]),
        simd.splat_f32s(scales[3]),
    ];
    for i in 0..out.len() {
        let first = simd.mul_add_f32s(scales[0], a[i], out[i]);
        let second = simd.mul_add_f32s(scales[1], b[i], first);
        let third = simd.mul_add_f32s(scales[2], c[i], second);
        out[i] = simd.mul_add_f32s(scales[3], d[i], third);
    }
}

#[inline(always)]
fn add_scaled<S: Simd>(simd: S, target: &mut [f32], source: &[f32], scale: f32) {
    let scale = simd.splat_f32s(scale);
    for (target, source) in S::as_mut_simd_f32s(target).0.iter_mut().zip(S::as_simd_f32s(source).0) {
        *target = simd.mul_add_f32s(scale, *source, *target);
    }
}

#[inline(always)]
fn dot<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    let mut sum = simd.splat_f32s(0.0);
    for (a, b) in S::as_simd_f32s(a).0.iter().zip(S::as_simd_f32s(b).0) {
        sum = simd.mul_add_f32s(*a, *b, sum);
    }
    simd.reduce_sum_f32s(sum)
}

/// Σ w (1 − v·x)² over the observed columns.
pub(super) struct SquaredError<'a> {
    pub(super) x: &'a [f32],
    pub(super) others: &'a [f32],
    pub(super) columns: &'a [u32],
    pub(super) weights: &'a [f32],
}

impl WithSimd for SquaredError<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let mut total = 0.0;
        for (column, weight) in self.columns.iter().zip(self.weights) {
            let vector = &self.others[*column as usize * self.x.len()..][..self.x.len()];
            let miss = 1.0 - dot(simd, vector, self.x);
            total += f64::from(weight * miss * miss);
        }
        total
    }
}

/// The exact solution in double precision. A system that is not positive definite leaves the row as it was; with a
/// ridge above 0 there is none.
fn exactly(system: &System<'_>, row: &mut [f32], factors: usize) {
    let stride = row.len();
    let mut a = Symmetric::from_fn(factors, |i, j| f64::from(system.gram[i * stride + j]));
    a.add_ridge(f64::from(system.ridge));
    let vector = |column: &u32| &system.others[*column as usize * stride..][..factors];
    let observed = || system.weights.iter().copied().zip(system.columns.iter().map(vector));
    a.add_outer_products(observed());
    let mut b = vec![0.0_f64; factors];
    for (weight, vector) in observed() {
        b.iter_mut().zip(vector).for_each(|(b, v)| *b += f64::from(weight) * f64::from(*v));
    }
    if let Some(factor) = a.factor() {
        factor.solve(&mut b);
        row.iter_mut().zip(b).for_each(|(x, b)| *x = b as f32);
    }
}

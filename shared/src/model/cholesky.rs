//! Small symmetric positive definite systems, A x = b: built up of outer products, factored (Cholesky), solved; in double
//! precision.
//!
//! Rows are padded to whole cache lines and worked on eight numbers at a time, four rows together. No product is fused
//! with a sum and every sum has its order, so a system has the same solution, to the bit, on every machine.

use multiversion::multiversion;
use ndarray::Array2;

/// Doubles in a cache line, and in the widest vector register.
const LANES: usize = 8;
/// Rows that are added together, so that the row they are added to is read and written once for all.
const TOGETHER: usize = 4;

/// A symmetric matrix being built; only its upper triangle means anything.
#[derive(Debug)]
pub struct Symmetric {
    order: usize,
    /// `[order, order rounded up to LANES]`
    rows: Array2<f64>,
}

impl Symmetric {
    /// A matrix of `order` rows whose upper triangle `entry` gives, by row and column.
    pub fn from_fn(order: usize, mut entry: impl FnMut(usize, usize) -> f64) -> Self {
        let shape = (order, order.next_multiple_of(LANES));
        let rows = Array2::from_shape_fn(shape, |(i, j)| if j < order { entry(i, j) } else { 0.0 });
        Self { order, rows }
    }

    /// Adds `value` to the diagonal.
    pub fn add_ridge(&mut self, value: f64) {
        self.rows.diag_mut().mapv_inplace(|x| x + value);
    }

    /// Adds Σ w v vᵀ over the pairs of a weight, 0 or more, and a vector of `order` numbers.
    pub fn add_outer_products<'a>(&mut self, vectors: impl Iterator<Item = (f32, &'a [f32])>) {
        let stride = self.rows.ncols();
        let mut scaled = Vec::new();
        for (weight, vector) in vectors {
            let scale = f64::from(weight).sqrt();
            let start = scaled.len();
            scaled.extend(vector.iter().map(|v| scale * f64::from(*v)));
            scaled.resize(start + stride, 0.0);
        }
        if let Some(rows) = self.rows.as_slice_mut() {
            add_products(rows, stride, &scaled);
        }
    }

    /// Factors the matrix. `None` when it is not positive definite.
    #[must_use]
    pub fn factor(mut self) -> Option<Cholesky> {
        let stride = self.rows.ncols();
        let positive = factor_rows(self.rows.as_slice_mut()?, stride);
        positive.then_some(Cholesky { order: self.order, upper: self.rows })
    }
}

/// The factor U of A = UᵀU.
#[derive(Debug)]
pub struct Cholesky {
    order: usize,
    upper: Array2<f64>,
}

impl Cholesky {
    /// Solves A x = b in place; `b` has as many numbers as A has rows.
    pub fn solve(&self, b: &mut [f64]) {
        let stride = self.upper.ncols();
        let mut padded = vec![0.0; stride];
        padded[..self.order].copy_from_slice(b);
        if let Some(upper) = self.upper.as_slice() {
            solve_rows(upper, stride, &mut padded);
        }
        b.copy_from_slice(&padded[..self.order]);
    }
}

/// rows += Σ s sᵀ over the rows s of `vectors`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx2+fma", "x86_64+avx2+fma", "aarch64+neon"))]
fn add_products(rows: &mut [f64], stride: usize, vectors: &[f64]) {
    let mut coefficients = vec![0.0; vectors.len() / stride];
    for (i, row) in rows.chunks_exact_mut(stride).enumerate() {
        coefficients.iter_mut().zip(vectors.chunks_exact(stride)).for_each(|(c, vector)| *c = vector[i]);
        add_combination(row, &coefficients, vectors, i);
    }
}

/// Turns the upper triangle of A into that of U, row by row. False when A is not positive definite.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx2+fma", "x86_64+avx2+fma", "aarch64+neon"))]
fn factor_rows(a: &mut [f64], stride: usize) -> bool {
    let mut coefficients = vec![0.0; stride];
    for i in 0..a.len() / stride {
        let (done, rest) = a.split_at_mut(i * stride);
        let row = &mut rest[..stride];
        coefficients.iter_mut().zip(done.chunks_exact(stride)).for_each(|(c, above)| *c = -above[i]);
        add_combination(row, &coefficients[..i], done, i);
        let pivot = row[i];
        if !(pivot.is_finite() && pivot > 0.0) {
            return false;
        }
        let scale = pivot.sqrt().recip();
        row[i - i % LANES..].iter_mut().for_each(|x| *x *= scale);
    }
    true
}

/// Uᵀ y = b downwards, then U x = y upwards.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx2+fma", "x86_64+avx2+fma", "aarch64+neon"))]
fn solve_rows(upper: &[f64], stride: usize, b: &mut [f64]) {
    let rows = upper.chunks_exact(stride);
    for (i, row) in rows.clone().enumerate() {
        b[i] /= row[i];
        let x = b[i];
        b[i + 1..].iter_mut().zip(&row[i + 1..]).for_each(|(b, u)| *b -= x * u);
    }
    for (i, row) in rows.enumerate().rev() {
        let x = b[i];
        // What lies before the diagonal in its group of eight is no part of U, and the padding after it is zero.
        let (after, whole) = (i + 1, (i + 1).next_multiple_of(LANES).min(stride));
        let mut sums = [0.0_f64; LANES];
        for (row, b) in row[whole..].as_chunks::<LANES>().0.iter().zip(b[whole..].as_chunks::<LANES>().0) {
            for lane in 0..LANES {
                sums[lane] += row[lane] * b[lane];
            }
        }
        let head: f64 = row[after..whole].iter().zip(&b[after..whole]).map(|(u, b)| u * b).sum();
        b[i] = (x - head - sums.iter().sum::<f64>()) / row[i];
    }
}

/// target += Σ coefficient × row over the rows of `rows`, from column `first` on; up to seven columns before it are changed
/// too, and mean nothing. Each column is summed in the order of the rows.
#[inline(always)]
fn add_combination(target: &mut [f64], coefficients: &[f64], rows: &[f64], first: usize) {
    let stride = target.len();
    let start = first - first % LANES;
    let target = target[start..].as_chunks_mut::<LANES>().0;
    let tail = |row: usize| &rows[row * stride + start..(row + 1) * stride];
    let (groups, rest) = coefficients.as_chunks::<TOGETHER>();
    for (group, c) in groups.iter().enumerate() {
        let row = |i: usize| tail(group * TOGETHER + i).as_chunks::<LANES>().0;
        let (p, q, r, s) = (row(0), row(1), row(2), row(3));
        for ((((target, p), q), r), s) in target.iter_mut().zip(p).zip(q).zip(r).zip(s) {
            for lane in 0..LANES {
                let sum = target[lane] + c[0] * p[lane];
                let sum = sum + c[1] * q[lane];
                let sum = sum + c[2] * r[lane];
                target[lane] = sum + c[3] * s[lane];
            }
        }
    }
    for (i, c) in rest.iter().enumerate() {
        let row = tail(groups.len() * TOGETHER + i).as_chunks::<LANES>().0;
        for (target, row) in target.iter_mut().zip(row) {
            for lane in 0..LANES {
                target[lane] += c * row[lane];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_solution_satisfies_its_system() {
        for n in [1, 2, 7, 8, 9, 17, 64] {
            let b = Array2::from_shape_fn((n, n), |(i, j)| ((i * 7 + j * 13) % 11) as f64 / 11.0 - 0.4);
            let a = b.t().dot(&b) + Array2::<f64>::eye(n) * 0.1;
            let expected: Vec<f64> = (0..n).map(|i| i as f64 - 8.0).collect();
            let mut x = a.dot(&ndarray::Array1::from(expected.clone())).to_vec();
            // What is below the diagonal is not read.
            let upper = Symmetric::from_fn(n, |i, j| if i <= j { a[[i, j]] } else { f64::NAN });
            upper.factor().unwrap().solve(&mut x);
            for (found, expected) in x.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-8, "{n}: {found} {expected}");
            }
        }
    }

    #[test]
    fn outer_products_add_up() {
        let vectors: Vec<Vec<f32>> =
            (0..6).map(|k| (0..11).map(|d| ((k * 5 + d * 3) % 7) as f32 - 3.0).collect()).collect();
        let weights = [1.0, 0.25, 4.0, 1.0, 9.0, 0.0];
        let mut built = Symmetric::from_fn(11, |_, _| 1.0);
        built.add_outer_products(weights.into_iter().zip(vectors.iter().map(Vec::as_slice)));
        for i in 0..11 {
            for j in i..11 {
                let products = weights.iter().zip(&vectors).map(|(w, v)| f64::from(w * v[i] * v[j]));
                assert!((built.rows[[i, j]] - 1.0 - products.sum::<f64>()).abs() < 1e-12, "{i} {j}");
            }
        }
    }

    #[test]
    fn what_is_not_positive_definite_has_no_factor() {
        assert!(Symmetric::from_fn(2, |_, _| 0.0).factor().is_none());
        assert!(Symmetric::from_fn(1, |_, _| f64::NAN).factor().is_none());
    }
}

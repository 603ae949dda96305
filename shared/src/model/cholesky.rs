//! Solving small symmetric positive definite systems: Cholesky's factorisation, in double precision.
//!
//! Every loop runs over independent elements, so the compiler may use vectors without changing the order in which any
//! one element is summed: the same bits on every machine.

use ndarray::{Array2, ArrayView1, ArrayViewMut1, s};

/// The factor L of A = L Lᵀ, kept as its transpose U so that inner loops run along rows.
#[derive(Debug)]
pub struct Cholesky {
    upper: Array2<f64>,
}

impl Cholesky {
    /// Factors a matrix of which only the upper triangle is read. `None` when it is not positive definite.
    #[must_use]
    pub fn factor(mut a: Array2<f64>) -> Option<Self> {
        let n = a.nrows();
        for pivot in 0..n {
            let diagonal = a[[pivot, pivot]];
            if !(diagonal.is_finite() && diagonal > 0.0) {
                return None;
            }
            let scale = diagonal.sqrt().recip();
            a.slice_mut(s![pivot, pivot..]).mapv_inplace(|x| x * scale);
            let (done, mut rest) = a.view_mut().split_at(ndarray::Axis(0), pivot + 1);
            for row in pivot + 1..n {
                let source = done.slice(s![pivot, row..]);
                subtract_scaled(rest.slice_mut(s![row - pivot - 1, row..]), &source, source[0]);
            }
        }
        Some(Self { upper: a })
    }

    /// Solves A x = b in place.
    pub fn solve(&self, b: &mut [f64]) {
        let n = b.len();
        for i in 0..n {
            let row = self.upper.slice(s![i, i..]);
            b[i] /= row[0];
            let x = b[i];
            subtract_scaled(ArrayViewMut1::from(&mut b[i + 1..]), &row.slice(s![1..]), x);
        }
        for i in (0..n).rev() {
            let row = self.upper.row(i);
            let sum: f64 = (i + 1..n).map(|j| row[j] * b[j]).sum();
            b[i] = (b[i] - sum) / row[i];
        }
    }
}

/// target −= factor × source.
fn subtract_scaled(mut target: ArrayViewMut1<'_, f64>, source: &ArrayView1<'_, f64>, factor: f64) {
    target.zip_mut_with(source, |t, s| *t -= factor * s);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_solution_satisfies_its_system() {
        let n = 17;
        let b = Array2::from_shape_fn((n, n), |(i, j)| ((i * 7 + j * 13) % 11) as f64 / 11.0 - 0.4);
        let a = b.t().dot(&b) + Array2::<f64>::eye(n) * 0.1;
        let expected: Vec<f64> = (0..n).map(|i| i as f64 - 8.0).collect();
        let mut x = a.dot(&ndarray::Array1::from(expected.clone())).to_vec();
        Cholesky::factor(a).unwrap().solve(&mut x);
        for (found, expected) in x.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
    }

    #[test]
    fn what_is_not_positive_definite_has_no_factor() {
        assert!(Cholesky::factor(Array2::zeros((2, 2))).is_none());
        assert!(Cholesky::factor(Array2::from_elem((1, 1), f64::NAN)).is_none());
    }
}

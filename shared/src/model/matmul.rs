//! Products of small dense matrices in f32, on one thread.
//!
//! A tile of the result is kept in registers while a row of B is multiplied with a broadcast element of A, for every
//! row of the tile (the inner kernel of Goto and van de Geijn 2008, "Anatomy of High-Performance Matrix
//! Multiplication"). The matrices here are a few hundred rows and columns, so that B is read where it lies: only
//! transposed matrices and the last columns are copied into panels first.
//!
//! Sums run over `p` ascending within blocks of 512. The bits of a result depend on the instruction set only
//! through fused multiply-adds, and not on how rows are split among calls.

use pulp::{Arch, Simd, WithSimd};

/// Inner dimension of one pass: what a pass reads of B then stays in the second cache.
const DEPTH: usize = 512;
/// Vectors of a tile's row.
const VECTORS: usize = 2;
/// Numbers in the widest vector there is.
const LANES_MOST: usize = 16;
/// Rows of the largest tile.
const ROWS_MOST: usize = 8;

/// A matrix that lies in a slice: element (i, j) is `values[i * row_stride + j * column_stride]`.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The numbers.
    pub values: &'a [f32],
    /// From one row to the next.
    pub row_stride: usize,
    /// From one column to the next.
    pub column_stride: usize,
}

impl<'a> View<'a> {
    /// A row-major matrix of so many columns.
    #[must_use]
    pub const fn rows(values: &'a [f32], columns: usize) -> Self {
        Self { values, row_stride: columns, column_stride: 1 }
    }

    /// The transpose of a row-major matrix of so many columns.
    #[must_use]
    pub const fn columns(values: &'a [f32], columns: usize) -> Self {
        Self { values, row_stride: 1, column_stride: columns }
    }

    fn below(self, row: usize) -> Self {
        Self { values: &self.values[row * self.row_stride..], ..self }
    }
}

/// Memory that products reuse.
#[derive(Debug, Default)]
pub struct Scratch {
    panel: Vec<f32>,
}

/// C = A B, or C += A B when `accumulate`, for `shape` (m, n, k): A is m × k, B is k × n, and row i of C begins at
/// `c[i * c_stride]`.
///
/// # Panics
/// When a matrix does not hold what the shape says.
pub fn multiply(
    shape: (usize, usize, usize),
    a: View<'_>,
    b: View<'_>,
    c: &mut [f32],
    c_stride: usize,
    accumulate: bool,
    scratch: &mut Scratch,
) {
    let (m, n, k) = shape;
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 && !accumulate {
        (0..m).for_each(|row| c[row * c_stride..][..n].fill(0.0));
    }
    let arch = Arch::new();
    for start in (0..k).step_by(DEPTH) {
        let depth = DEPTH.min(k - start);
        let a = View { values: &a.values[start * a.column_stride..], ..a };
        let pass = Pass {
            shape: (m, n, depth),
            a,
            b: b.below(start),
            c: &mut *c,
            c_stride,
            accumulate: accumulate || start > 0,
            scratch: &mut *scratch,
        };
        arch.dispatch(pass);
    }
}

/// One pass over at most [`DEPTH`] of the inner dimension.
struct Pass<'a> {
    shape: (usize, usize, usize),
    a: View<'a>,
    b: View<'a>,
    c: &'a mut [f32],
    c_stride: usize,
    accumulate: bool,
    scratch: &'a mut Scratch,
}

impl WithSimd for Pass<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { shape: (m, n, k), a, b, c, c_stride, accumulate, scratch } = self;
        let width = VECTORS * S::F32_LANES;
        for column in (0..n).step_by(width) {
            let columns = width.min(n - column);
            let whole = columns == width && b.column_stride == 1;
            let panel = if whole {
                View { values: &b.values[column..], ..b }
            } else {
                pack(&mut scratch.panel, b, column, columns, k, width);
                View::rows(&scratch.panel, width)
            };
            let out = Out { c: &mut c[column..], stride: c_stride, columns, accumulate };
            rows(simd, m, k, a, panel, out);
        }
    }
}

/// Copies `columns` columns of B beginning at `column` into a row-major panel of `width`, the rest being zeros.
fn pack(panel: &mut Vec<f32>, b: View<'_>, column: usize, columns: usize, k: usize, width: usize) {
    panel.clear();
    panel.resize(k * width, 0.0);
    if b.row_stride == 1 {
        for j in 0..columns {
            let from = &b.values[(column + j) * b.column_stride..][..k];
            from.iter().zip(panel[j..].iter_mut().step_by(width)).for_each(|(from, to)| *to = *from);
        }
        return;
    }
    for (p, row) in panel.chunks_exact_mut(width).enumerate() {
        let from = &b.values[p * b.row_stride + column * b.column_stride..];
        from.iter().step_by(b.column_stride).zip(&mut row[..columns]).for_each(|(from, to)| *to = *from);
    }
}

/// Where a panel's results go: `columns` of every row.
struct Out<'a> {
    c: &'a mut [f32],
    stride: usize,
    columns: usize,
    accumulate: bool,
}

/// All rows of A with one panel of B, in tiles as high as the registers allow.
#[inline(always)]
fn rows<S: Simd>(simd: S, m: usize, k: usize, a: View<'_>, panel: View<'_>, mut out: Out<'_>) {
    let mut row = 0;
    // 16 accumulators of 32 registers, or 8 of 16: enough to hide the latency of a fused multiply-add.
    while S::REGISTER_COUNT >= 32 && m - row >= 8 {
        tile::<S, 8>(simd, row, k, a, panel, &mut out);
        row += 8;
    }
    while m - row >= 4 {
        tile::<S, 4>(simd, row, k, a, panel, &mut out);
        row += 4;
    }
    while row < m {
        tile::<S, 1>(simd, row, k, a, panel, &mut out);
        row += 1;
    }
}

/// Runs a statement for each row of a tile. Written out and not a loop, every place in the tile is a constant, which is
/// what lets the compiler keep the tile in registers; a loop is unrolled too late for that.
macro_rules! for_rows {
    ($rows:ident, $r:ident, $statement:block) => {
        for_rows!(@each $rows, $r, $statement, 0 1 2 3 4 5 6 7)
    };
    (@each $rows:ident, $r:ident, $statement:block, $($index:literal)*) => {
        $(if $index < $rows {
            const $r: usize = $index;
            $statement
        })*
    };
}

/// `ROWS` rows of A from `row` on with one panel of B.
#[inline(always)]
fn tile<S: Simd, const ROWS: usize>(
    simd: S,
    row: usize,
    k: usize,
    a: View<'_>,
    panel: View<'_>,
    out: &mut Out<'_>,
) {
    const { assert!(ROWS <= ROWS_MOST) };
    let sums = if a.column_stride == 1 {
        let mut rows = [&[] as &[f32]; ROWS];
        for_rows!(ROWS, R, { rows[R] = &a.values[(row + R) * a.row_stride..][..k] });
        sums(simd, k, panel, RowMajor { rows })
    } else if a.row_stride == 1 {
        sums(simd, k, panel, ColumnMajor::<ROWS> { values: &a.values[row..], stride: a.column_stride })
    } else {
        sums(simd, k, panel, Strided::<ROWS> { a, row })
    };
    for_rows!(ROWS, R, { out.store(simd, row + R, sums[R]) });
}

impl Out<'_> {
    #[inline(always)]
    fn store<S: Simd>(&mut self, simd: S, row: usize, sums: [S::f32s; VECTORS]) {
        let to = &mut self.c[row * self.stride..][..self.columns];
        if self.columns == VECTORS * S::F32_LANES {
            let (to, _) = S::as_mut_simd_f32s(to);
            for v in 0..VECTORS {
                to[v] = if self.accumulate { simd.add_f32s(to[v], sums[v]) } else { sums[v] };
            }
        } else {
            let mut whole = [0.0; VECTORS * LANES_MOST];
            S::as_mut_simd_f32s(&mut whole).0[..VECTORS].copy_from_slice(&sums);
            for (to, sum) in to.iter_mut().zip(&whole) {
                *to = if self.accumulate { *to + sum } else { *sum };
            }
        }
    }
}

/// Where the elements of A are that a tile of `ROWS` rows takes.
trait Elements<const ROWS: usize>: Copy {
    /// The element of the tile's row `r` in column `p`.
    fn at(self, r: usize, p: usize) -> f32;
}

#[derive(Clone, Copy)]
struct RowMajor<'a, const ROWS: usize> {
    rows: [&'a [f32]; ROWS],
}

impl<const ROWS: usize> Elements<ROWS> for RowMajor<'_, ROWS> {
    #[inline(always)]
    fn at(self, r: usize, p: usize) -> f32 {
        self.rows[r][p]
    }
}

#[derive(Clone, Copy)]
struct ColumnMajor<'a, const ROWS: usize> {
    /// From the tile's first row on.
    values: &'a [f32],
    stride: usize,
}

impl<const ROWS: usize> Elements<ROWS> for ColumnMajor<'_, ROWS> {
    #[inline(always)]
    fn at(self, r: usize, p: usize) -> f32 {
        self.values[p * self.stride..][..ROWS][r]
    }
}

#[derive(Clone, Copy)]
struct Strided<'a, const ROWS: usize> {
    a: View<'a>,
    row: usize,
}

impl<const ROWS: usize> Elements<ROWS> for Strided<'_, ROWS> {
    #[inline(always)]
    fn at(self, r: usize, p: usize) -> f32 {
        self.a.values[(self.row + r) * self.a.row_stride + p * self.a.column_stride]
    }
}

/// Σ_p of column p of a tile of A times row p of the panel.
#[inline(always)]
fn sums<S: Simd, const ROWS: usize>(
    simd: S,
    k: usize,
    panel: View<'_>,
    a: impl Elements<ROWS>,
) -> [[S::f32s; VECTORS]; ROWS] {
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
    for p in 0..k {
        let (b, _) = S::as_simd_f32s(&panel.values[p * panel.row_stride..][..VECTORS * S::F32_LANES]);
        let (first, second) = (b[0], b[1]);
        for_rows!(ROWS, R, {
            let a = simd.splat_f32s(a.at(R, p));
            sums[R][0] = simd.mul_add_e_f32s(a, first, sums[R][0]);
            sums[R][1] = simd.mul_add_e_f32s(a, second, sums[R][1]);
        });
    }
    sums
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| (((i * 31 + seed * 17) % 101) as f32 - 50.0) / 16.0).collect()
    }

    fn naive((m, n, k): (usize, usize, usize), a: View<'_>, b: View<'_>, i: usize, j: usize) -> f64 {
        assert!(i < m && j < n);
        let at = |v: View<'_>, i, j| f64::from(v.values[i * v.row_stride + j * v.column_stride]);
        (0..k).map(|p| at(a, i, p) * at(b, p, j)).sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn products_equal_the_sums_that_define_them(
            m in 0_usize..40, n in 0_usize..70, k in prop_oneof![0_usize..20, 500_usize..530],
            a_columns in any::<bool>(), b_columns in any::<bool>(), gap in 0_usize..3, accumulate in any::<bool>(),
        ) {
            let (of_a, of_b) = (values((m + gap) * (k + gap), 1), values((k + gap) * (n + gap), 2));
            let a = if a_columns { View::columns(&of_a, m + gap) } else { View::rows(&of_a, k + gap) };
            let b = if b_columns { View::columns(&of_b, k + gap) } else { View::rows(&of_b, n + gap) };
            let before = values(m * (n + gap), 3);
            let mut c = before.clone();
            multiply((m, n, k), a, b, &mut c, n + gap, accumulate, &mut Scratch::default());
            for i in 0..m {
                for j in 0..n + gap {
                    let (was, is) = (before[i * (n + gap) + j], c[i * (n + gap) + j]);
                    if j >= n {
                        prop_assert_eq!(was.to_bits(), is.to_bits(), "outside of C");
                        continue;
                    }
                    let expected = naive((m, n, k), a, b, i, j) + if accumulate { f64::from(was) } else { 0.0 };
                    // Each of k sums of values below 10 in f32 is off by at most 2⁻²⁴ of the largest partial sum.
                    let tolerance = 1e-6 * (k as f64 + 1.0) * 10.0;
                    prop_assert!((f64::from(is) - expected).abs() <= tolerance, "{is} {expected}");
                }
            }
        }

        #[test]
        fn a_row_has_the_same_bits_in_whatever_company(m in 1_usize..30, n in 1_usize..70, k in 1_usize..40) {
            let (a, b) = (values(m * k, 4), values(k * n, 5));
            let mut all = vec![0.0; m * n];
            let mut scratch = Scratch::default();
            multiply((m, n, k), View::rows(&a, k), View::rows(&b, n), &mut all, n, false, &mut scratch);
            for (row, expected) in a.chunks_exact(k).zip(all.chunks_exact(n)) {
                let mut alone = vec![0.0; n];
                multiply((1, n, k), View::rows(row, k), View::rows(&b, n), &mut alone, n, false, &mut scratch);
                prop_assert_eq!(&alone, expected);
            }
        }
    }
}

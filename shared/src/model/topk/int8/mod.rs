//! The same answer from a quarter of the bytes: a scan of integers that leaves few rows to be scored in f32.
//!
//! Row v is stored as integers v̂ (at most 127 in size), a scale s and a residual norm r ≥ ‖v − s v̂‖. The query q becomes
//! integers q̂ and a scale t, and D = q̂·v̂ is computed without error. With a proven bound E on how far t s D can lie from
//! the score, a row whose t s D + E is below what k other rows are sure to reach is not in the answer. The others are
//! scored by the definition, from the row-major matrix, so that ids, order and bits are those of the scan in f32.
//!
//! # The bound
//!
//! Let ṽ = s v̂ and q̃ = t q̂, ρ = ‖q − q̃‖, u = 2⁻²⁴ (half a unit in the last place of an f32), d the number of factors, and
//! m = 127 √d s + r. Since |v̂ᵢ| ≤ 127, ‖ṽ‖ ≤ 127 √d s ≤ m, and ‖v‖ ≤ ‖ṽ‖ + ‖v − ṽ‖ ≤ m.
//!
//! 1. *Quantisation.* q·v − q̃·ṽ = q·(v − ṽ) + (q − q̃)·ṽ, and so, by Cauchy and Schwarz,
//!    |q·v − q̃·ṽ| ≤ ‖q‖ ‖v − ṽ‖ + ‖q − q̃‖ ‖ṽ‖ ≤ ‖q‖ r + ρ m.
//! 2. *The score's own rounding.* The definition rounds d times, and each term goes through at most d roundings. As long as
//!    nothing overflows, |score − q·v| ≤ γ Σ|qᵢvᵢ| + d 2⁻¹⁴⁹ ≤ γ ‖q‖ m + d 2⁻¹⁴⁹ with γ = d u / (1 − d u) (Higham, *Accuracy
//!    and Stability of Numerical Algorithms*, section 3.1); the last part is for results too small to be normal. Every
//!    partial sum is at most (1 + γ) ‖q‖ m, so that nothing overflows where (‖q‖ + ρ) m ≤ 2¹²⁶.
//! 3. *The estimate's rounding.* A = (f32(D) t) s takes three roundings, and A ± E a fourth: 4 u (‖q‖ + ρ) m to first order,
//!    as |q̃·ṽ| ≤ (‖q‖ + ρ) m; 8 u is taken. f32(D) t is 0 or normal, for t is; A may be too small to be normal, which adds
//!    2⁻¹⁵⁰.
//!
//! Together |score − A| ≤ E = ‖q‖ r + (ρ + γ ‖q‖ + 8 u (‖q‖ + ρ)) m + 2⁻¹²⁶, the last covering all that underflows: d is
//! at most 2¹⁰. The factors of r and m are computed in f64, made 2⁻²⁰ larger and rounded up to f32; E itself is sums and
//! products of positive numbers, in which six roundings lose less than those 2⁻²⁰, and m is 0 or normal or exactly r, for s
//! is 0 or normal.
//!
//! A row of which m is above what step 2 allows, or is not a number, gets E = ∞: it is scored by the definition whatever
//! the others are. A query whose largest number is outside 2⁻⁶⁰ to 2⁶⁰ (0 and what is not finite with it) is not answered
//! here, and neither is one for which too many rows are left: those are for the scan in f32.
//!
//! # The bound that is tried first
//!
//! r is four bytes a row more, and seldom needed. Where s is normal, v̂ᵢ is vᵢ / s rounded twice, to f32 and to the nearest
//! integer, so that |vᵢ − s v̂ᵢ| ≤ (½ + 2⁻¹⁶) s and r ≤ (½ + 2⁻¹⁵) √d s: E is at most s times a number that is the query's.
//! Only of the rows that it lets through is r read. A row with another s is let through.

mod candidates;
mod dots;
mod rows;
#[cfg(test)]
mod tests;

use multiversion::multiversion;

use super::best::best_first;
use super::{BLOCK, Items, Scored};
use crate::catalogue::{Row, RowSet};
use candidates::Candidates;
pub use dots::InstructionSet;
use dots::IntegerQuery;
pub use rows::RowsInInt8;

/// Dimensions that one integer dot product takes.
pub const QUAD: usize = 4;

/// Bytes of item vectors in f32 from which the scan of integers is the faster one: where they no longer fit into the nearer
/// caches. The bench `topk` finds the two alike at some 6,000 × 64, and by AVX2 a fifth of the time saved at 10,000.
const PAYS_FROM_BYTES: usize = 2 << 20;
/// Rows to every one that is wanted; with fewer most rows would be scored twice.
const PAYS_FROM_ROWS_A_RESULT: usize = 64;
/// What may be left to be scored again: so many rows to each that is wanted, or one in so many of all, whichever is more. Each
/// costs about as much as eight in the scan.
const LEFT_A_RESULT: usize = 4;
const LEFT_OF_ALL: usize = 64;

/// Sizes of a query's largest number, between which no step of the estimate can under- or overflow unnoticed.
const SMALLEST_QUERY: f32 = 1.0 / LARGEST_QUERY;
const LARGEST_QUERY: f32 = (1_u64 << 60) as f32;
/// Half a unit in the last place of an f32 between 1 and 2.
const UNIT: f64 = (f32::EPSILON / 2.0) as f64;
/// What makes up for the roundings in the arithmetic of the bound itself.
const SLACK: f64 = 1.0 + 1.0 / (1 << 20) as f64;
/// ‖q‖ m where no partial sum of a score overflows: 2¹²⁶.
const SAFE_PRODUCT: f64 = (1_u128 << 126) as f64;

/// Item vectors as integers. Rows past the last are zeros throughout.
#[derive(Clone, Copy, Debug)]
pub struct Int8<'a> {
    /// v̂: `[⌈rows / 64⌉, ⌈factors / 4⌉, 64, 4]`, −127 to 127.
    pub values: &'a [i8],
    /// s: `[⌈rows / 64⌉, 64]`, 0 or normal.
    pub scales: &'a [f32],
    /// r: `[⌈rows / 64⌉, 64]`.
    pub residuals: &'a [f32],
    /// v: `[rows, factors]`, for the rows that are scored again.
    pub matrix: &'a [f32],
}

/// The answer of [`super::top_k`], by integers; `None` when the integers aren't there, or the scan in f32 is the better way.
pub(super) fn top_k(items: Items<'_>, query: &[f32], k: usize, excluded: &RowSet) -> Option<Vec<Scored>> {
    let bytes = items.rows * items.factors * size_of::<f32>();
    let wanted = items.int8.filter(|_| bytes >= PAYS_FROM_BYTES && k * PAYS_FROM_ROWS_A_RESULT <= items.rows);
    let fastest = InstructionSet::available().next().filter(|set| set.pays())?;
    let room = (k * LEFT_A_RESULT).max(items.rows / LEFT_OF_ALL);
    top_k_on(fastest, wanted?, query, k, excluded, room)
}

/// The best `k` rows outside `excluded`, on an instruction set that is there, whatever the size of the catalogue; `None` when
/// the query is out of range or at any time more than `room` rows might belong to the answer.
#[must_use]
pub fn top_k_on(
    set: InstructionSet,
    items: Int8<'_>,
    query: &[f32],
    k: usize,
    excluded: &RowSet,
    room: usize,
) -> Option<Vec<Scored>> {
    let (integers, bound) = quantise(query)?;
    let rows = items.matrix.len() / query.len();
    if k == 0 || rows == 0 {
        return Some(Vec::new());
    }
    let mut candidates = Candidates::new(k.min(rows), room);
    set.scan(items, rows, &integers, &bound, excluded, &mut candidates);
    let left = candidates.into_rows()?;
    let mut best = exactly(query, items.matrix, &left);
    best.sort_unstable_by(best_first);
    best.truncate(k);
    Some(best)
}

/// What the estimate and its bound take from the query.
#[derive(Debug)]
struct Bound {
    /// t.
    scale: f32,
    /// 127 √d.
    quantised_norm: f32,
    /// The factor of r.
    of_residual: f32,
    /// The factor of m.
    of_norm: f32,
    /// The largest m for which the bound holds.
    norm_limit: f32,
    /// The factor of s in the bound that is tried first, and the largest s for which that one holds.
    of_scale: f32,
    scale_limit: f32,
}

impl Bound {
    /// What a score is at most, by the bound that is tried first.
    #[inline(always)]
    fn at_most(&self, dot: i32, scale: f32) -> f32 {
        let estimate = dot as f32 * self.scale * scale;
        let known = scale >= f32::MIN_POSITIVE && scale <= self.scale_limit;
        if known { estimate + (scale * self.of_scale + f32::MIN_POSITIVE) } else { f32::INFINITY }
    }

    /// A and E of a row, given D.
    #[inline(always)]
    fn estimate(&self, dot: i32, scale: f32, residual: f32) -> (f32, f32) {
        let estimate = dot as f32 * self.scale * scale;
        let norm = scale * self.quantised_norm + residual;
        let error = residual * self.of_residual + (norm * self.of_norm + f32::MIN_POSITIVE);
        (estimate, if norm <= self.norm_limit { error } else { f32::INFINITY })
    }
}

/// The query in integers, and its bound; `None` when it is out of range.
fn quantise(query: &[f32]) -> Option<(IntegerQuery, Bound)> {
    let largest = query.iter().fold(0.0_f32, |most, q| most.max(q.abs()));
    let in_range = (SMALLEST_QUERY..=LARGEST_QUERY).contains(&largest);
    if !in_range || !query.iter().all(|q| q.is_finite()) {
        return None;
    }
    let most = IntegerQuery::most(query.len());
    let scale = largest / f32::from(most);
    let integers: Vec<i16> =
        query.iter().map(|q| (q / scale).round().clamp(-f32::from(most), f32::from(most)) as i16).collect();

    let norm = |squares: f64| squares.sqrt() * SLACK;
    let length = norm(query.iter().map(|q| f64::from(*q).powi(2)).sum());
    let misses = query.iter().zip(&integers).map(|(q, i)| f64::from(*q) - f64::from(scale) * f64::from(*i));
    let missed = norm(misses.map(|miss| miss.powi(2)).sum());
    let factors = query.len() as f64;
    let rounding = factors * UNIT / (1.0 - factors * UNIT);
    let of_norm = missed + rounding * length + 8.0 * UNIT * (length + missed);
    let up = |value: f64| ((value * SLACK) as f32).next_up();
    let norm_limit = SAFE_PRODUCT / ((length + missed) * SLACK);
    let residual_to_scale = (0.5 + 1.0 / f64::from(1 << 15)) * factors.sqrt();
    let norm_to_scale = 127.0 * factors.sqrt() + residual_to_scale;
    let bound = Bound {
        scale,
        quantised_norm: up(127.0 * factors.sqrt()),
        of_residual: up(length),
        of_norm: up(of_norm),
        norm_limit: (norm_limit as f32).next_down(),
        of_scale: up((residual_to_scale * length + norm_to_scale * of_norm) * SLACK),
        scale_limit: ((norm_limit / (norm_to_scale * SLACK)) as f32).next_down(),
    };
    Some((IntegerQuery::new(&integers), bound))
}

/// Scans all blocks; `dots` computes those of one block. Inlined into a function for each instruction set.
#[inline(always)]
fn scan_with(
    items: Int8<'_>,
    rows: usize,
    bound: &Bound,
    excluded: &RowSet,
    candidates: &mut Candidates,
    dots: impl Fn(&[[i8; QUAD * BLOCK]]) -> [i32; BLOCK],
) {
    let quads = items.values.len() / (items.scales.len() * QUAD).max(1);
    let blocks = items.values.as_chunks::<{ QUAD * BLOCK }>().0.chunks_exact(quads.max(1));
    let (scales, residuals) = (items.scales.as_chunks::<BLOCK>().0, items.residuals.as_chunks::<BLOCK>().0);
    let blocks = blocks.zip(scales).zip(residuals).take(rows.div_ceil(BLOCK));
    for (index, ((block, scales), residuals)) in blocks.enumerate() {
        let first = index * BLOCK;
        let present = u64::MAX >> (BLOCK - (rows - first).min(BLOCK));
        let wanted = present & !excluded.word(index);
        if wanted == 0 {
            continue;
        }
        let dots = dots(block);
        let threshold = candidates.threshold();
        let mut any = false;
        for lane in 0..BLOCK {
            any |= may_reach(bound.at_most(dots[lane], scales[lane]), threshold);
        }
        if any {
            // Seldom more than one lane: of the block's residuals no more lines are fetched than it takes.
            let may = |lane: &usize| may_reach(bound.at_most(dots[*lane], scales[*lane]), threshold);
            let wanted = (0..BLOCK).filter(may).fold(0, |lanes, lane| lanes | 1 << lane) & wanted;
            let estimate = |lane: usize| bound.estimate(dots[lane], scales[lane], residuals[lane]);
            if !candidates.add(first as Row, wanted, estimate) {
                return;
            }
        }
    }
}

/// Whether a score of at most `upper` may reach `threshold`: also when it is not known, the bound being no number.
#[inline(always)]
#[expect(clippy::neg_cmp_op_on_partial_ord, reason = "what is no number may be anything")]
fn may_reach(upper: f32, threshold: f32) -> bool {
    !(upper < threshold)
}

/// The scores of these rows by the definition; those that are no number are left out.
fn exactly(query: &[f32], matrix: &[f32], rows: &[Row]) -> Vec<Scored> {
    let mut scored = Vec::with_capacity(rows.len());
    for rows in rows.chunks(TOGETHER) {
        // The last few are filled up with one of them.
        let vector = |i: usize| {
            let row = rows[i.min(rows.len() - 1)] as usize;
            &matrix[row * query.len()..][..query.len()]
        };
        let scores = scores_together(query, std::array::from_fn(vector));
        scored.extend(rows.iter().zip(scores).map(|(&row, score)| Scored { row, score }));
    }
    scored.retain(|scored| !scored.score.is_nan());
    scored
}

/// Rows scored side by side: a fused multiply-add takes four cycles, and two can begin in each.
const TOGETHER: usize = 8;

#[multiversion(targets("x86_64+avx512f+avx512vl+avx2+fma", "x86_64+avx2+fma", "aarch64+neon"))]
fn scores_together(query: &[f32], rows: [&[f32]; TOGETHER]) -> [f32; TOGETHER] {
    let rows = rows.map(|row| &row[..query.len()]);
    let mut scores = [0.0_f32; TOGETHER];
    for (d, q) in query.iter().enumerate() {
        for lane in 0..TOGETHER {
            scores[lane] = q.mul_add(rows[lane][d], scores[lane]);
        }
    }
    scores
}

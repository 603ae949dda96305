//! Against a naive sort, on any input.

use proptest::prelude::*;

use super::*;
use crate::catalogue::Row;

/// The naive form: every score, sorted.
pub(super) fn naive(matrix: &[f32], query: &[f32], k: usize, excluded: &RowSet) -> Vec<Scored> {
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
pub(super) fn value() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => prop::sample::select(vec![0.0, -0.0, 1.0, -1.0, 0.5]),
        4 => -1.0_f32..1.0,
        1 => prop::num::f32::ANY,
    ]
}

pub(super) fn bits(scored: &[Scored]) -> Vec<(Row, u32)> {
    scored.iter().map(|s| (s.row, s.score.to_bits())).collect()
}

/// So many times as many cases as the variable `PROPTEST_CASES` says, which are 256 unless it is set.
pub(super) fn cases(times: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig { cases: config.cases * times, ..config }
}

proptest! {
    #![proptest_config(cases(2))]
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
            let items = Items { layout, int8: None, factors, rows };
            prop_assert_eq!(&bits(&top_k(items, query, k, &excluded)), &expected);
            let nearest = top_k_by_cosine(items, query, k, &excluded);
            prop_assert!(nearest.iter().all(|s| (-1.0..=1.0).contains(&s.score) && !excluded.contains(s.row)));
            prop_assert!(nearest.is_sorted_by(|a, b| a.score > b.score || (a.score == b.score && a.row < b.row)));
            let all: Vec<u32> = scores(items, query).iter().map(|s| s.to_bits()).collect();
            let defined = matrix.chunks_exact(factors).map(|v| score(query, v).to_bits());
            prop_assert!(all.into_iter().eq(defined) || matrix.iter().chain(query).any(|v| !v.is_finite()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn many_questions_are_answered_as_each_alone(
        factors in 1_usize..9,
        values in prop::collection::vec(value(), 0..1500),
        queries in prop::collection::vec((prop::collection::vec(value(), 9), 0_usize..300, 0_u32..200), 0..130),
    ) {
        let rows = values.len() / factors;
        let matrix = &values[..rows * factors];
        let excluded: Vec<RowSet> = queries.iter().map(|(_, _, left_out)| {
            let mut excluded = RowSet::none(rows);
            (*left_out..*left_out + 50).for_each(|row| excluded.insert(row));
            excluded
        }).collect();
        let asks: Vec<Ask<'_>> = queries.iter().zip(&excluded)
            .map(|((query, k, _), excluded)| Ask { query: &query[..factors], k: *k, excluded }).collect();
        let expected: Vec<_> =
            asks.iter().map(|ask| bits(&naive(matrix, ask.query, ask.k, ask.excluded))).collect();
        let blocks = blocked(matrix, factors);
        for layout in [Layout::RowMajor(matrix), Layout::Blocked(&blocks)] {
            let found = top_k_of_many(Items { layout, int8: None, factors, rows }, &asks);
            prop_assert_eq!(&found.iter().map(|best| bits(best)).collect::<Vec<_>>(), &expected);
        }
    }
}

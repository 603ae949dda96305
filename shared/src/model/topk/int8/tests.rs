//! The scan of integers beside the scan in f32: the same rows, in the same order, with the same bits.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::dots::IntegerQuery;
use super::*;
use crate::model::topk::tests::{bits, cases, naive, value};
use crate::model::topk::{Layout, score};

/// What random numbers seldom are: huge and tiny side by side, denormal, all alike, sorted, and not finite.
fn matrix() -> impl Strategy<Value = (usize, Vec<f32>)> {
    let power = (-30_i32..30).prop_map(|power| 2.0_f32.powi(power));
    let denormal = (1_u32..0x80_0000).prop_map(f32::from_bits);
    let spread = (-1.0_f32..1.0, -126_i32..120).prop_map(|(v, power)| v * 2.0_f32.powi(power));
    let element = prop_oneof![
        Just(value().boxed()),
        Just((-1.0_f32..1.0).boxed()),
        Just(power.boxed()),
        Just(denormal.boxed()),
        Just(spread.boxed()),
        Just(Just(0.3_f32).boxed()),
    ];
    (1_usize..40, element)
        .prop_flat_map(|(factors, element)| (Just(factors), prop::collection::vec(element, 0..300 * factors)))
}

/// A query of 40 numbers; of none where an item that is there is the query: the largest scores, close to each other.
fn query() -> impl Strategy<Value = Vec<f32>> {
    prop_oneof![
        prop::collection::vec(-1.0_f32..1.0, 40),
        prop::collection::vec(value(), 40),
        Just(Vec::new()),
    ]
}

#[test]
fn every_instruction_set_gives_the_bits_of_a_naive_sort_on_any_input() {
    let input = (
        matrix(),
        query(),
        prop_oneof![0_usize..20, 0_usize..400],
        prop::collection::vec(0_u32..300, 0..100),
    );
    let config = cases(4);
    let (asked, answered) = (config.cases, Cell::new(0));
    let same = |((factors, values), query, k, left_out): ((usize, Vec<f32>), Vec<f32>, usize, Vec<u32>)| {
        let rows = values.len() / factors;
        let matrix = &values[..rows * factors];
        let query = if query.is_empty() { &values[..] } else { &query[..] };
        let query: Vec<f32> = query.iter().copied().chain([0.5; 40]).take(factors).collect();
        let mut excluded = RowSet::none(rows);
        left_out.into_iter().for_each(|row| excluded.insert(row));
        let expected = bits(&naive(matrix, &query, k, &excluded));
        let integers = RowsInInt8::of(matrix, factors);
        let mut declined = false;
        for set in InstructionSet::available() {
            match top_k_on(set, integers.with(matrix), &query, k, &excluded, usize::MAX) {
                Some(found) => prop_assert_eq!(&bits(&found), &expected, "{:?}", set),
                None => declined = true,
            }
        }
        answered.set(answered.get() + u32::from(!declined));
        Ok(())
    };
    TestRunner::new(config).run(&input, same).unwrap();
    let sets: Vec<_> = InstructionSet::available().collect();
    let answered = answered.get();
    println!(
        "{answered} of {asked} cases were answered by integers, each by every one of {sets:?}; the others' queries are out of range"
    );
    assert!(answered >= asked / 2, "{answered} of {asked}");
}

proptest! {
    #![proptest_config(cases(4))]
    #[test]
    fn a_score_is_within_the_bound_of_its_estimate(
        (factors, values) in matrix(),
        query in prop::collection::vec(-1.0_f32..1.0, 40),
        power in -70_i32..70,
    ) {
        let query: Vec<f32> = query[..factors].iter().map(|q| q * 2.0_f32.powi(power)).collect();
        if let Some((integers, bound)) = quantise(&query) {
            for vector in values.chunks_exact(factors) {
                let row = RowsInInt8::of(vector, factors);
                let dot = integers.dot_of_first(&row.values);
                let (estimate, error) = bound.estimate(dot, row.scales[0], row.residuals[0]);
                let score = score(&query, vector);
                let bounded = error.is_finite();
                let near = (f64::from(score) - f64::from(estimate)).abs() <= f64::from(error);
                prop_assert!(near || !bounded, "{} {} {}", score, estimate, error);
                prop_assert!(bound.at_most(dot, row.scales[0]) >= score || score.is_nan());
            }
        }
    }
}

#[test]
fn the_integers_of_every_instruction_set_are_exact_at_the_ends_of_their_ranges() {
    for factors in [1, 3, 4, 64, 1_022, 1_024] {
        let most = IntegerQuery::most(factors);
        for signs in [[1, 1, 1], [1, -1, 1], [-1, -1, -1]] {
            // Some at the end of the range, some a little inside it.
            let query: Vec<i16> = (0..factors).map(|d| signs[d % 3] * (most - (d % 7 * 37) as i16)).collect();
            let value = |row: usize, d: usize| [127_i8, -127, 127, 3, 0][(row * d + row) % (1 + row % 5)];
            let mut block = vec![0; factors.div_ceil(QUAD) * QUAD * BLOCK];
            for (row, d) in (0..BLOCK).flat_map(|row| (0..factors).map(move |d| (row, d))) {
                block[(d / QUAD * BLOCK + row) * QUAD + d % QUAD] = value(row, d);
            }
            let exact =
                |row| (0..factors).map(|d| i64::from(value(row, d)) * i64::from(query[d])).sum::<i64>();
            for set in InstructionSet::available() {
                let dots = set.dots(&block, &IntegerQuery::new(&query)).map(i64::from);
                assert_eq!(dots, std::array::from_fn(exact), "{set:?}, {factors} factors");
            }
        }
    }
}

#[test]
fn few_rows_are_scored_again_and_too_many_are_left_to_the_scan_in_f32() {
    let (rows, factors, k) = (20_000, 64, 10);
    let mut state = 1_u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let matrix: Vec<f32> = (0..rows * factors).map(|_| random()).collect();
    let query: Vec<f32> = (0..factors).map(|_| random()).collect();
    let excluded = RowSet::none(rows);
    let alike = vec![0.25; rows * factors];
    for set in InstructionSet::available() {
        let on = |matrix: &[f32], room| {
            top_k_on(set, RowsInInt8::of(matrix, factors).with(matrix), &query, k, &excluded, room)
        };
        let found = on(&matrix, 4 * k).map(|best| bits(&best));
        assert_eq!(found, Some(bits(&naive(&matrix, &query, k, &excluded))), "{set:?}");
        assert_eq!(on(&alike, rows - 1), None, "{set:?}: any row might belong to the answer");
        assert!(on(&alike, rows).is_some());
    }
}

#[test]
fn a_large_catalogue_is_scanned_by_integers_and_answers_as_in_f32() {
    let (factors, k) = (8, 20);
    let rows = PAYS_FROM_BYTES / size_of::<f32>() / factors + 5;
    let matrix: Vec<f32> =
        (0..rows * factors).map(|i| ((i * 7_919) % 10_007) as f32 / 5_003.5 - 1.0).collect();
    let query: Vec<f32> = (0..factors).map(|d| 1.0 - d as f32 / 5.0).collect();
    let integers = RowsInInt8::of(&matrix, factors);
    let mut excluded = RowSet::none(rows);
    (0..1_000).for_each(|row| excluded.insert(row));
    let without = Items { layout: Layout::RowMajor(&matrix), int8: None, factors, rows };
    let with = Items { int8: Some(integers.with(&matrix)), ..without };
    let expected = bits(&super::super::top_k(without, &query, k, &excluded));
    assert_eq!(bits(&super::super::top_k(with, &query, k, &excluded)), expected);
}

#[test]
fn a_query_out_of_range_is_left_to_the_scan_in_f32() {
    for query in [[0.0, 0.0], [1e-30, 0.0], [1e30, 1.0], [f32::NAN, 1.0], [f32::INFINITY, 1.0]] {
        assert!(quantise(&query).is_none(), "{query:?}");
    }
    assert!(quantise(&[0.0, -1.0]).is_some());
}

/// What machines with VNNI rest on, told in numbers so that every machine checks it.
#[test]
fn the_two_bytes_of_a_number_of_a_query_stand_for_it() {
    let most = IntegerQuery::most(1);
    for value in -most..=most {
        let (high, low) = dots::two_bytes(value);
        assert_eq!(i32::from(high) * 256 + i32::from(low), i32::from(value));
    }
    assert!((1..=1_024).all(|factors| IntegerQuery::most(factors) <= most));
}

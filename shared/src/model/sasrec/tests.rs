//! The encoder beside the formulas in double precision, and what a taste says of itself.

use super::*;
use crate::model::Artifact;
use crate::model::config::Kind;
use crate::testing::{self, SasrecWeights, sasrec_config};

/// Numbers of a query are of size 1. A hundred roundings of 2⁻²⁴ on the way, each of some sum of a few dozen numbers of
/// size 1, come to 1e-5 at most; a wrong sign, position or mask changes the first digit.
const TOLERANCE: f64 = 5e-5;

/// A model of these weights, whose items have numbers for names.
fn opened(weights: &SasrecWeights) -> Sasrec {
    let items = weights.tensors[0].1[0];
    let ids: Vec<String> = (0..items).map(|n| format!("item-{n}")).collect();
    let folder = tempfile::tempdir().unwrap();
    weights.write(folder.path(), &ids.iter().map(String::as_str).collect::<Vec<_>>());
    let file = TensorFile::open(&folder.path().join(crate::model::artifact::MODEL)).unwrap();
    Sasrec::new(&weights.config, &file, items, None).unwrap()
}

/// `n` rows of 30 without order.
fn history(n: usize) -> Vec<Row> {
    (0..n as Row).map(|place| (place * 7 + place * place) % 30).collect()
}

fn assert_near(found: &[f32], expected: &[f64], what: &str) {
    assert_near_to(TOLERANCE, found, expected, what);
}

fn assert_near_to(tolerance: f64, found: &[f32], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((f64::from(*found) - expected).abs() < tolerance, "{what}: {found} {expected}");
    }
}

#[test]
fn a_query_is_what_the_formulas_say_at_every_length() {
    for (dimensions, heads, blocks, length, feed_forward) in [
        (10, 1, 1, 7, 5),
        (10, 2, 2, 7, 13),
        (64, 2, 2, 40, 64),
        (64, 1, 3, 70, 32),
        (12, 12, 2, 3, 48),
        (1, 1, 1, 1, 1),
    ] {
        for attended_padding in [false, true] {
            let config = SasrecConfig {
                dimensions,
                heads,
                blocks,
                length,
                feed_forward,
                attended_padding,
                ..sasrec_config()
            };
            let weights = SasrecWeights::random(config, 30, 7);
            let model = opened(&weights);
            // Downwards and up again, so that what a longer pass left behind is met.
            for n in (1..=length + 3).rev().chain(1..=length) {
                let rows = history(n);
                let what = format!("d {dimensions}, {heads} heads, {n} items, padding {attended_padding}");
                assert_near(&model.query(&rows).unwrap(), &weights.query(&rows), &what);
            }
        }
    }
}

/// The whole history goes through candle's network side by side with others; the encoder takes one, and of its last
/// block the newest position alone.
#[test]
fn a_query_is_what_candles_network_makes_of_it_at_every_length() {
    use candle_core::{Device, Tensor};
    use network::{Batch, Network, Plain};

    for (dimensions, heads, blocks, length, feed_forward) in
        [(10, 2, 2, 12, 13), (64, 1, 2, 200, 64), (32, 4, 3, 50, 128)]
    {
        let config = SasrecConfig { dimensions, heads, blocks, length, feed_forward, ..sasrec_config() };
        let weights = SasrecWeights::random(config.clone(), 30, 7);
        let tensor = |(name, shape, numbers): &(String, Vec<usize>, Vec<f32>)| {
            (name.clone(), Tensor::from_slice(numbers, shape.as_slice(), &Device::Cpu).unwrap())
        };
        let network = Network::new(&config, &weights.tensors.iter().map(tensor).collect()).unwrap();
        let histories: Vec<Vec<Row>> = (1..=length).map(history).collect();
        let batch = Batch::of(histories.iter().map(Vec::as_slice), length, &Device::Cpu).unwrap();
        let expected: Vec<Vec<f32>> = network.queries(&batch, &Plain::default()).unwrap().to_vec2().unwrap();
        let model = opened(&weights);
        for (history, expected) in histories.iter().zip(expected) {
            let expected: Vec<f64> = expected.into_iter().map(f64::from).collect();
            let what = format!("d {dimensions}, {} items", history.len());
            // Candle rounds too.
            assert_near_to(2.0 * TOLERANCE, &model.query(history).unwrap(), &expected, &what);
        }
    }
}

#[test]
fn only_the_newest_items_and_their_order_count() {
    let model = opened(&SasrecWeights::random(sasrec_config(), 30, 3));
    let newest = model.query(&[1, 2, 3, 4, 5]).unwrap();
    assert_eq!(model.query(&[9, 8, 1, 2, 3, 4, 5]).unwrap(), newest, "five positions");
    assert_ne!(model.query(&[2, 1, 3, 4, 5]).unwrap(), newest);
    assert!(model.query(&[]).is_none() && model.query(&[1, 30]).is_none(), "no history, no such item");
}

#[test]
fn passes_at_the_same_time_do_not_meet() {
    let model = opened(&SasrecWeights::random(sasrec_config(), 30, 4));
    let expected: Vec<_> = (1..6).map(|n| model.query(&history(n)).unwrap()).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in (1..6).cycle().take(500) {
                    assert_eq!(model.query(&history(n)).unwrap(), expected[n - 1]);
                }
            });
        }
    });
}

#[test]
fn scores_and_explanations_are_those_of_the_queries() {
    let config = SasrecConfig { length: 20, ..sasrec_config() };
    let weights = SasrecWeights::random(config, 30, 5);
    let model = opened(&weights);
    let attractions = |n| -> Vec<Attraction> {
        history(n).into_iter().map(|row| Attraction { row, weight: 0.2 }).collect()
    };
    let score = |history: &[Row], row: usize| -> f64 {
        let query = weights.query(history);
        let embeddings = &weights.tensors[0].2;
        query.iter().zip(&embeddings[row * 8..]).map(|(q, e)| q * f64::from(*e)).sum()
    };
    for n in [2, 9, 14, 25] {
        let known = attractions(n);
        let taste = model.taste(&known).unwrap();
        for (row, found) in taste.scores().into_iter().enumerate() {
            let whole = score(&history(n), row);
            assert!((f64::from(found) - whole).abs() < 10.0 * TOLERANCE);
            assert_eq!(found.to_bits(), taste.score(row as Row).to_bits());
            let effects = taste.contributions(row as Row);
            assert_eq!(effects.len(), n);
            for (place, effect) in effects.into_iter().enumerate() {
                let mut rest = history(n);
                rest.remove(place);
                let expected = if place + EXPLAINED < n { 0.0 } else { whole - score(&rest, row) };
                assert!(
                    (f64::from(effect) - expected).abs() < 20.0 * TOLERANCE,
                    "{n}, {place}: {effect} {expected}"
                );
            }
        }
    }
    let one = attractions(1);
    let taste = model.taste(&one).unwrap();
    assert_eq!(taste.contributions(3), [taste.score(3)], "one item has the whole score");
    assert!(model.taste(&[]).is_none());
}

#[test]
fn what_is_too_old_to_be_seen_has_no_effect() {
    let model = opened(&SasrecWeights::random(sasrec_config(), 30, 6));
    let known: Vec<_> = history(9).into_iter().map(|row| Attraction { row, weight: 1.0 }).collect();
    let effects = model.taste(&known).unwrap().contributions(2);
    assert_eq!(effects[..4], [0.0; 4]);
    assert!(effects[4..].iter().all(|effect| *effect != 0.0), "{effects:?}");
}

#[test]
fn the_derived_tensors_give_the_same_bits() {
    let folder = testing::sasrec_artifact();
    let artifact = Artifact::open(folder.path()).unwrap();
    assert!(artifact.has_serving());
    let Kind::Sasrec(config) = &artifact.config.kind else { panic!("another kind") };
    let file = TensorFile::open(&folder.path().join(crate::model::artifact::MODEL)).unwrap();
    let plain = Sasrec::new(config, &file, artifact.catalogue.len(), None).unwrap();
    let known = [Attraction { row: 3, weight: 1.0 }, Attraction { row: 6, weight: 1.0 }];
    let none = RowSet::none(8);
    let bits = |model: &dyn Recommender| {
        let scored: Vec<_> = model
            .taste(&known)
            .unwrap()
            .top_k(8, &none)
            .into_iter()
            .chain(model.similar(2, 5, &none))
            .collect();
        scored.into_iter().map(|scored| (scored.row, scored.score.to_bits())).collect::<Vec<_>>()
    };
    assert_eq!(bits(artifact.recommender()), bits(&plain));
}

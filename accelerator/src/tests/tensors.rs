//! The engine on candle's tensors beside the mapped one.

use candle_core::Device as Candle;
use shared::model::config::SasrecConfig;
use shared::model::folder::Folder;
use shared::testing::{self, SasrecWeights};

use super::*;
use crate::engine::mapped::Mapped;
use crate::engine::tensors::Tensors;
use crate::engine::{Engine, Query};

/// Scores of both engines differ by the order of additions alone: some units in the last of 24 bits, more after the
/// layers of a network, whose numbers are around 1.
const TOLERANCE: f32 = 2e-5;

fn agree(folder: &TempDir, items: usize) {
    let artifact = Arc::new(Artifact::open(folder.path()).unwrap());
    let on_candle =
        Tensors::new(Arc::clone(&artifact), &Folder::open(folder.path()).unwrap(), Candle::Cpu).unwrap();
    let mapped = Mapped::new(artifact);
    let history = |length: usize| -> Vec<Attraction> {
        let row = |place: usize| ((place * 13 + length * 5) % items) as Row;
        (0..length).map(|place| Attraction { row: row(place), weight: 0.2 + place as f32 / 8.0 }).collect()
    };
    // Shorter and longer than the network sees, and lists up to all items.
    let batch: Vec<Query> = [1, 3, 5, 9, 20, 2]
        .map(history)
        .into_iter()
        .enumerate()
        .map(|(place, history)| Query { history, limit: 1 + place * items / 5 })
        .collect();
    for batch in [&batch[..], &batch[..1], &[]] {
        let (found, expected) = (on_candle.recommend(batch).unwrap(), mapped.recommend(batch).unwrap());
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            same(found, expected);
        }
    }
}

/// The same scores place by place, and the same items but for places whose scores can't be told apart.
fn same(found: &[Scored], expected: &[Scored]) {
    assert_eq!(found.len(), expected.len());
    for (place, (one, other)) in found.iter().zip(expected).enumerate() {
        let allowed = TOLERANCE * other.score.abs().max(1.0);
        assert!((one.score - other.score).abs() <= allowed, "place {place}: {one:?} {other:?}");
        let is_near = |scored: &&Scored| (scored.score - other.score).abs() <= 2.0 * allowed;
        let near = expected.iter().filter(is_near).any(|scored| scored.row == one.row);
        let at_the_end = (expected[expected.len() - 1].score - other.score).abs() <= 2.0 * allowed;
        assert!(near || at_the_end, "place {place}: {one:?} {other:?}");
    }
}

#[test]
fn als_on_candle_says_what_the_mapped_engine_says() {
    let names: Vec<String> = (0..150).map(|item| format!("item-{item}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let factor = |row: usize, d: usize| ((row * 37 + d * 101) % 97) as f32 / 97.0 - 0.4;
    agree(&testing::artifact_of(&names, 16, factor), 150);
    agree(&testing::artifact(), 8);
}

#[test]
fn sasrec_on_candle_says_what_the_mapped_engine_says() {
    let names: Vec<String> = (0..150).map(|item| format!("item-{item}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let folder = tempfile::tempdir().unwrap();
    SasrecWeights::random(testing::sasrec_config(), 150, 3).write(folder.path(), &names);
    agree(&folder, 150);
    agree(&testing::sasrec_artifact(), 8);
}

#[test]
fn a_model_that_attends_to_padding_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let config = SasrecConfig { attended_padding: true, ..testing::sasrec_config() };
    SasrecWeights::random(config, 8, 3).write(folder.path(), &testing::ITEMS);
    let artifact = Arc::new(Artifact::open(folder.path()).unwrap());
    let folder = Folder::open(folder.path()).unwrap();
    let error = Tensors::new(artifact, &folder, Candle::Cpu).unwrap_err().to_string();
    assert!(error.contains("does not attend to padding"), "{error}");
}

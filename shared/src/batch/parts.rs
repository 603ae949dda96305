//! What is kept of a batch among the objects, and under which keys.
//!
//! ```text
//! requests/…                                        files that somebody drops
//! inputs/<batch>.jsonl                              people that came otherwise, and what was packed
//! results/<batch>/parts/<from>-<to>-<rows>-<errors>.jsonl    the answers to the bytes from..to of the input
//! results/<batch>/parts/<from>-<to>-<rows>-<errors>.json     what they are; written after them
//! results/<batch>/manifest.json                     which parts make the whole; written last
//! ```

use serde::{Deserialize, Serialize};

use super::objects::{ObjectError, Objects};
use super::ranges::Range;
use crate::api::BatchId;
use crate::api::batches::Tally;

/// Where files are dropped.
pub const REQUESTS: &str = "requests/";

/// Where the input of a batch is that came otherwise than as a file of lines.
#[must_use]
pub fn input_key(batch: &BatchId) -> String {
    format!("inputs/{batch}.jsonl")
}

/// Where the manifest of a batch is.
#[must_use]
pub fn manifest_key(batch: &BatchId) -> String {
    format!("results/{batch}/manifest.json")
}

fn folder(batch: &BatchId) -> String {
    format!("results/{batch}/parts")
}

/// The answers to a part of an input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Their key.
    pub key: String,
    /// Which lines they answer.
    pub range: Range,
    /// What they are.
    pub tally: Tally,
    /// Their size in bytes.
    pub bytes: u64,
    /// SHA-256 of them, in hexadecimal.
    pub sha256: String,
    /// How long they took to make, in milliseconds. Of all that is kept of a batch, times alone differ from run to run.
    pub elapsed_ms: u64,
}

/// A part as its key tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Bytes of the input before it.
    pub from: u64,
    /// Bytes of the input before what follows it.
    pub to: u64,
    /// Its lines.
    pub rows: u64,
    /// Those among them that are errors.
    pub errors: u64,
    key: String,
}

impl Part {
    /// The key of the answers to a range.
    #[must_use]
    pub fn key(batch: &BatchId, range: Range, tally: &Tally) -> String {
        let Range { from, to, .. } = range;
        let (folder, Tally { rows, errors, .. }) = (folder(batch), tally);
        format!("{folder}/{from:015}-{to:015}-{rows}-{errors}.jsonl")
    }

    /// Writes answers, and then what they are.
    ///
    /// # Errors
    /// When they can't be written.
    pub async fn write(&self, objects: &Objects, answers: Vec<u8>) -> Result<(), ObjectError> {
        objects.put(&self.key, answers).await?;
        // A part is plain data, which JSON can hold.
        objects.put(&described(&self.key), serde_json::to_vec(self).unwrap_or_default()).await
    }
}

/// The key of a part's description.
fn described(key: &str) -> String {
    format!("{}.json", key.trim_end_matches(".jsonl"))
}

impl Found {
    fn of(key: &str) -> Option<Self> {
        let stem = key.rsplit('/').next()?.strip_suffix(".json")?;
        let mut numbers = stem.split('-').map(|number| number.parse().ok());
        let mut next = || numbers.next().flatten();
        let (from, to, rows, errors) = (next()?, next()?, next()?, next()?);
        Some(Self { from, to, rows, errors, key: key.to_owned() })
    }

    /// The part.
    ///
    /// # Errors
    /// When its description can't be read.
    pub async fn read(&self, objects: &Objects) -> Result<Part, ObjectError> {
        let bytes = objects.get(&self.key).await?;
        serde_json::from_slice(&bytes).map_err(|error| ObjectError::Failed {
            key: self.key.clone(),
            what: "read",
            detail: error.to_string(),
        })
    }
}

/// The parts of a batch that are whole, in the order of the input.
///
/// # Errors
/// When they can't be listed.
pub async fn found(objects: &Objects, batch: &BatchId) -> Result<Vec<Found>, ObjectError> {
    let listed = objects.list(&folder(batch)).await?;
    Ok(listed.iter().filter_map(|object| Found::of(&object.key)).collect())
}

/// Parts that follow each other from `from` on, as far as they go, at most to `to`. Where several begin at one place, as
/// somebody was interrupted and somebody else cut otherwise, those are taken that lead on furthest: what they say is the same.
#[must_use]
pub fn chain(found: &[Found], from: u64, to: u64) -> Vec<&Found> {
    // How far each place leads, and by which part; from the end, as parts only lead on.
    let mut order: Vec<&Found> = found.iter().filter(|part| part.to > part.from && part.to <= to).collect();
    order.sort_by_key(|part| (part.from, part.to));
    let mut reach: std::collections::HashMap<u64, (u64, &Found)> = std::collections::HashMap::new();
    for part in order.iter().rev().copied() {
        let end = reach.get(&part.to).map_or(part.to, |(end, _)| *end);
        let best = reach.entry(part.from).or_insert((end, part));
        if end > best.0 {
            *best = (end, part);
        }
    }
    let mut parts = Vec::new();
    let mut at = from;
    while let Some((_, part)) = reach.get(&at) {
        parts.push(*part);
        at = part.to;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(from: u64, to: u64) -> Found {
        Found { from, to, rows: 1, errors: 0, key: String::new() }
    }

    fn ends(parts: &[(u64, u64)], from: u64, to: u64) -> Vec<u64> {
        let found: Vec<_> = parts.iter().map(|(from, to)| part(*from, *to)).collect();
        chain(&found, from, to).iter().map(|part| part.to).collect()
    }

    #[test]
    fn parts_that_follow_each_other_make_the_whole() {
        assert_eq!(ends(&[(0, 5), (5, 9), (9, 12)], 0, 12), [5, 9, 12]);
        assert_eq!(ends(&[(0, 5), (9, 12)], 0, 12), [5]);
        assert_eq!(ends(&[], 0, 12), [0; 0]);
        assert_eq!(ends(&[(0, 5), (5, 20)], 0, 12), [5], "what reaches beyond is another's");
    }

    #[test]
    fn what_was_cut_otherwise_and_leads_nowhere_is_passed_over() {
        assert_eq!(ends(&[(0, 8), (0, 5), (5, 9), (5, 7), (9, 12)], 0, 12), [5, 9, 12]);
        assert_eq!(ends(&[(0, 6), (0, 5), (6, 12)], 0, 12), [6, 12]);
    }

    #[test]
    fn a_key_tells_of_its_part() {
        let batch = BatchId::try_from("b1".to_owned()).unwrap();
        let range = Range { from: 7, to: 1_234_567, first_line: 1 };
        let key = Part::key(&batch, range, &Tally { rows: 9, errors: 2, function: 7, ..Tally::default() });
        assert_eq!(key, "results/b1/parts/000000000000007-000000001234567-9-2.jsonl");
        let found = Found::of(&described(&key)).unwrap();
        assert_eq!((found.from, found.to, found.rows, found.errors), (7, 1_234_567, 9, 2));
        assert_eq!(Found::of(&key), None, "answers without a description are not whole");
    }
}

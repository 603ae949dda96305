//! What the tensors mean: histories go in, ranked rows come out.
//!
//! | tensor | datatype | shape | |
//! |---|---|---|---|
//! | `history` | INT32 | `[B, L]` | row + 1 of each item, newest last; 0 pads on the left |
//! | `weights` | FP32 | `[B, L]` | optional input: the weight of each item, above 0; without it each weighs 1 |
//! | `items` | INT32 | `[B, M]` | rows, best first, none twice |
//! | `scores` | FP32 | `[B, M]` | their scores, falling |
//!
//! M is at most [`LIMIT`], and at least the request's parameter `limit` where it has one and the catalogue has as many
//! items; a server that doesn't know the parameter answers with as many as it likes. Whatever the person has seen is among
//! the rows: the rules are the caller's to apply.

use std::time::Duration;

use super::protocol::{Data, Encoding, InferRequest, InferResponse, Parameters, RequestedOutput, Tensor};
use crate::catalogue::{Row, RowSet};
use crate::model::{Attraction, Scored};

/// The input of histories.
pub const HISTORY: &str = "history";
/// The input of weights.
pub const WEIGHTS: &str = "weights";
/// The output of rows.
pub const ITEMS: &str = "items";
/// The output of scores.
pub const SCORES: &str = "scores";
/// Most rows in a list. A list of as many leaves 500 after the rules wherever a history of 500 is all that they strike out.
pub const LIMIT: usize = 1_000;
/// Most histories of a request: what fills a GPU, and 64 times 500 items of 8 bytes are 256 KB.
pub const BATCH_LIMIT: usize = 64;
/// The request's parameter that says how many rows are wanted.
pub const LIMIT_PARAMETER: &str = "limit";
/// The request's parameter that says in how many microseconds the answer is worthless. Triton's name for it.
pub const TIMEOUT_PARAMETER: &str = "timeout";
/// The reply's parameter in which a Marquee server says which artifact answered, by its digest.
pub const DIGEST_PARAMETER: &str = "digest";

/// Longest version that is taken into a receipt: twice a digest.
const VERSION_LENGTH: usize = 128;

/// The name under which a model of a catalogue is served: a server with another catalogue doesn't know it.
#[must_use]
pub fn model_name(catalogue_digest: &str) -> String {
    format!("marquee-{}", catalogue_digest.get(..12).unwrap_or(catalogue_digest))
}

/// A request for lists of `limit` rows, one for each history, oldest item first; `timeout` is the time it may take. The outputs
/// are asked for in binary.
///
/// # Panics
/// Never: rows are below 2³¹, as a catalogue is.
#[must_use]
pub fn request(histories: &[&[Attraction]], limit: usize, timeout: Duration) -> InferRequest {
    let length = histories.iter().map(|history| history.len()).max().unwrap_or(0);
    let shape = vec![histories.len(), length];
    let (mut rows, mut weights) = (vec![0; histories.len() * length], vec![0.0; histories.len() * length]);
    for (place, history) in histories.iter().enumerate() {
        let start = (place + 1) * length - history.len();
        for (offset, item) in history.iter().enumerate() {
            rows[start + offset] = i32::try_from(item.row + 1).unwrap_or(i32::MAX);
            weights[start + offset] = item.weight;
        }
    }
    let mut parameters = Parameters::new();
    parameters.insert(LIMIT_PARAMETER.into(), limit.into());
    let micros = u64::try_from(timeout.as_micros()).unwrap_or(u64::MAX);
    parameters.insert(TIMEOUT_PARAMETER.into(), micros.into());
    let output = |name: &str| RequestedOutput { name: name.to_owned(), encoding: Encoding::Binary };
    InferRequest {
        // Some servers make one up where it is missing, and one fails.
        id: Some("1".into()),
        parameters,
        inputs: vec![
            Tensor { name: HISTORY.into(), shape: shape.clone(), data: Data::Int32(rows) },
            Tensor { name: WEIGHTS.into(), shape, data: Data::Fp32(weights) },
        ],
        outputs: vec![output(ITEMS), output(SCORES)],
    }
}

/// A reply that is not what was asked for, in words for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidOutput(pub String);

/// The lists of a reply to a request of `batch` histories over a catalogue of `rows` items. Everything is checked: shapes
/// and datatypes, known rows, none twice, finite scores, falling.
///
/// # Errors
/// Says what is wrong first.
pub fn lists(response: &InferResponse, batch: usize, rows: usize) -> Result<Vec<Vec<Scored>>, InvalidOutput> {
    let fault = |detail: String| Err(InvalidOutput(detail));
    let output = |name: &str| {
        let found = response.outputs.iter().find(|tensor| tensor.name == name);
        found.ok_or_else(|| InvalidOutput(format!("no output `{name}`")))
    };
    let (items, scores) = (output(ITEMS)?, output(SCORES)?);
    let (Data::Int32(item_values), Data::Fp32(score_values)) = (&items.data, &scores.data) else {
        let found = (items.data.datatype(), scores.data.datatype());
        return fault(format!("`items` of {} and `scores` of {}, not INT32 and FP32", found.0, found.1));
    };
    let (&[found_batch, length], true) = (items.shape.as_slice(), items.shape == scores.shape) else {
        return fault(format!("`items` of shape {:?} and `scores` of {:?}", items.shape, scores.shape));
    };
    if found_batch != batch || length > LIMIT {
        return fault(format!("shape {:?}; [{batch}, up to {LIMIT}] is asked for", items.shape));
    }
    if length == 0 {
        return fault("empty lists".into());
    }
    let lists = item_values.chunks_exact(length).zip(score_values.chunks_exact(length));
    let list = |(place, (items, scores))| {
        list(items, scores, rows).map_err(|detail| InvalidOutput(format!("list {place}: {detail}")))
    };
    lists.enumerate().map(list).collect()
}

fn list(items: &[i32], scores: &[f32], rows: usize) -> Result<Vec<Scored>, &'static str> {
    let mut list: Vec<Scored> = Vec::with_capacity(items.len());
    let mut found = RowSet::none(rows);
    for (&item, &score) in items.iter().zip(scores) {
        let row = Row::try_from(item).ok().filter(|row| (*row as usize) < rows).ok_or("an unknown row")?;
        if found.contains(row) {
            return Err("a repeated row");
        }
        found.insert(row);
        if !score.is_finite() {
            return Err("a score is not finite");
        }
        if list.last().is_some_and(|last| last.score < score) {
            return Err("not in the order of scores");
        }
        list.push(Scored { row, score });
    }
    Ok(list)
}

/// The version that a reply names, where it can be shown: up to 128 visible ASCII characters.
#[must_use]
pub fn version(response: &InferResponse) -> Option<String> {
    let version = response.model_version.as_deref()?;
    let plain = version.len() <= VERSION_LENGTH && version.bytes().all(|byte| byte.is_ascii_graphic());
    plain.then(|| version.to_owned())
}

/// The digest that a reply names, where it is one: 64 hexadecimal digits.
#[must_use]
pub fn digest(response: &InferResponse) -> Option<String> {
    let digest = response.parameters.get(DIGEST_PARAMETER)?.as_str()?;
    let is_one = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_one.then(|| digest.to_owned())
}

/// A request that breaks the contract, in words for the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidInput(pub String);

/// The histories of a request to a model over a catalogue of `rows` items, padding taken off.
///
/// # Errors
/// Says what is wrong first, and in which tensor.
pub fn histories(request: &InferRequest, rows: usize) -> Result<Vec<Vec<Attraction>>, InvalidInput> {
    let fault = |detail: String| InvalidInput(detail);
    let input = |name: &str| request.inputs.iter().find(|tensor| tensor.name == name);
    if let Some(other) = request.inputs.iter().find(|input| ![HISTORY, WEIGHTS].contains(&&*input.name)) {
        let name: String = other.name.chars().take(64).collect();
        return Err(fault(format!("unknown input {name:?}; `history` and `weights` are known")));
    }
    let history = input(HISTORY).ok_or_else(|| fault("input `history` is missing".into()))?;
    let (Data::Int32(items), &[batch, length]) = (&history.data, history.shape.as_slice()) else {
        let found = (history.data.datatype(), &history.shape);
        return Err(fault(format!("`history` is {} {:?}; INT32 [B, L] is taken", found.0, found.1)));
    };
    if !(1..=BATCH_LIMIT).contains(&batch) {
        return Err(fault(format!("{batch} histories; 1 to {BATCH_LIMIT} are taken")));
    }
    if !(1..=crate::api::history::HISTORY_LIMIT).contains(&length) {
        let limit = crate::api::history::HISTORY_LIMIT;
        return Err(fault(format!("histories of length {length}; 1 to {limit} are taken")));
    }
    let weights = match input(WEIGHTS) {
        None => None,
        Some(Tensor { shape, data: Data::Fp32(weights), .. }) if *shape == history.shape => Some(weights),
        Some(Tensor { shape, data, .. }) => {
            let found = data.datatype();
            let wanted = &history.shape;
            return Err(fault(format!("`weights` is {found} {shape:?}; FP32 {wanted:?} is taken")));
        }
    };
    let mut histories = Vec::with_capacity(batch);
    for place in 0..batch {
        let range = place * length..(place + 1) * length;
        let weights = weights.map(|weights| &weights[range.clone()]);
        let history = unpadded(&items[range], weights, rows);
        histories.push(history.map_err(|detail| fault(format!("history {place}: {detail}")))?);
    }
    Ok(histories)
}

fn unpadded(items: &[i32], weights: Option<&[f32]>, rows: usize) -> Result<Vec<Attraction>, &'static str> {
    let start = items.iter().position(|item| *item != 0).ok_or("no items")?;
    let mut history = Vec::with_capacity(items.len() - start);
    for place in start..items.len() {
        if items[place] == 0 {
            return Err("0 pads on the left alone");
        }
        let row = items[place].checked_sub(1).and_then(|row| Row::try_from(row).ok());
        let row = row.filter(|row| (*row as usize) < rows).ok_or("an item that the catalogue lacks")?;
        let weight = weights.map_or(1.0, |weights| weights[place]);
        if !(weight.is_finite() && weight > 0.0) {
            return Err("a weight that is not above 0");
        }
        history.push(Attraction { row, weight });
    }
    Ok(history)
}

#[cfg(test)]
mod tests;

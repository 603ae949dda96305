//! What is served in the benches: a catalogue of 10,000 items, a model over them, and a request.
//!
//! The factors are random: the work of folding in and scanning does not depend on what they are.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use shared::catalogue::CatalogueColumns;
use shared::model::als::ITEM_FACTORS;
use shared::model::config::{AlsConfig, EventWeights, FORMAT_VERSION, Kind, ModelConfig, SasrecConfig};
use shared::model::sasrec;
use shared::model::tensors::TensorData;
use shared::model::write::{NewArtifact, WriteOptions};
use tempfile::TempDir;

/// Items of the catalogue.
const ITEMS: usize = 10_000;
/// Numbers per item.
const FACTORS: usize = 64;
/// Items of the request's history.
pub(crate) const HISTORY: usize = 20;
/// Items asked for.
pub(crate) const K: usize = 10;

const SEED: u64 = 42;
const GENRES: usize = 18;

/// An artifact in a temporary folder, derived tensors included.
pub(crate) fn artifact() -> Result<TempDir> {
    artifact_of(ITEMS)
}

/// The same with so many items.
pub(crate) fn artifact_of(items: usize) -> Result<TempDir> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let als = AlsConfig {
        factors: FACTORS,
        regularization: 0.01,
        alpha0: 0.1,
        epochs: None,
        init_std: None,
        seed: None,
    };
    let item_factors = random_values(items * FACTORS, SEED);
    let weights = vec![TensorData::new(ITEM_FACTORS, &[items, FACTORS], &item_factors)];
    write(folder.path(), Kind::Als(als), weights, items)?;
    Ok(folder)
}

/// Writes an artifact of a sequence model of so many items, derived tensors included.
pub(crate) fn write_sasrec(folder: &Path, config: SasrecConfig, items: usize) -> Result<()> {
    let random = |((name, shape), seed): ((String, Vec<usize>), u64)| {
        let count = shape.iter().product();
        let numbers = match *shape {
            // Of the size that training leaves them.
            [_, _] if name.ends_with("embeddings") => scaled(random_values(count, seed), 0.1),
            [inputs, _] => scaled(random_values(count, seed), (3.0 / inputs as f32).sqrt()),
            _ if name.ends_with("weight") => vec![1.0; count],
            _ => scaled(random_values(count, seed), 0.1),
        };
        (name, shape, numbers)
    };
    let tensors: Vec<_> = sasrec::tensors(&config, items).into_iter().zip(SEED..).map(random).collect();
    let weights =
        tensors.iter().map(|(name, shape, numbers)| TensorData::new(name, shape, numbers)).collect();
    write(folder, Kind::Sasrec(config), weights, items)
}

fn scaled(mut values: Vec<f32>, by: f32) -> Vec<f32> {
    values.iter_mut().for_each(|value| *value *= by);
    values
}

fn write(folder: &Path, kind: Kind, weights: Vec<TensorData<'_>>, items: usize) -> Result<()> {
    let config = ModelConfig {
        format_version: FORMAT_VERSION,
        kind,
        name: "bench".into(),
        version: String::new(),
        event_weights: EventWeights::default(),
        training: None,
        metrics: Default::default(),
    };
    let catalogue = catalogue(items).map_err(|error| anyhow!("the catalogue is not valid: {error}"))?;
    let artifact = NewArtifact { config, catalogue, weights };
    Ok(artifact.write(folder, WriteOptions { serving: true, sign: None })?)
}

/// The sizes in words.
pub(crate) fn description() -> String {
    format!("{ITEMS} items × {FACTORS} factors with derived tensors, a history of {HISTORY}, k = {K}")
}

/// The body of a request: a history of plain ids, as an app would send it.
pub(crate) fn request_body() -> String {
    let history: Vec<String> = (0..HISTORY).map(|place| id(place * (ITEMS / HISTORY))).collect();
    json!({"history": history, "k": K}).to_string()
}

/// So many people as lines of a batch, each with a history of their own.
pub(crate) fn people(count: usize) -> String {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut history = || (0..HISTORY).map(|_| id(random.random_range(0..ITEMS))).collect::<Vec<_>>();
    (0..count).map(|_| format!("{}\n", json!({"history": history(), "k": K}))).collect()
}

/// An event of the gateway for `recommend`: a real one, with that body.
pub(crate) fn recommend_event() -> Result<Value> {
    let mut event: Value = serde_json::from_str(include_str!("../../events/recommend/history.json"))
        .context("the sample event of recommend is not JSON")?;
    let body = request_body();
    event["headers"]["content-length"] = body.len().to_string().into();
    event["body"] = body.into();
    Ok(event)
}

/// The same for `similar`: what is like the catalogue's first item.
pub(crate) fn similar_event() -> Result<Value> {
    let mut event: Value = serde_json::from_str(include_str!("../../events/similar/similar.json"))
        .context("the sample event of similar is not JSON")?;
    let path = format!("/v1/items/{}/similar", id(0));
    event["rawPath"] = path.clone().into();
    event["requestContext"]["http"]["path"] = path.into();
    event["pathParameters"]["id"] = id(0).into();
    event["queryStringParameters"]["k"] = K.to_string().into();
    event["rawQueryString"] = format!("k={K}").into();
    Ok(event)
}

/// Numbers between −1 and 1, the same for a seed at all times.
pub(crate) fn random_values(count: usize, seed: u64) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| random.random::<f32>() * 2.0 - 1.0).collect()
}

fn catalogue(items: usize) -> Result<CatalogueColumns, String> {
    let mut columns = CatalogueColumns::new((0..GENRES).map(|genre| format!("Genre {genre}")).collect())?;
    for row in 0..items {
        let title = format!("The title of film number {row}");
        let genres = 1 << (row % GENRES) | 1 << (row / 7 % GENRES);
        columns.push(&id(row), &title, 1930 + (row % 95) as u16, genres, (items - row) as u32)?;
    }
    Ok(columns)
}

fn id(row: usize) -> String {
    format!("film-{row}")
}

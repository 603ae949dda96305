//! `marquee import`: artifacts of weights that were trained elsewhere.

mod state_dict;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use ndarray::{Array1, Array2};
use ndarray_npy::ReadNpyError;
use shared::model::als::ITEM_FACTORS;
use shared::model::config::{AlsConfig, EventWeights, FORMAT_VERSION, Kind, ModelConfig};
use shared::model::tensors::{TensorData, TensorFile};
use shared::model::write::{NewArtifact, WriteOptions};
use training::data::{self, ReadOptions};
use training::fit;

use crate::commands::ImportOptions;

pub(crate) fn run(options: &ImportOptions) -> Result<()> {
    match (&options.factors, &options.state_dict) {
        (Some(factors), _) => import_factors(factors, options),
        (None, Some(path)) => import_state_dict(path, options),
        (None, None) => bail!("give --factors or --state-dict"),
    }
}

fn import_factors(path: &Path, options: &ImportOptions) -> Result<()> {
    let factors = read_factors(path)?;
    let (rows, columns) = factors.dim();
    let als = AlsConfig {
        factors: columns,
        regularization: options.regularization,
        alpha0: options.alpha0,
        epochs: None,
        init_std: None,
        seed: None,
    };
    let matrix = factors.as_standard_layout();
    let values = matrix.as_slice().context("the factors are too large to lie in one piece")?;
    let weights = vec![TensorData::new(ITEM_FACTORS, &[rows, columns], values)];
    write((path, rows), Kind::Als(als), weights, options)?;
    told(options, &format!("{rows} items of {columns} factors"));
    Ok(())
}

fn import_state_dict(path: &Path, options: &ImportOptions) -> Result<()> {
    let file = TensorFile::open(path)?;
    let found = state_dict::convert(&file, options.heads, options.norm_epsilon)?;
    let (rows, dimensions, blocks) = (found.items, found.config.dimensions, found.config.blocks);
    let tensors = found.tensors.iter();
    let weights = tensors.map(|(name, shape, values)| TensorData::new(name, shape, values)).collect();
    write((path, rows), Kind::Sasrec(found.config), weights, options)?;
    told(options, &format!("{rows} items of {dimensions} dimensions, and {blocks} blocks"));
    Ok(())
}

/// Writes the artifact of weights that were read from a file and have so many rows.
fn write(
    (source, rows): (&Path, usize),
    kind: Kind,
    weights: Vec<TensorData<'_>>,
    options: &ImportOptions,
) -> Result<()> {
    let items = data::read_items_file(&options.items, &ReadOptions::default())?;
    if items.items.len() != rows {
        let (file, count) = (options.items.display(), items.items.len());
        bail!("{file} has {count} items and {} {rows} rows; they must be as many", source.display());
    }
    let popularity = match &options.popularity {
        Some(path) => read_popularity(path, rows)?,
        None => vec![0; rows],
    };
    let config = ModelConfig {
        format_version: FORMAT_VERSION,
        kind,
        name: options.name.clone(),
        version: options.version.clone().unwrap_or_default(),
        event_weights: EventWeights::default(),
        training: None,
        metrics: Default::default(),
    };
    let catalogue = fit::catalogue(&items, &popularity).map_err(anyhow::Error::msg)?;
    let write = WriteOptions { serving: true, sign: options.sign.as_deref() };
    Ok(NewArtifact { config, catalogue, weights }.write(&options.out, write)?)
}

fn told(options: &ImportOptions, what: &str) {
    println!("{} holds {what}", options.out.display());
    if options.popularity.is_none() {
        println!("no --popularity: whoever has no history gets the items in the order of the file");
    }
}

/// Item factors as f32, from an npy file of f32 or f64.
fn read_factors(path: &Path) -> Result<Array2<f32>> {
    let sentence = || format!("{} is not a table of float32 or float64 that numpy saved", path.display());
    fs::metadata(path).with_context(|| format!("{} can't be read", path.display()))?;
    match ndarray_npy::read_npy::<_, Array2<f32>>(path) {
        Ok(factors) => Ok(factors),
        Err(ReadNpyError::WrongDescriptor(_)) => {
            let wide: Array2<f64> = ndarray_npy::read_npy(path).with_context(sentence)?;
            Ok(wide.mapv(|value| value as f32))
        }
        Err(error) => Err(error).with_context(sentence),
    }
}

fn read_popularity(path: &Path, rows: usize) -> Result<Vec<u32>> {
    let sentence = || format!("{} is not an array of int64 counts that numpy saved", path.display());
    let counts: Array1<i64> = ndarray_npy::read_npy(path).with_context(sentence)?;
    if counts.len() != rows {
        bail!("{} has {} counts for {rows} items", path.display(), counts.len());
    }
    let count = |(row, count): (usize, &i64)| {
        u32::try_from(*count).with_context(|| format!("{}: row {row}: {count} is no count", path.display()))
    };
    counts.iter().enumerate().map(count).collect()
}

//! `marquee inspect`, `verify`, `optimize` and `import`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use ndarray::{Array1, Array2};
use ndarray_npy::ReadNpyError;
use serde_json::json;
use shared::model::als::ITEM_FACTORS;
use shared::model::artifact::{CATALOGUE, MODEL, SERVING, SIGNATURE};
use shared::model::config::{AlsConfig, EventWeights, FORMAT_VERSION, Kind, ModelConfig};
use shared::model::tensors::{TensorData, TensorFile};
use shared::model::write::{self, NewArtifact, WriteOptions};
use shared::model::{Artifact, verify as full};
use training::data::{self, ReadOptions};
use training::fit;

use crate::commands::{ImportOptions, InspectOptions, OptimizeOptions, VerifyOptions};
use crate::output;

pub(crate) fn verify(options: &VerifyOptions) -> Result<()> {
    let artifact = full::verify(&options.model, options.public_key.as_deref())?;
    let signature = match &options.public_key {
        Some(key) => format!("signed by the key of {}", key.display()),
        None if options.model.join(SIGNATURE).exists() => "signature not checked: no --public-key".into(),
        None => "not signed".into(),
    };
    println!(
        "{}: sound. {} items, digest {}, {signature}",
        options.model.display(),
        artifact.catalogue.len(),
        artifact.manifest.digest
    );
    Ok(())
}

pub(crate) fn optimize(options: &OptimizeOptions) -> Result<()> {
    if options.sign.is_none() && options.model.join(SIGNATURE).exists() {
        bail!("{} is signed, and its manifest will change: give --sign KEY", options.model.display());
    }
    write::optimize(&options.model, options.sign.as_deref())?;
    let bytes = fs::metadata(options.model.join(SERVING)).map_or(0, |file| file.len());
    println!("{}: {SERVING} written, {}", options.model.display(), output::bytes(bytes));
    Ok(())
}

pub(crate) fn import(options: &ImportOptions) -> Result<()> {
    let factors = read_factors(&options.factors)?;
    let (rows, columns) = factors.dim();
    let items = data::read_items_file(&options.items, &ReadOptions::default())?;
    if items.items.len() != rows {
        let (of_items, of_factors) = (options.items.display(), options.factors.display());
        bail!(
            "{of_items} has {} items and {of_factors} {rows} rows; they must be as many",
            items.items.len()
        );
    }
    let popularity = match &options.popularity {
        Some(path) => read_popularity(path, rows)?,
        None => vec![0; rows],
    };
    let als = AlsConfig {
        factors: columns,
        regularization: options.regularization,
        alpha0: options.alpha0,
        epochs: None,
        init_std: None,
        seed: None,
    };
    let config = ModelConfig {
        format_version: FORMAT_VERSION,
        kind: Kind::Als(als),
        name: options.name.clone(),
        version: options.version.clone().unwrap_or_default(),
        event_weights: EventWeights::default(),
        training: None,
        metrics: Default::default(),
    };
    let catalogue = fit::catalogue(&items, &popularity).map_err(anyhow::Error::msg)?;
    let matrix = factors.as_standard_layout();
    let values = matrix.as_slice().context("the factors are too large to lie in one piece")?;
    let weights = vec![TensorData::new(ITEM_FACTORS, &[rows, columns], values)];
    let write = WriteOptions { serving: true, sign: options.sign.as_deref() };
    NewArtifact { config, catalogue, weights }.write(&options.out, write)?;
    println!("{} holds {rows} items of {columns} factors", options.out.display());
    if options.popularity.is_none() {
        println!("no --popularity: whoever has no history gets the items in the order of the file");
    }
    Ok(())
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

pub(crate) fn inspect(options: &InspectOptions) -> Result<()> {
    let artifact = Artifact::open(&options.model)?;
    if options.json {
        let json = json!({
            "config": artifact.config,
            "manifest": artifact.manifest,
            "items": artifact.catalogue.len(),
            "genres": artifact.catalogue.genre_names(),
            "signed": options.model.join(SIGNATURE).exists(),
        });
        println!("{}", serde_json::to_string_pretty(&json)?);
        return Ok(());
    }
    print_facts(&artifact, &options.model);
    print_tensors(&artifact, &options.model)
}

fn print_facts(artifact: &Artifact, folder: &Path) {
    let Artifact { config, manifest, catalogue, .. } = artifact;
    let mut table = output::table();
    let mut fact = |name: &str, value: String| {
        table.add_row([name.to_owned(), value]);
    };
    fact("name", format!("{} {}", config.name, config.version));
    fact(
        "kind",
        match &config.kind {
            Kind::Als(als) => {
                format!("als: {} factors, λ {}, α₀ {}", als.factors, als.regularization, als.alpha0)
            }
            Kind::Sasrec(sasrec) => format!(
                "sasrec: {} dimensions, {} positions, {} blocks, {} heads, {} in the feed-forward network",
                sasrec.dimensions, sasrec.length, sasrec.blocks, sasrec.heads, sasrec.feed_forward
            ),
        },
    );
    if let Some(training) = &config.training {
        let simulated = if training.simulated { ", simulated" } else { "" };
        let (interactions, users) = (training.interactions, training.users);
        fact(
            "trained",
            format!(
                "{} on {}: {interactions} interactions{simulated}, {users} users",
                training.trained_at, training.source
            ),
        );
    }
    for (name, value) in &config.metrics {
        fact(name, format!("{value:.5}"));
    }
    fact("items", catalogue.len().to_string());
    fact("genres", catalogue.genre_names().join(", "));
    let popular = catalogue
        .by_popularity()
        .iter()
        .take(5)
        .filter_map(|&row| catalogue.title(row).or(catalogue.id(row)));
    fact("most popular", popular.collect::<Vec<_>>().join(", "));
    fact("digest", manifest.digest.clone());
    fact("catalogue digest", manifest.catalogue_digest.clone());
    fact("signed", if folder.join(SIGNATURE).exists() { "yes".into() } else { "no".into() });
    println!("{table}");
}

fn print_tensors(artifact: &Artifact, folder: &Path) -> Result<()> {
    let mut table = output::table();
    table.set_header(["file", "size", "tensor", "type", "shape"]);
    for (name, file) in &artifact.manifest.files {
        let mut lead = [name.clone(), output::bytes(file.bytes)];
        if ![MODEL, CATALOGUE, SERVING].contains(&name.as_str()) {
            table.add_row(lead);
            continue;
        }
        let tensors = TensorFile::open(&folder.join(name))?;
        for tensor in tensors.names() {
            let (dtype, shape) =
                tensors.info(tensor).map_or((String::new(), String::new()), |(dtype, shape)| {
                    (format!("{dtype:?}"), shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" × "))
                });
            let [file, size] = std::mem::take(&mut lead);
            table.add_row([file, size, tensor.to_owned(), dtype, shape]);
        }
    }
    println!("{table}");
    Ok(())
}

//! `marquee inspect`, `verify` and `optimize`.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};
use serde_json::json;
use shared::model::artifact::{CATALOGUE, MODEL, SERVING, SIGNATURE};
use shared::model::config::Kind;
use shared::model::tensors::TensorFile;
use shared::model::write;
use shared::model::{Artifact, verify as full};

use crate::commands::{InspectOptions, OptimizeOptions, VerifyOptions};
use crate::{output, parity};

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
    parity::check(&artifact, options)
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

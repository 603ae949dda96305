//! `marquee release`: from an artifact to what `sam deploy` needs.
//!
//! It refuses what `marquee verify` refuses; adds the derived tensors where they are missing; lays out the layer, without
//! what is no part of an artifact; writes beside the model what new versions are held to; and digests code, model and
//! configuration into the parameter that makes a deployment publish new versions.

mod digest;
mod layer;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use shared::model::artifact::SIGNATURE;
use shared::model::{Artifact, verify as full, write};
use shared::recommend::Recommending;
use shared::release::Release;

use crate::commands::ReleaseOptions;
use crate::output;
use layer::Layer;

/// What the template names.
const TEMPLATE: &str = "template.yaml";
const LAYER: &str = "target/layer";
const PARAMETERS: &str = "target/release/parameters.yaml";

pub(crate) fn run(options: &ReleaseOptions) -> Result<()> {
    let ReleaseOptions { model, code, public_key, sign, .. } = options;
    if !code.join(TEMPLATE).is_file() {
        bail!("{} holds no {TEMPLATE}: run it in the checkout, or name that with --code DIR", code.display());
    }
    let artifact = full::verify(model, public_key.as_deref())?;
    let layer = Layer::beside(&code.join(LAYER))?;
    let dropped = layer.take(model, &artifact)?;
    if !artifact.has_serving() {
        optimize(&layer.model(), sign.as_deref())?;
    }
    let recommending = Recommending::new(full::verify(&layer.model(), None)?);
    let release = Release::of(&recommending).map_err(|fault| fault_of(model, &fault))?;
    layer.hold_to(&release)?;
    let bytes = layer.check_size(model, recommending.artifact())?;
    let digest = digest::of(code, layer.path())?;
    layer.publish()?;
    write_parameters(&code.join(PARAMETERS), &digest)?;
    report(options, recommending.artifact(), (bytes, release.questions.len()), &dropped, &digest);
    Ok(())
}

/// Adds the derived tensors to the copy; the artifact itself stays as it is.
fn optimize(copy: &Path, sign: Option<&Path>) -> Result<()> {
    if sign.is_none() && copy.join(SIGNATURE).exists() {
        bail!(
            "the artifact is signed and lacks the derived tensors, which change its manifest: give --sign KEY, or run \
             `marquee optimize --sign KEY` on it first"
        );
    }
    Ok(write::optimize(copy, sign)?)
}

fn fault_of(model: &Path, fault: &str) -> anyhow::Error {
    anyhow::anyhow!(
        "{}: {fault}, so that nothing can tell whether a function answers with it",
        model.display()
    )
}

fn write_parameters(path: &Path, digest: &str) -> Result<()> {
    let folder = path.parent().context("a path in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))?;
    fs::write(path, format!("ReleaseDigest: \"{digest}\"\n"))
        .with_context(|| format!("{} can't be written", path.display()))
}

fn report(
    options: &ReleaseOptions,
    artifact: &Artifact,
    (bytes, questions): (u64, usize),
    dropped: &[String],
    digest: &str,
) {
    let config = &artifact.config;
    println!(
        "{} {}: {} items, digest {}",
        config.name,
        config.version,
        artifact.catalogue.len(),
        artifact.manifest.digest
    );
    if options.public_key.is_some() {
        println!("signature  checked");
    }
    println!("layer      {LAYER}, {} of {}", output::bytes(bytes), output::bytes(layer::LIMIT));
    if !dropped.is_empty() {
        println!("left out   {}: no part of an artifact", dropped.join(", "));
    }
    println!("questions  {questions}, asked again of every new version before callers reach it");
    println!("release    {digest} (code, model and configuration)");
    println!("\n  sam build && sam deploy --config-env {}", options.stage);
}

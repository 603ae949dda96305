//! Judges a release before callers reach it: a hook of CodeDeploy, once for each function that gets a new version.
//!
//! It checks the model's files in full, as `marquee verify` does; then it asks the new version of every function what its
//! callers will ask: the questions that `marquee release` put to the model, and something of each route. A release is one
//! thing: what is wrong with one of its functions holds back all. That an accelerator can't be reached is no fault of a
//! release.

mod aws;
mod questions;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use serde_json::Value;
use shared::config::Version;
use shared::model::verify;
use shared::release::{FILE, Release};

pub use aws::Aws;

/// How many functions are asked at a time: each start is Lambda's to make, and this function only waits.
const AT_A_TIME: usize = 16;

/// What CodeDeploy says when it asks.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Hook {
    /// The deployment.
    pub deployment_id: String,
    /// Which of its hooks this is.
    pub lifecycle_event_hook_execution_id: String,
}

/// Invoking functions.
#[async_trait]
pub trait Functions: Send + Sync + fmt::Debug {
    /// What a version answers to an event.
    ///
    /// # Errors
    /// When it can't be invoked, or fails.
    async fn invoke(&self, arn: &str, event: &Value) -> Result<Value, String>;
}

/// Telling CodeDeploy.
#[async_trait]
pub trait Deployments: Send + Sync + fmt::Debug {
    /// Lets a deployment go on, or ends it.
    ///
    /// # Errors
    /// When it can't be told.
    async fn report(&self, hook: &Hook, passed: bool) -> Result<(), String>;
}

/// What lives as long as the process.
#[derive(Debug)]
pub struct State {
    /// The model's folder in the layer.
    pub model: PathBuf,
    /// What is judged.
    pub versions: Vec<Version>,
    /// How it is asked.
    pub functions: Arc<dyn Functions>,
    /// Who is told.
    pub deployments: Arc<dyn Deployments>,
}

/// Judges, and tells CodeDeploy.
///
/// # Errors
/// When CodeDeploy can't be told: it asks no more, and takes the deployment back an hour later.
pub async fn handle(hook: Hook, state: &State) -> Result<(), shared::lambda::HandlerError> {
    let faults = judge(state).await;
    for fault in &faults {
        tracing::error!(deployment = hook.deployment_id, fault, "the release is held back");
    }
    let passed = faults.is_empty();
    tracing::info!(deployment = hook.deployment_id, faults = faults.len(), passed, "the release was judged");
    Ok(state.deployments.report(&hook, passed).await?)
}

/// Everything that is wrong with a release.
async fn judge(state: &State) -> Vec<String> {
    let release = match release(&state.model) {
        Ok(release) => release,
        // Whatever is asked about another model is of no use.
        Err(fault) => return vec![fault],
    };
    let asked = state.versions.iter().map(|version| ask(state.functions.as_ref(), version, &release));
    stream::iter(asked).buffered(AT_A_TIME).flat_map(stream::iter).collect().await
}

/// The model's files, checked in full, and what the release is held to.
fn release(model: &Path) -> Result<Release, String> {
    let artifact = verify::verify(model, None).map_err(|error| error.to_string())?;
    let file = model.with_file_name(FILE);
    let fault = |detail: String| format!("{}: {detail}; marquee release makes it", file.display());
    let text = fs::read(&file).map_err(|error| fault(error.to_string()))?;
    let release = Release::parse(&text).map_err(fault)?;
    if release.digest != artifact.manifest.digest {
        let (theirs, ours) = (&release.digest, &artifact.manifest.digest);
        return Err(fault(format!("made of the model {theirs}, and beside it is {ours}")));
    }
    Ok(release)
}

/// What is wrong with one function's version.
async fn ask(functions: &dyn Functions, version: &Version, release: &Release) -> Vec<String> {
    let Version { function, arn } = version;
    let questions = questions::of(function, release);
    if questions.is_empty() {
        return vec![format!("{function}: nothing is known to ask it")];
    }
    let mut faults = Vec::new();
    for question in questions {
        let checked = match functions.invoke(arn, &question.event).await {
            Ok(answer) => question.check(release, &answer),
            Err(fault) => Err(fault),
        };
        if let Err(fault) = checked {
            faults.push(format!("{function}: {}: {fault}", question.words));
        }
    }
    faults
}

#[cfg(test)]
mod tests;

//! Ends the run of a batch: writes the manifest, which lists the parts that make the whole, and closes the batch.
//!
//! The manifest is written last. What it lists is there, whole, and as the digests say.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::api::BatchId;
use shared::api::batches::{Backend, BatchState, FailureCode, Format, Tally};
use shared::api::history::Time;
use shared::api::recommendation::ModelReceipt;
use shared::batch::objects::Objects;
use shared::batch::parts::{self, Part, manifest_key};
use shared::batch::ranges::Range;
use shared::batch::run::{self, Asked, Failure, FinishEvent};
use shared::store::Jobs;
use shared::store::jobs::{self, Job};

/// How many descriptions of parts are read at a time.
const READS: usize = 16;

/// What it stands on.
#[derive(Clone, Debug)]
pub struct State {
    /// Where inputs and results are.
    pub objects: Objects,
    /// The batches.
    pub jobs: Arc<dyn Jobs>,
}

/// What a batch has come to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// The batch.
    pub batch_id: BatchId,
    /// Where its input is.
    pub input: Option<String>,
    /// Names the input's very bytes.
    pub input_tag: Option<String>,
    /// The model that answered.
    pub model: Option<ModelReceipt>,
    /// Who scored.
    pub backend: Backend,
    /// How the answers are written.
    pub format: Format,
    /// When it was asked for.
    pub created_at: Time,
    /// When it was finished.
    pub finished_at: Time,
    /// What all the answers are.
    pub tally: Tally,
    /// The answers, in the order of the input.
    pub parts: Vec<Part>,
    /// What of the input has no answers.
    pub missing: Vec<Range>,
}

/// Ends a run; how the batch is then.
///
/// # Errors
/// When something fails that may work later.
pub async fn handle(event: FinishEvent, state: &State) -> Result<Option<BatchState>, Failure> {
    let FinishEvent { planned, event, error } = event;
    let Some(planned) = planned else {
        // It broke off before it began.
        let Some(event) = event.and_then(|event| serde_json::from_value::<Asked>(event).ok()) else {
            return Ok(None);
        };
        let batch_id = event.batch_id(state.jobs.as_ref()).await?;
        let job =
            run::fail(state.jobs.as_ref(), &batch_id, FailureCode::Broken, said(error.as_ref())).await?;
        return Ok(job.map(|job| job.state));
    };
    let Some(kept) = state.jobs.job(&planned.batch_id).await? else { return Ok(None) };
    let manifest = manifest(&kept.job, &planned.ranges, state).await?;
    let whole = manifest.missing.is_empty();
    let tally = manifest.tally;
    let key = manifest_key(&planned.batch_id);
    let put = state.objects.put(&key, serde_json::to_vec_pretty(&manifest)?).await;
    put.map_err(|error| error.without_its_key())?;
    if !whole {
        let (code, detail) = match &error {
            Some(error) => (FailureCode::Broken, said(Some(error))),
            None => {
                let missing = manifest.missing.len();
                (
                    FailureCode::PartsMissing,
                    format!("{missing} parts of the input have no answers; {key} lists them"),
                )
            }
        };
        let job = run::fail(state.jobs.as_ref(), &planned.batch_id, code, detail).await?;
        return Ok(job.map(|job| job.state));
    }
    let closed = jobs::change(state.jobs.as_ref(), &planned.batch_id, |job| {
        if !job.state.is_final() {
            job.state = BatchState::Succeeded;
            job.tally = Some(tally);
        }
    });
    Ok(closed.await?.map(|job| job.state))
}

/// What broke the run off, in Step Functions' words.
fn said(error: Option<&Value>) -> String {
    let field =
        |name: &str| error.and_then(|error| error.get(name)).and_then(Value::as_str).unwrap_or_default();
    let said = format!("{}: {}", field("Error"), field("Cause"));
    let said: String = said.chars().take(1_000).collect();
    if said == ": " { "the run broke off".into() } else { said }
}

/// What there is, in the order of the ranges.
async fn manifest(job: &Job, ranges: &[Range], state: &State) -> Result<Manifest, Failure> {
    let found = parts::found(&state.objects, &job.batch_id).await;
    let found = found.map_err(|error| error.without_its_key())?;
    let (mut whole, mut missing) = (Vec::new(), Vec::new());
    for range in ranges {
        let chain = parts::chain(&found, range.from, range.to);
        let rows: u64 = chain.iter().map(|part| part.rows).sum();
        let from = chain.last().map_or(range.from, |last| last.to);
        if from < range.to {
            missing.push(Range { from, first_line: range.first_line + rows, ..*range });
        }
        whole.extend(chain);
    }
    let reads = whole.into_iter().map(|part| part.read(&state.objects)).collect::<Vec<_>>();
    let parts: Result<Vec<Part>, _> = stream::iter(reads).buffered(READS).try_collect().await;
    let parts = parts.map_err(|error| error.without_its_key())?;
    let mut tally = Tally::default();
    parts.iter().for_each(|part| tally += part.tally);
    Ok(Manifest {
        batch_id: job.batch_id.clone(),
        input: job.input.clone(),
        input_tag: job.input_tag.clone(),
        model: job.model.clone(),
        backend: job.backend,
        format: job.format,
        created_at: job.created_at,
        finished_at: Time::now(),
        tally,
        parts,
        missing,
    })
}

#[cfg(test)]
mod tests;

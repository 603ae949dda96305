//! Begins the run of a batch: reads its input once, unpacks it where it is packed, counts its lines and cuts it into ranges.
//!
//! Events come at least once, and whoever runs this may die at any moment: the batch of an object is claimed under its key and
//! version, the run under its name, and everything that is written is the same when it is written again.

mod input;

use std::sync::Arc;

use shared::api::BatchId;
use shared::api::batches::{BatchSource, BatchState, FailureCode, Format};
use shared::api::recommendation::ModelReceipt;
use shared::batch::objects::Objects;
use shared::batch::run::{self, Asked, Failure, ObjectCreated, PlanEvent, Planned, Stop, Task};
use shared::model::Artifact;
use shared::store::jobs::{self, Job};
use shared::store::{Everyone, Jobs};

/// What it stands on.
#[derive(Clone, Debug)]
pub struct State {
    /// The model that batches are bound to.
    pub model: ModelReceipt,
    /// Where inputs and results are.
    pub objects: Objects,
    /// The batches.
    pub jobs: Arc<dyn Jobs>,
    /// Who is known.
    pub everyone: Arc<dyn Everyone>,
}

/// Files that are dropped here have the form of Amazon Personalize, and so have their answers.
const PERSONALIZE: &str = "requests/personalize/";

/// The model of an artifact, by name.
#[must_use]
pub fn receipt(artifact: &Artifact) -> ModelReceipt {
    ModelReceipt {
        name: artifact.config.name.clone(),
        version: Some(artifact.config.version.clone()),
        digest: Some(artifact.manifest.digest.clone()),
    }
}

/// Plans a run.
///
/// # Errors
/// When something fails that may work later. What never will is noted in the batch, which is over then.
pub async fn handle(event: PlanEvent, state: &State) -> Result<Planned, Failure> {
    let PlanEvent { event, run } = event;
    if let Asked::Object { detail } = &event
        && detail.object.key.ends_with('/')
    {
        // A folder, as S3's console makes one.
        return Ok(nothing(run::new_id(), None));
    }
    let batch_id = event.batch_id(state.jobs.as_ref()).await?;
    kept(&batch_id, &event, state).await?;
    let begun = jobs::change(state.jobs.as_ref(), &batch_id, |job| {
        // A batch that a run has taken stays its own: when this is asked again, it goes on.
        if !job.state.is_final() && job.run.as_ref().is_none_or(|taken| *taken == run) {
            job.state = BatchState::Running;
            job.run = Some(run.clone());
            job.model.get_or_insert_with(|| state.model.clone());
        }
    });
    let Some(job) = begun.await? else {
        tracing::warn!(%batch_id, "there is no such batch");
        return Ok(nothing(batch_id, None));
    };
    if job.state != BatchState::Running || job.run.as_ref() != Some(&run) {
        tracing::info!(%batch_id, state = ?job.state, "there is nothing to do");
        return Ok(nothing(batch_id, Some(job.state)));
    }
    match plan(&job, state).await {
        Ok(planned) => Ok(planned),
        Err(Stop::Fault(code, detail)) => {
            let failed = run::fail(state.jobs.as_ref(), &batch_id, code, detail).await?;
            Ok(nothing(batch_id, failed.map(|job| job.state)))
        }
        Err(Stop::Failure(error)) => Err(error),
    }
}

const fn nothing(batch_id: BatchId, state: Option<BatchState>) -> Planned {
    Planned { batch_id, go: false, state, task: None, ranges: Vec::new() }
}

async fn plan(job: &Job, state: &State) -> Result<Planned, Stop> {
    let digest = job.model.as_ref().and_then(|model| model.digest.clone()).unwrap_or_default();
    if job.model.as_ref() != Some(&state.model) {
        let now = state.model.digest.as_deref().unwrap_or_default();
        let detail =
            format!("the batch is bound to the model {digest}, and here is {now}: one batch, one model");
        return Err(Stop::Fault(FailureCode::ModelChanged, detail));
    }
    let input = input::of(job, state).await?;
    jobs::change(state.jobs.as_ref(), &job.batch_id, |job| job.rows = Some(input.rows)).await?;
    let task = Task {
        batch_id: job.batch_id.clone(),
        key: input.key,
        tag: input.tag,
        layout: input.layout,
        format: job.format,
        k: job.k,
        backend: job.backend,
        model: digest,
    };
    let (batch_id, state) = (job.batch_id.clone(), Some(BatchState::Running));
    Ok(Planned { batch_id, go: true, state, task: Some(task), ranges: input.ranges })
}

/// Keeps the batch of an event, which nobody else keeps; one that is kept stays as it is.
async fn kept(batch_id: &BatchId, event: &Asked, state: &State) -> Result<(), Failure> {
    let (source, input, format) = match event {
        // It was kept before its run was started.
        Asked::Batch { .. } => return Ok(()),
        Asked::AllUsers { .. } => (BatchSource::AllUsers, None, Format::Marquee),
        Asked::Object { detail: ObjectCreated { bucket, object } } => {
            // The event's tag comes without the quotes that the store of objects has it with.
            let tag = object.etag.as_ref().map(|etag| format!("\"{}\"", etag.trim_matches('"')));
            // Dropped files say by their folder what they want.
            let personalize = object.key.starts_with(PERSONALIZE);
            let format = if personalize { Format::Personalize } else { Format::Marquee };
            (BatchSource::Input, Some((format!("s3://{}/{}", bucket.name, object.key), tag)), format)
        }
    };
    let (input, input_tag) = input.map_or((None, None), |(input, tag)| (Some(input), tag));
    let job = Job { input, input_tag, format, ..Job::new(batch_id.clone(), source) };
    state.jobs.create(&job).await?;
    Ok(())
}

#[cfg(test)]
mod tests;

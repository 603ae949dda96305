//! `/v1/batches`: batches are made, looked at, read and cancelled here; who runs them is the [`Engine`]'s business.
//!
//! Making one takes four steps: its id is claimed under the request's `Idempotency-Key`, its people are written, the batch is
//! kept, its run is started. Each step can be taken again without harm, so whoever is interrupted between two of them, or asks
//! twice at a time, gets one batch.

mod create;
mod engine;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use shared::api::batches::{
    Batch, BatchList, BatchProgress, BatchQuery, BatchSource, BatchState, Listed, Results,
};
use shared::api::http::{self, RequestId};
use shared::api::{BatchId, Problem, ProblemCode};
use shared::batch::objects::{ObjectError, Objects};
use shared::batch::parts::{self, Part, manifest_key};
use shared::store::jobs::{self, Job};
use shared::store::{Jobs, StoreError};
use shared::telemetry::{self, Dependency};

pub use engine::StepFunctions;

/// Most bytes of results in an answer of a function: as base64 they are four thirds of it, and Lambda takes 6,291,556.
pub const RESULTS_LIMIT: u64 = 4_500_000;

/// How many batches of a page are looked at a time.
const LISTED_AT_A_TIME: usize = 8;

/// Who runs batches.
#[async_trait]
pub trait Engine: Send + Sync + fmt::Debug {
    /// Starts the run of a batch that is kept; one that is started stays so.
    async fn start(&self, batch: &BatchId) -> Result<(), StoreError>;

    /// Stops the run of a batch that is over.
    async fn stop(&self, job: &Job) -> Result<(), StoreError>;
}

/// What the routes stand on.
#[derive(Clone, Debug)]
pub struct Batches {
    /// The batches.
    pub jobs: Arc<dyn Jobs>,
    /// Where inputs and results are.
    pub objects: Objects,
    /// Who runs them.
    pub engine: Arc<dyn Engine>,
    /// Most bytes of results in an answer.
    pub results_limit: u64,
}

type Store = Option<Arc<Batches>>;

/// The routes; without a place for batches none can be kept, and every call is told so.
pub fn router(batches: Store) -> Router {
    Router::new()
        .route("/v1/batches", get(list).post(create::create))
        .route("/v1/batches/{id}", get(show).delete(cancel))
        .route("/v1/batches/{id}/results", get(results))
        .with_state(batches)
}

fn there(batches: Store) -> Result<Arc<Batches>, Problem> {
    let none = || Problem::store_unavailable("this service has no place for batches: none is kept");
    batches.ok_or_else(none)
}

async fn list(State(batches): State<Store>, id: RequestId, request: Request) -> Response {
    let outcome = match http::query(&request, &["limit"]) {
        Ok(query) => page(batches, query).await,
        Err(problem) => Err(problem),
    };
    http::reply(outcome, id)
}

async fn page(batches: Store, query: BatchQuery) -> Result<BatchList, Problem> {
    let batches = there(batches)?;
    let limit = query.limit.get() as usize;
    let page = batches.jobs.jobs(query.cursor.as_ref(), limit).await.map_err(unavailable)?;
    let next_cursor = page.jobs.last().filter(|_| page.more).map(|job| job.batch_id.clone());
    let listed: Vec<_> = page.jobs.into_iter().map(|job| batches.listed(job)).collect();
    let items: Vec<Result<Listed, Problem>> = stream::iter(listed).buffered(LISTED_AT_A_TIME).collect().await;
    Ok(BatchList { items: items.into_iter().collect::<Result<_, _>>()?, next_cursor })
}

async fn show(State(batches): State<Store>, Path(batch): Path<String>, id: RequestId) -> Response {
    let outcome = async {
        let (batches, batch) = (there(batches)?, batch_id(batch)?);
        let job = batches.job(&batch).await?;
        batches.described(job, &id).await
    };
    http::reply(outcome.await, id)
}

async fn cancel(State(batches): State<Store>, Path(batch): Path<String>, id: RequestId) -> Response {
    let outcome = async {
        let (batches, batch) = (there(batches)?, batch_id(batch)?);
        let cancelled = jobs::change(batches.jobs.as_ref(), &batch, |job| {
            if !job.state.is_final() {
                job.state = BatchState::Cancelled;
            }
        });
        let job = cancelled.await.map_err(unavailable)?.ok_or_else(unknown)?;
        if job.state == BatchState::Cancelled && batches.engine.stop(&job).await.is_err() {
            // Whoever runs it sees at its next step that it is over.
            tracing::warn!(%batch, "the run of a cancelled batch could not be stopped");
        }
        batches.described(job, &id).await
    };
    http::reply(outcome.await, id)
}

async fn results(State(batches): State<Store>, Path(batch): Path<String>, id: RequestId) -> Response {
    let outcome = async {
        let (batches, batch) = (there(batches)?, batch_id(batch)?);
        batches.results(&batch).await
    };
    match outcome.await {
        Ok(body) => {
            let media_type = HeaderValue::from_static("application/x-ndjson");
            ([(header::CONTENT_TYPE, media_type)], body).into_response()
        }
        Err(problem) => http::reply::<()>(Err(problem), id),
    }
}

/// What of a manifest is read here.
#[derive(Deserialize)]
struct Manifest {
    parts: Vec<Part>,
}

impl Batches {
    async fn job(&self, batch: &BatchId) -> Result<Job, Problem> {
        let kept = self.jobs.job(batch).await.map_err(unavailable)?;
        kept.map(|kept| kept.job).ok_or_else(unknown)
    }

    async fn described(&self, job: Job, id: &RequestId) -> Result<Batch, Problem> {
        Ok(Batch { request_id: id.0.clone(), batch: self.listed(job).await? })
    }

    async fn listed(&self, job: Job) -> Result<Listed, Problem> {
        let progress = self.progress(&job).await?;
        let manifest = self.objects.url(&manifest_key(&job.batch_id));
        Ok(Listed {
            batch_id: job.batch_id,
            state: job.state,
            reason: job.reason,
            source: job.source,
            input: job.input.filter(|_| job.source == BatchSource::Input),
            backend: job.backend,
            format: job.format,
            model: job.model,
            created_at: job.created_at,
            updated_at: job.updated_at,
            progress,
            results: job.tally.map(|tally| Results { manifest, tally }),
        })
    }

    /// How much is done: the parts that are there.
    async fn progress(&self, job: &Job) -> Result<BatchProgress, Problem> {
        if let Some(tally) = job.tally {
            return Ok(BatchProgress { rows: tally.rows, errors: tally.errors, total: job.rows });
        }
        if job.run.is_none() {
            return Ok(BatchProgress { total: job.rows, ..BatchProgress::default() });
        }
        let found = parts::found(&self.objects, &job.batch_id).await.map_err(|error| unstored(&error))?;
        let (rows, errors) =
            found.iter().fold((0, 0), |(rows, errors), part| (rows + part.rows, errors + part.errors));
        // What was cut twice counts once at most.
        Ok(BatchProgress { rows: rows.min(job.rows.unwrap_or(rows)), errors, total: job.rows })
    }

    /// The parts, one after the other.
    async fn results(&self, batch: &BatchId) -> Result<Body, Problem> {
        let job = self.job(batch).await?;
        if job.state != BatchState::Succeeded {
            let state = serde_json::to_value(job.state).unwrap_or_default();
            let detail = format!("the batch is {}", state.as_str().unwrap_or_default());
            return Err(Problem::new(ProblemCode::BatchUnfinished, detail));
        }
        let key = manifest_key(batch);
        let manifest = self.objects.get(&key).await.map_err(|error| unstored(&error))?;
        let manifest: Manifest = serde_json::from_slice(&manifest).map_err(unreadable)?;
        let bytes: u64 = manifest.parts.iter().map(|part| part.bytes).sum();
        if bytes > self.results_limit {
            let (limit, url) = (self.results_limit, self.objects.url(&key));
            let detail = format!(
                "the results have {bytes} bytes; an answer has at most {limit}: {url} lists their parts"
            );
            return Err(Problem::new(ProblemCode::ResultsTooLarge, detail));
        }
        let objects = self.objects.clone();
        let parts = stream::iter(manifest.parts).then(move |part| {
            let objects = objects.clone();
            async move { objects.get(&part.key).await }
        });
        Ok(Body::from_stream(parts))
    }
}

fn batch_id(text: String) -> Result<BatchId, Problem> {
    BatchId::try_from(text).map_err(|error| Problem::invalid_path_id(&error))
}

fn unknown() -> Problem {
    Problem::new(ProblemCode::UnknownBatch, "there is no batch of this id; one is forgotten after 90 days")
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn unavailable(error: StoreError) -> Problem {
    telemetry::failed(Dependency::Store, "batch", &error);
    Problem::store_unavailable("nothing was promised: ask again")
}

fn unstored(error: &ObjectError) -> Problem {
    unreadable(error.without_its_key())
}

fn unreadable(error: impl fmt::Display) -> Problem {
    telemetry::failed(Dependency::Store, "batch", &error);
    Problem::store_unavailable("what is kept of the batch can't be read: ask again")
}

#[cfg(test)]
mod tests;

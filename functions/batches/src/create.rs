//! `POST /v1/batches`

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::Value;
use sha2::{Digest, Sha256};
use shared::api::batches::{BATCH_BODY_LIMIT, Batch, BatchSource, BatchState, FailureCode, NewBatch, Source};
use shared::api::http::{self, RequestId};
use shared::api::{BatchId, Fault, FaultCode, Problem, ProblemCode, parse};
use shared::batch::objects::ObjectError;
use shared::batch::parts::input_key;
use shared::batch::run;
use shared::model::manifest::hex;
use shared::store::jobs::{Claim, Job};

use crate::{Batches, Store, there, unavailable, unstored};

/// Longest `Idempotency-Key`.
const KEY_LENGTH: usize = 128;

pub(super) async fn create(State(batches): State<Store>, id: RequestId, request: Request) -> Response {
    let outcome = async {
        let key = key(request.headers())?;
        let body = http::json_bytes(request, BATCH_BODY_LIMIT).await?;
        let new: NewBatch = parse(&body)?;
        there(batches)?.make(new, &body, key, &id).await
    };
    http::accepted(outcome.await, id)
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let plain =
        |key: &&str| (1..=KEY_LENGTH).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    let Some(key) = value.to_str().ok().filter(plain) else {
        let detail = format!("the header Idempotency-Key has 1 to {KEY_LENGTH} visible ASCII characters");
        let fault = Fault { pointer: "/Idempotency-Key".into(), code: FaultCode::InvalidValue, detail };
        return Err(Problem::invalid_request(vec![fault]));
    };
    Ok(Some(key.to_owned()))
}

impl Batches {
    async fn make(
        self: Arc<Self>,
        new: NewBatch,
        body: &[u8],
        key: Option<String>,
        id: &RequestId,
    ) -> Result<Batch, Problem> {
        // Spaces and the order of fields are not what a request is.
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        let keyed = key.is_some();
        let batch_id = match key {
            Some(key) => self.claimed(&key, &value).await?,
            None => run::new_id(),
        };
        let job = self.kept(batch_id, new, &value).await?;
        if job.state == BatchState::Queued && self.engine.start(&job.batch_id).await.is_err() {
            if !keyed {
                // Nobody can ask for this one again.
                let detail = "its run could not be started";
                run::fail(self.jobs.as_ref(), &job.batch_id, FailureCode::Broken, detail)
                    .await
                    .map_err(unavailable)?;
            }
            return Err(Problem::store_unavailable("the batch could not be started: ask again"));
        }
        self.described(job, id).await
    }

    /// That an input is where batches are read.
    async fn is_there(&self, url: &str) -> Result<(), Problem> {
        let unknown = |detail: String| Problem::new(ProblemCode::UnknownInput, detail);
        let key = self.objects.key(url).ok_or_else(|| {
            unknown(format!("files are read below {} here, and {url} is not there", self.objects.url("")))
        })?;
        match self.objects.head(&key).await {
            Ok(_) => Ok(()),
            Err(ObjectError::Missing(_)) => Err(unknown(format!("there is no {url}"))),
            Err(error) => Err(unstored(&error)),
        }
    }

    /// The id of the batch that is made under a key.
    async fn claimed(&self, key: &str, body: &Value) -> Result<BatchId, Problem> {
        let fingerprint = hex(&Sha256::digest(body.to_string()));
        let claim = Claim { batch_id: run::new_id(), fingerprint };
        let held = self.jobs.claim(&format!("request\n{key}"), &claim).await.map_err(unavailable)?;
        if held.fingerprint == claim.fingerprint {
            return Ok(held.batch_id);
        }
        let detail =
            format!("the batch {} was made under this Idempotency-Key, of another body", held.batch_id);
        Err(Problem::new(ProblemCode::IdempotencyConflict, detail))
    }

    /// The batch, which may be there already; its people first.
    async fn kept(&self, batch_id: BatchId, new: NewBatch, body: &Value) -> Result<Job, Problem> {
        if let Some(kept) = self.jobs.job(&batch_id).await.map_err(unavailable)? {
            return Ok(kept.job);
        }
        if let Source::Input(url) = &new.source {
            self.is_there(url.as_str()).await?;
        }
        let (source, input) = match &new.source {
            Source::People(_) => {
                let people = body["people"].as_array().into_iter().flatten();
                let lines: String = people.map(|person| format!("{person}\n")).collect();
                let key = input_key(&batch_id);
                // Of two who ask under one key, the second must not exchange what the first may be running on.
                self.objects.put_new(&key, lines.into_bytes()).await.map_err(|error| unstored(&error))?;
                (BatchSource::People, None)
            }
            Source::Input(url) => (BatchSource::Input, Some(url.as_str().to_owned())),
            Source::AllUsers => (BatchSource::AllUsers, None),
        };
        let NewBatch { backend, format, k, .. } = new;
        let job = Job { input, backend, format, k, ..Job::new(batch_id, source) };
        if self.jobs.create(&job).await.map_err(unavailable)? {
            return Ok(job);
        }
        // Somebody with the same key was a moment sooner.
        self.job(&job.batch_id).await
    }
}

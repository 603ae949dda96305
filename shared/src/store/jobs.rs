//! Batches as they are kept, and everybody who can be in one.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Saved, StoreError};
use crate::api::batches::{Backend, BatchReason, BatchSource, BatchState, Format, Tally};
use crate::api::history::Time;
use crate::api::recommendation::{K, ModelReceipt};
use crate::api::{BatchId, UserId};

/// Days that a batch is remembered.
pub const JOB_RETENTION_DAYS: i64 = 90;

/// The least id of the batches that are remembered at a time, as they begin with the millisecond in which they were made.
#[must_use]
pub fn oldest_id(now: Time) -> String {
    let first = now.millis() - JOB_RETENTION_DAYS * 86_400_000;
    format!("b{:012x}", first.max(0))
}

/// A batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its id. Later batches have greater ones.
    pub batch_id: BatchId,
    /// How far it is.
    pub state: BatchState,
    /// Why it failed.
    pub reason: Option<BatchReason>,
    /// Where its people come from.
    pub source: BatchSource,
    /// Where its input is; `None` while there is none, as people have still to be enumerated.
    pub input: Option<String>,
    /// Names the very bytes of the input, where the store of objects says it.
    pub input_tag: Option<String>,
    /// Who scores.
    pub backend: Backend,
    /// How answers are written.
    pub format: Format,
    /// How many items for whoever doesn't say.
    pub k: Option<K>,
    /// When it was asked for.
    pub created_at: Time,
    /// When its state last changed.
    pub updated_at: Time,
    /// Whose run it is: a second one of the same batch has nothing to do.
    pub run: Option<String>,
    /// The model that it is bound to; `None` before it runs.
    pub model: Option<ModelReceipt>,
    /// The digest of the accelerator's model, from its first answer on, where it is an accelerator that scores.
    #[serde(default)]
    pub accelerator: Option<String>,
    /// Lines of the input, once they are counted.
    pub rows: Option<u64>,
    /// What the answers are, once all are there.
    pub tally: Option<Tally>,
}

impl Job {
    /// A batch that is asked for now, and waits for its run: the function scores, answers have Marquee's form.
    #[must_use]
    pub fn new(batch_id: BatchId, source: BatchSource) -> Self {
        let now = Time::now();
        Self {
            batch_id,
            state: BatchState::Queued,
            reason: None,
            source,
            input: None,
            input_tag: None,
            backend: Backend::default(),
            format: Format::default(),
            k: None,
            created_at: now,
            updated_at: now,
            run: None,
            model: None,
            accelerator: None,
            rows: None,
            tally: None,
        }
    }
}

/// A job, and the state that it was read in.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptJob {
    /// The job.
    pub job: Job,
    /// Names this very state of it.
    pub revision: String,
}

/// Which batch a request or an object made, and of what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The batch.
    pub batch_id: BatchId,
    /// Tells what was asked for from anything else.
    pub fingerprint: String,
}

/// A page of jobs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobPage {
    /// Newest first.
    pub jobs: Vec<Job>,
    /// Whether there are more after the last of these.
    pub more: bool,
}

/// What batches are kept in.
#[async_trait]
pub trait Jobs: Send + Sync + fmt::Debug {
    /// The claim under this name: this one, if nobody has made one before.
    async fn claim(&self, name: &str, claim: &Claim) -> Result<Claim, StoreError>;

    /// Keeps a new job; whether it is new. One that is there stays as it is.
    async fn create(&self, job: &Job) -> Result<bool, StoreError>;

    /// A job as it is at this moment.
    async fn job(&self, id: &BatchId) -> Result<Option<KeptJob>, StoreError>;

    /// Replaces a job, if it is still the one of `revision`.
    async fn replace(&self, job: &Job, revision: &str) -> Result<Saved, StoreError>;

    /// At most `limit` jobs, newest first, those made before `before`.
    async fn jobs(&self, before: Option<&BatchId>, limit: usize) -> Result<JobPage, StoreError>;
}

/// How often a change is tried that others overtake.
const CHANGES: u32 = 20;

/// Changes a job whatever others do meanwhile: what it is afterwards; `None` where there is none. A change that changes
/// nothing is not written.
///
/// # Errors
/// When the store fails, or somebody always comes first.
pub async fn change(
    jobs: &dyn Jobs,
    id: &BatchId,
    change: impl Fn(&mut Job) + Send,
) -> Result<Option<Job>, StoreError> {
    for _ in 0..CHANGES {
        let Some(KeptJob { mut job, revision }) = jobs.job(id).await? else { return Ok(None) };
        let before = job.clone();
        change(&mut job);
        if job == before {
            return Ok(Some(job));
        }
        if job.state != before.state {
            job.updated_at = Time::now();
        }
        if jobs.replace(&job, &revision).await? == Saved::Kept {
            return Ok(Some(job));
        }
    }
    Err(StoreError::new("a batch was changed by others again and again"))
}

/// A part of everybody, none of whom is in two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Which, from 0.
    pub index: u32,
    /// Of how many.
    pub of: u32,
}

/// Some of the people of a segment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UserPage {
    /// Whoever has a profile, each once; may be empty though more follow.
    pub users: Vec<UserId>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<String>,
}

/// Who is known at all.
#[async_trait]
pub trait Everyone: Send + Sync + fmt::Debug {
    /// A page of the people of a segment, from where `from` says. Who comes or goes meanwhile may be there or not.
    async fn users(&self, segment: Segment, from: Option<&str>) -> Result<UserPage, StoreError>;
}

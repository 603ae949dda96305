//! What the steps of a batch's run hand to each other: the input and output of `plan-batch`, `score-batch` and
//! `finish-batch`, as JSON where Step Functions is between them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::layout::Layout;
use super::objects::ObjectError;
use super::ranges::Range;
use super::score::ScoreError;
use crate::api::BatchId;
use crate::api::batches::{Backend, BatchReason, BatchState, FailureCode, Format};
use crate::api::recommendation::K;
use crate::model::manifest::hex;
use crate::store::jobs::{self, Claim, Job};
use crate::store::{Jobs, StoreError};

/// What `plan-batch` is given.
#[derive(Clone, Debug, Deserialize)]
pub struct PlanEvent {
    /// The batch's id, or what happened in the bucket.
    pub event: Asked,
    /// Whose run it is; an execution's ARN.
    pub run: String,
}

/// What asks for a run.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Asked {
    /// A batch that is kept.
    Batch {
        /// Its id.
        batch_id: BatchId,
    },
    /// An object that was made, as EventBridge tells it
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>).
    Object {
        /// What happened.
        detail: ObjectCreated,
    },
    /// Everybody: the nightly schedule.
    AllUsers {
        /// `true`
        all_users: bool,
        /// Names this very night: asked for twice, it is one batch.
        at: String,
    },
}

impl Asked {
    /// The name under which the batch of this is claimed, where it is not made before its run: one for each version of
    /// each object and for each night, however often it is told.
    #[must_use]
    pub fn claimed_as(&self) -> Option<String> {
        match self {
            Self::Batch { .. } => None,
            Self::Object { detail: ObjectCreated { bucket, object } } => {
                let version = object.version_id.as_ref().or(object.etag.as_ref()).map_or("", String::as_str);
                Some(format!("object\n{}\n{}\n{version}", bucket.name, object.key))
            }
            Self::AllUsers { at, .. } => Some(format!("night\n{at}")),
        }
    }

    /// The id of its batch, which is claimed if nobody has.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn batch_id(&self, jobs: &dyn Jobs) -> Result<BatchId, StoreError> {
        match (self, self.claimed_as()) {
            (Self::Batch { batch_id }, _) => Ok(batch_id.clone()),
            (_, name) => {
                let name = name.unwrap_or_default();
                let claim = Claim { batch_id: new_id(), fingerprint: hex(&Sha256::digest(&name)) };
                Ok(jobs.claim(&name, &claim).await?.batch_id)
            }
        }
    }
}

/// An object that was made.
#[derive(Clone, Debug, Deserialize)]
pub struct ObjectCreated {
    /// In which bucket.
    pub bucket: Bucket,
    /// Which object.
    pub object: CreatedObject,
}

/// A bucket.
#[derive(Clone, Debug, Deserialize)]
pub struct Bucket {
    /// Its name.
    pub name: String,
}

/// An object as the event has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CreatedObject {
    /// Its key.
    pub key: String,
    /// Names its bytes.
    #[serde(default)]
    pub etag: Option<String>,
    /// Names this version of it, in a bucket that has versions.
    #[serde(default)]
    pub version_id: Option<String>,
}

/// What `plan-batch` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// The batch.
    pub batch_id: BatchId,
    /// Whether there is something to do. There is not when another run does it, or it failed, or was cancelled.
    pub go: bool,
    /// How the batch is: `running` where there is something to do; `None` where there is no such batch.
    #[serde(default)]
    pub state: Option<BatchState>,
    /// What is the same for every range; `None` when there is nothing to do.
    pub task: Option<Task>,
    /// What to score, side by side.
    pub ranges: Vec<Range>,
}

/// What a batch is bound to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// The batch.
    pub batch_id: BatchId,
    /// The object that holds its lines.
    pub key: String,
    /// Names its very bytes.
    pub tag: Option<String>,
    /// How lines are read.
    pub layout: Layout,
    /// How answers are written.
    pub format: Format,
    /// How many items for whoever doesn't say.
    pub k: Option<K>,
    /// Who scores.
    pub backend: Backend,
    /// The digest of the model.
    pub model: String,
}

/// What `score-batch` is given, and what it answers: the same, with what is left to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scoring {
    /// What the batch is bound to.
    pub task: Task,
    /// What is to be scored.
    pub range: Range,
    /// Whether nothing is left.
    #[serde(default)]
    pub done: bool,
}

/// What `finish-batch` is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FinishEvent {
    /// What `plan-batch` answered; `None` when that is what failed.
    #[serde(default)]
    pub planned: Option<Planned>,
    /// What asked for the run.
    #[serde(default)]
    pub event: Option<Value>,
    /// What broke the run off.
    #[serde(default)]
    pub error: Option<Value>,
}

/// Nothing is wrong with the batch: trying again may help. It goes to the log, and holds no keys or ids.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Why a step does not go on.
#[derive(Debug)]
pub enum Stop {
    /// It never will: the batch is over.
    Fault(FailureCode, String),
    /// It may later.
    Failure(Failure),
}

impl Stop {
    /// What it means when an input can't be read.
    #[must_use]
    pub fn reading(error: ObjectError) -> Self {
        match error {
            ObjectError::Missing(_) => Self::Fault(FailureCode::InputMissing, error.to_string()),
            ObjectError::Changed(_) => Self::Fault(FailureCode::InputChanged, error.to_string()),
            ObjectError::Failed { .. } => error.into(),
        }
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

impl From<ObjectError> for Stop {
    fn from(error: ObjectError) -> Self {
        Self::Failure(error.without_its_key().into())
    }
}

impl From<ScoreError> for Stop {
    fn from(error: ScoreError) -> Self {
        match error {
            ScoreError::OtherModel { .. } => Self::Fault(FailureCode::ModelChanged, error.to_string()),
            ScoreError::Store(_) | ScoreError::Accelerator(_) => Self::Failure(error.into()),
        }
    }
}

/// Longest detail of a reason, in characters: a batch is kept as one item.
const DETAIL_LENGTH: usize = 1_000;

/// Marks a job as failed, unless it has come to an end already: nothing that was done goes away.
///
/// # Errors
/// When the store fails.
pub async fn fail(
    jobs: &dyn Jobs,
    batch: &BatchId,
    code: FailureCode,
    detail: impl Into<String>,
) -> Result<Option<Job>, StoreError> {
    let detail: String = detail.into().chars().take(DETAIL_LENGTH).collect();
    let reason = BatchReason { code, detail };
    let changed = jobs::change(jobs, batch, |job| {
        if !job.state.is_final() {
            job.state = BatchState::Failed;
            job.reason = Some(reason.clone());
        }
    })
    .await?;
    if changed.as_ref().is_some_and(|job| job.reason.as_ref() == Some(&reason)) {
        // The detail, which may repeat the input, is the callers' to read, in the batch.
        tracing::warn!(batch_id = %batch, code = ?reason.code, "a batch failed");
    }
    Ok(changed)
}

/// An id for a new batch: greater than those of milliseconds before, and never given before.
#[must_use]
pub fn new_id() -> BatchId {
    let now = crate::api::history::Time::now().millis();
    let random = crate::api::http::RequestId::random().0;
    BatchId::try_from(format!("b{now:012x}-{}", &random[..16]))
        .unwrap_or_else(|_| unreachable!("hexadecimal digits make an id"))
}

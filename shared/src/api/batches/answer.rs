//! What is answered at `/v1/batches`.

use serde::{Deserialize, Serialize};

use super::{Backend, Format, Tally};
use crate::api::BatchId;
use crate::api::history::Time;
use crate::api::recommendation::ModelReceipt;

/// How far a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub enum BatchState {
    /// It is kept, and will be run.
    Queued,
    /// It is being run.
    Running,
    /// Every line has its answer.
    Succeeded,
    /// It can't be finished; `reason` says why. What was done is kept.
    Failed,
    /// Somebody cancelled it. What was done is kept.
    Cancelled,
}

impl BatchState {
    /// Whether it stays so.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// Where a batch's people come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub enum BatchSource {
    /// From the request.
    People,
    /// From a file.
    Input,
    /// Everybody of whom something is stored.
    AllUsers,
}

/// Why a batch failed. The names are part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub enum FailureCode {
    /// There is no such file.
    InputMissing,
    /// Nobody is in it.
    InputEmpty,
    /// It can't be read: damaged, or packed otherwise than its name says, or its first line names columns that are not known.
    InputUnreadable,
    /// It was exchanged while it was being scored.
    InputChanged,
    /// The model was exchanged while the batch ran: one batch, one model.
    ModelChanged,
    /// The accelerator that is asked for is not there.
    NoAccelerator,
    /// Parts of the input have no answers, after every attempt; the manifest lists which.
    PartsMissing,
    /// It broke off; the log has more under the batch's id.
    Broken,
}

/// Why a batch failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct BatchReason {
    /// What kind of failure.
    pub code: FailureCode,
    /// The same for a person.
    pub detail: String,
}

/// How much is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct BatchProgress {
    /// Lines that have their answer.
    pub rows: u64,
    /// Those among them that are errors.
    pub errors: u64,
    /// Lines of the input; `null` before they are counted.
    pub total: Option<u64>,
}

/// Where the answers are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Results {
    /// The manifest, which lists the parts in order with their digests.
    pub manifest: String,
    /// What the answers are.
    pub tally: Tally,
}

/// One batch.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Batch {
    /// The id under which logs know this request.
    pub request_id: String,
    /// The batch.
    #[serde(flatten)]
    pub batch: Listed,
}

/// A batch in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Listed {
    /// Its id.
    pub batch_id: BatchId,
    /// How far it is.
    pub state: BatchState,
    /// Why it failed; `null` unless it did.
    pub reason: Option<BatchReason>,
    /// Where its people come from.
    pub source: BatchSource,
    /// The file that they come from, where it is one that was named.
    pub input: Option<String>,
    /// Who scores.
    pub backend: Backend,
    /// How the answers are written.
    pub format: Format,
    /// The model; `null` before the batch runs.
    pub model: Option<ModelReceipt>,
    /// When it was asked for.
    pub created_at: Time,
    /// When its state last changed.
    pub updated_at: Time,
    /// How much is done.
    pub progress: BatchProgress,
    /// Where the answers are; `null` before all are there.
    pub results: Option<Results>,
}

/// A page of batches, newest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct BatchList {
    /// The batches. What a list says of progress may be a moment old.
    pub items: Vec<Listed>,
    /// Where the next page begins; `null` on the last.
    pub next_cursor: Option<BatchId>,
}

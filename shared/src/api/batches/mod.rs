//! `/v1/batches`: many people at once, answered in the background.

mod answer;
mod person;
mod request;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::checker::{Check, Checker};
use super::error::FaultCode;

pub use answer::{
    Batch, BatchList, BatchProgress, BatchReason, BatchSource, BatchState, FailureCode, Listed, Results,
};
pub use person::{Asked, Person, RankedPerson, RecommendedPerson};
#[cfg(feature = "openapi")]
pub(super) use request::Fields as NewBatchFields;
pub use request::{AllUsers, BatchQuery, InputUrl, NewBatch, PEOPLE_LIMIT, Source, URL_LENGTH};

/// Largest body in bytes: a thousand people with histories of a dozen items take some 300 KB.
pub const BATCH_BODY_LIMIT: usize = 1024 * 1024;

/// How answers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub enum Format {
    /// `{"input", "output": {"items", "rung", "model"}}` or `{"input", "error"}`.
    #[default]
    Marquee,
    /// That of Amazon Personalize's batch jobs: `{"input", "output": {"recommendedItems", "scores"}, "error"}`.
    Personalize,
}

/// Who scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub enum Backend {
    /// The model inside the function: the same bytes whenever and wherever it runs.
    #[default]
    Function,
    /// The accelerator.
    Accelerator,
}

macro_rules! words {
    ($type:ty: $($word:literal),*) => {
        impl Check for $type {
            fn check(value: &Value, checker: &mut Checker) {
                let words = [$($word),*];
                if checker.string(value).is_some_and(|text| !words.contains(&text)) {
                    checker.fault(FaultCode::InvalidValue, format!("expected one of {}", words.join(", ")));
                }
            }
        }
    };
}

words!(Format: "marquee", "personalize");
words!(Backend: "function", "accelerator");

/// How much of what was read and answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Tally {
    /// Lines.
    pub rows: u64,
    /// Those among them that could not be answered.
    pub errors: u64,
    /// Answers of the accelerator.
    pub accelerator: u64,
    /// Answers of the model inside the function.
    pub function: u64,
    /// Answers of what is popular.
    pub popular: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.rows += other.rows;
        self.errors += other.errors;
        self.accelerator += other.accelerator;
        self.function += other.function;
        self.popular += other.popular;
    }
}

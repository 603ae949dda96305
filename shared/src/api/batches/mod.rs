//! Batches: many people at once.

mod person;

use serde::{Deserialize, Serialize};

pub use person::{Asked, Person, RankedPerson, RecommendedPerson};
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

//! `GET /v1/health` and `GET /v1/ready`: alive, and able to answer.

use serde::Serialize;

/// The answer to `GET /v1/health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Health {
    /// The process answers.
    pub status: HealthStatus,
    /// The version of the service.
    pub version: &'static str,
}

/// What `GET /v1/health` says of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub enum HealthStatus {
    /// It answers; it says nothing else.
    Alive,
}

/// The answer to `GET /v1/ready`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Ready {
    /// Whether an answer is possible.
    pub ready: bool,
    /// How each dependency fares.
    pub dependencies: Dependencies,
}

/// Each dependency's state; one that is not configured is not listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Dependencies {
    /// The model inside the function.
    pub model: ModelState,
    /// Where people's state is kept; without it answers are given on what requests bring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<State>,
    /// The accelerator; without it the model inside the function answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accelerator: Option<State>,
}

/// The state of a dependency of which there is no more to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct State {
    /// How it fares.
    pub state: DependencyState,
}

impl From<DependencyState> for State {
    fn from(state: DependencyState) -> Self {
        Self { state }
    }
}

/// The model that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ModelState {
    /// How it fares.
    pub state: DependencyState,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Items in its catalogue.
    pub items: usize,
}

/// How a dependency fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub enum DependencyState {
    /// It can be used.
    Ready,
    /// It can't: answers are given without it.
    Unavailable,
    /// Nobody looked in the last minutes.
    Unknown,
}

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
}

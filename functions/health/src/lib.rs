//! `GET /v1/health`: alive. `GET /v1/ready`: an answer is possible, and how each dependency fares. `GET /openapi.json`: what
//! the service answers.

mod dependencies;
mod document;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use shared::api::health::{Health, HealthStatus, Ready};
use shared::api::routes::Access;

pub use dependencies::{Noted, Standing};

/// The routes of a service that knows its callers in this way. All are public, and say no more than a monitor and a client
/// need.
pub fn router(standing: Standing, access: Access) -> Router {
    Router::new()
        .route("/v1/health", get(health))
        .route("/v1/ready", get(ready))
        .with_state(standing)
        .merge(document::router(access))
}

async fn health() -> Json<Health> {
    Json(Health { status: HealthStatus::Alive, version: env!("CARGO_PKG_VERSION") })
}

/// With the model an answer is possible, whatever the other dependencies do.
async fn ready(State(standing): State<Standing>) -> Json<Ready> {
    Json(Ready { ready: true, dependencies: standing.look().await })
}

#[cfg(test)]
mod tests;

//! `GET /v1/health`: alive. `GET /v1/ready`: an answer is possible, and how each dependency fares. `GET /openapi.json`: what
//! the service answers.

mod document;

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use shared::api::health::{Dependencies, DependencyState, Health, HealthStatus, ModelState, Ready};
use shared::api::routes::Access;
use shared::recommend::Recommending;

/// The routes of a service that knows its callers in this way. All are public, and say no more than a monitor and a client
/// need.
pub fn router(recommending: Arc<Recommending>, access: Access) -> Router {
    Router::new()
        .route("/v1/health", get(health))
        .route("/v1/ready", get(ready))
        .with_state(recommending)
        .merge(document::router(access))
}

async fn health() -> Json<Health> {
    Json(Health { status: HealthStatus::Alive, version: env!("CARGO_PKG_VERSION") })
}

/// The model is mapped before the first request, and with it an answer is possible whatever else fails.
async fn ready(State(recommending): State<Arc<Recommending>>) -> Json<Ready> {
    let artifact = recommending.artifact();
    let model = ModelState {
        state: DependencyState::Ready,
        name: artifact.config.name.clone(),
        version: artifact.config.version.clone(),
        items: artifact.catalogue.len(),
    };
    Json(Ready { ready: true, dependencies: Dependencies { model } })
}

#[cfg(test)]
mod tests;

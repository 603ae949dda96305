//! `GET /v1/health`: alive. `GET /v1/ready`: an answer is possible, and how each dependency fares.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use shared::recommend::Recommending;

/// The routes. Both are public, and say no more than a monitor needs.
pub fn router(recommending: Arc<Recommending>) -> Router {
    Router::new().route("/v1/health", get(health)).route("/v1/ready", get(ready)).with_state(recommending)
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
}

async fn health() -> Json<Health> {
    Json(Health { status: "alive", version: env!("CARGO_PKG_VERSION") })
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    dependencies: Dependencies,
}

/// Each dependency's state; one that is not configured is not listed.
#[derive(Serialize)]
struct Dependencies {
    model: ModelState,
}

#[derive(Serialize)]
struct ModelState {
    state: &'static str,
    name: String,
    version: String,
    items: usize,
}

/// The model is mapped before the first request, and with it an answer is possible whatever else fails.
async fn ready(State(recommending): State<Arc<Recommending>>) -> Json<Ready> {
    let artifact = recommending.artifact();
    let model = ModelState {
        state: "ready",
        name: artifact.config.name.clone(),
        version: artifact.config.version.clone(),
        items: artifact.catalogue.len(),
    };
    Json(Ready { ready: true, dependencies: Dependencies { model } })
}

#[cfg(test)]
mod tests;

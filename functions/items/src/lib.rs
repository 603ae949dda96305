//! `GET /v1/items`, `GET /v1/items/{id}` and `GET /v1/popular`: the catalogue.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;
use shared::api::Problem;
use shared::api::http::{self, RequestId};
use shared::recommend::Recommending;
use shared::telemetry;

/// The routes, over a model that lives as long as the process.
pub fn router(recommending: Arc<Recommending>) -> Router {
    Router::new()
        .route("/v1/items", get(list))
        .route("/v1/items/{id}", get(one))
        .route("/v1/popular", get(popular))
        .with_state(recommending)
}

async fn list(State(recommending): State<Arc<Recommending>>, id: RequestId, request: Request) -> Response {
    let page = http::query(&request, &["limit"]).map(|query| recommending.items(&query));
    answer("GET /v1/items", page, id)
}

async fn one(
    State(recommending): State<Arc<Recommending>>,
    Path(item): Path<String>,
    id: RequestId,
) -> Response {
    answer("GET /v1/items/{id}", recommending.item(&item), id)
}

async fn popular(State(recommending): State<Arc<Recommending>>, id: RequestId, request: Request) -> Response {
    let list = http::query(&request, &["k"]).map(|query| recommending.popular_items(&query));
    answer("GET /v1/popular", list, id)
}

fn answer<T: Serialize>(route: &str, outcome: Result<T, Problem>, id: RequestId) -> Response {
    telemetry::request(route, &id, outcome.as_ref().map(|_| None));
    http::reply(outcome, id)
}

#[cfg(test)]
mod tests;

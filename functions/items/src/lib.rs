//! `GET /v1/items`, `GET /v1/items/{id}` and `GET /v1/popular`: the catalogue.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::get;
use shared::api::http::{self, RequestId};
use shared::recommend::Recommending;

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
    http::reply(page, id)
}

async fn one(
    State(recommending): State<Arc<Recommending>>,
    Path(item): Path<String>,
    id: RequestId,
) -> Response {
    http::reply(recommending.item(&item), id)
}

async fn popular(State(recommending): State<Arc<Recommending>>, id: RequestId, request: Request) -> Response {
    let list = http::query(&request, &["k"]).map(|query| recommending.popular_items(&query));
    http::reply(list, id)
}

#[cfg(test)]
mod tests;

//! `GET /v1/items/{id}/similar`: what is like this item?

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::get;
use shared::api::http::{self, RequestId};
use shared::recommend::Recommending;

/// The route, over a model that lives as long as the process.
pub fn router(recommending: Arc<Recommending>) -> Router {
    Router::new().route("/v1/items/{id}/similar", get(similar)).with_state(recommending)
}

async fn similar(
    State(recommending): State<Arc<Recommending>>,
    Path(item): Path<String>,
    id: RequestId,
    request: Request,
) -> Response {
    let outcome = http::query(&request, &["k"]).and_then(|query| recommending.similar(&item, &query));
    http::reply(outcome, id)
}

#[cfg(test)]
mod tests;

//! `POST /v1/rankings`: these items, in which order for this person?

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use shared::api::Problem;
use shared::api::http::{self, RequestId};
use shared::api::ranking::{RankingAnswer, RankingRequest};
use shared::recommend::Recommending;

/// The route, over a model that lives as long as the process.
pub fn router(recommending: Arc<Recommending>) -> Router {
    Router::new().route("/v1/rankings", post(rank)).with_state(recommending)
}

async fn rank(State(recommending): State<Arc<Recommending>>, id: RequestId, request: Request) -> Response {
    let outcome = answer(&recommending, &id, request).await;
    http::reply_with_receipt(outcome, id)
}

async fn answer(
    recommending: &Recommending,
    id: &RequestId,
    request: Request,
) -> Result<RankingAnswer, Problem> {
    let request: RankingRequest = http::json_body(request).await?;
    Ok(recommending.rank(&request, id.0.clone()))
}

#[cfg(test)]
mod tests;

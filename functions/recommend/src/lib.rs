//! `POST /v1/recommendations`: what should this person have next?

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use shared::api::http::{self, RequestId};
use shared::api::{Answer, Problem, RecommendationRequest};
use shared::recommend::Recommending;

/// The route; it is mounted on `recommending`, which lives as long as the process.
pub fn router(recommending: Arc<Recommending>) -> Router {
    Router::new().route("/v1/recommendations", post(recommend)).with_state(recommending)
}

async fn recommend(
    State(recommending): State<Arc<Recommending>>,
    id: RequestId,
    request: Request,
) -> Response {
    let outcome = answer(&recommending, &id, request).await;
    http::reply_with_receipt(outcome, id)
}

async fn answer(recommending: &Recommending, id: &RequestId, request: Request) -> Result<Answer, Problem> {
    let request: RecommendationRequest = http::json_body(request).await?;
    Ok(recommending.answer(&request, id.0.clone()))
}

#[cfg(test)]
mod tests;

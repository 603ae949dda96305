//! `POST /v1/rankings`: these items, in which order for this person?

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use shared::api::Problem;
use shared::api::http::{self, RequestId};
use shared::api::ranking::{RankingAnswer, RankingRequest};
use shared::recommend::{Memory, Recommending};

/// The route, over a model and a memory of people that live as long as the process.
pub fn router(recommending: Arc<Recommending>, memory: Arc<Memory>) -> Router {
    Router::new().route("/v1/rankings", post(rank)).with_state((recommending, memory))
}

type Shared = (Arc<Recommending>, Arc<Memory>);

async fn rank(State(state): State<Shared>, id: RequestId, request: Request) -> Response {
    let outcome = answer(&state, &id, request).await;
    http::reply_with_receipt(outcome, id)
}

async fn answer(
    (recommending, memory): &Shared,
    id: &RequestId,
    request: Request,
) -> Result<RankingAnswer, Problem> {
    let request: RankingRequest = http::json_body(request).await?;
    Ok(recommending.rank_for(memory, &request, id.0.clone()).await)
}

#[cfg(test)]
mod tests;

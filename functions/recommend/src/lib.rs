//! `POST /v1/recommendations`: what should this person have next?

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use shared::api::http::{self, RequestId};
use shared::api::recommendation::Reason;
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
    log(&id, &outcome);
    http::reply(outcome, id)
}

async fn answer(recommending: &Recommending, id: &RequestId, request: Request) -> Result<Answer, Problem> {
    let request: RecommendationRequest = http::json_body(request).await?;
    Ok(recommending.answer(&request, id.0.clone()))
}

/// One line a request, without bodies or ids of people.
fn log(id: &RequestId, outcome: &Result<Answer, Problem>) {
    let (route, request_id) = ("POST /v1/recommendations", id.0.as_str());
    match outcome {
        Ok(Answer { receipt, items, .. }) => tracing::info!(
            route,
            request_id,
            status = 200,
            rung = receipt.rung.name(),
            reason = receipt.reason.map(Reason::name),
            items = items.len(),
            model_version = receipt.model.version,
            elapsed_ms = receipt.elapsed_ms,
            "answered"
        ),
        Err(problem) => {
            tracing::info!(
                route,
                request_id,
                status = problem.status(),
                code = problem.code.name(),
                "refused"
            );
        }
    }
}

#[cfg(test)]
mod tests;

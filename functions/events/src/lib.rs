//! `POST /v1/events`: what people did.

mod take;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use shared::api::Problem;
use shared::api::events::{EventsAnswer, EventsRequest};
use shared::api::history::Time;
use shared::api::http::{self, RequestId};
use shared::store::Events;

/// The route, over a store; without one no event can be kept, and every call is told so.
pub fn router(store: Option<Arc<dyn Events>>) -> Router {
    Router::new().route("/v1/events", post(events)).with_state(store)
}

async fn events(State(store): State<Option<Arc<dyn Events>>>, id: RequestId, request: Request) -> Response {
    let outcome = answer(store.as_deref(), &id, request).await;
    http::accepted(outcome, id)
}

async fn answer(
    store: Option<&dyn Events>,
    id: &RequestId,
    request: Request,
) -> Result<EventsAnswer, Problem> {
    let request: EventsRequest = http::json_body(request).await?;
    let store = store.ok_or_else(Problem::no_store)?;
    take::events(store, request.events.into_vec(), Time::now(), id.0.clone()).await
}

#[cfg(test)]
mod tests;

//! Failures in words, and what is counted and logged of every answer.

use std::time::Instant;

use axum::Json;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::App;
use crate::batcher::Refusal;
use crate::metrics::RequestLabels;
use crate::models::Model;

/// When to come back after a 503: the shortest time that the header can say, and by far enough for a queue.
const RETRY_AFTER_SECONDS: &str = "1";

/// An answer that is none: a status, and words for the caller as `{"error"}`.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    words: String,
    model: Option<AnsweredBy>,
}

/// The model that an answer is about, in the answer's extensions; for counting.
#[derive(Clone, Debug)]
pub(super) struct AnsweredBy(pub(super) String);

impl Failure {
    pub(crate) fn new(status: StatusCode, words: impl Into<String>) -> Self {
        Self { status, words: words.into(), model: None }
    }

    /// A request that is wrong.
    pub(super) fn bad_request(words: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, words.to_string())
    }

    /// The same, counted with a model.
    pub(super) fn of(self, model: &Model) -> Self {
        Self { model: Some(AnsweredBy(model.name.clone())), ..self }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::Full | Refusal::Late => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, refusal.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({"error": self.words}))).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = HeaderValue::from_static(RETRY_AFTER_SECONDS);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        if let Some(model) = self.model {
            response.extensions_mut().insert(model);
        }
        response
    }
}

pub(super) async fn unknown_route() -> Failure {
    Failure::new(StatusCode::NOT_FOUND, "no such route")
}

/// Gives words to the refusals that layers and the router make without any: a method that a route lacks, a content
/// coding that nobody knows.
pub(super) async fn with_words(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let is_silent = !response.headers().contains_key(header::CONTENT_TYPE);
    if !(status.is_client_error() || status.is_server_error()) || !is_silent {
        return response;
    }
    let words = match status {
        StatusCode::METHOD_NOT_ALLOWED => "the header Allow names the methods of this route",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "bodies come as they are, or with the content coding gzip",
        _ => status.canonical_reason().unwrap_or("refused"),
    };
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let mut spoken = Failure::new(status, words).into_response();
    spoken.headers_mut().extend(parts.headers);
    spoken
}

/// Counts every answer, and logs it: the route as the router names it, never a path or a body that a caller made up.
pub(super) async fn counted(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let status = response.status().as_u16();
    let model = response.extensions().get::<AnsweredBy>().map(|model| model.0.clone());
    let elapsed_ms = (started.elapsed().as_secs_f64() * 1e6).round() / 1e3;
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    // Refusals under load come by the thousand: they are in the metrics. A failure is logged where its cause is known.
    tracing::debug!(route, model, status, elapsed_ms, "answered");
    let labels = RequestLabels { model: model.unwrap_or_default(), status };
    app.metrics.requests.get_or_create(&labels).inc();
    response
}

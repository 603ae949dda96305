//! The routes: Open Inference Protocol v2 over REST, and `/metrics`.
//!
//! Live and ready are open to whoever can reach the server, as probes and load balancers bring no token; everything else
//! stands behind [`access::guard`].

mod answers;
mod infer;
mod metadata;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::decompression::RequestDecompressionLayer;

use crate::access::{self, Access};
use crate::metrics::Metrics;
use crate::models::{Model, Models};

pub(crate) use answers::Failure;

/// What the routes stand on.
#[derive(Clone, Debug)]
pub struct App {
    /// What is served.
    pub models: Arc<Models>,
    /// Where it is counted.
    pub metrics: Metrics,
    draining: Arc<AtomicBool>,
}

impl App {
    /// Ready to answer.
    #[must_use]
    pub fn new(models: Arc<Models>, metrics: Metrics) -> Self {
        metrics.ready.set(1);
        Self { models, metrics, draining: Arc::default() }
    }

    /// Says from now on that it isn't ready.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.metrics.ready.set(0);
    }

    fn is_ready(&self) -> bool {
        !self.draining.load(Ordering::Relaxed)
    }

    /// The model of a name, and of a version where one is asked for.
    fn model(&self, name: &str, version: Option<&str>) -> Result<Arc<Model>, Failure> {
        let unknown = || Failure::new(StatusCode::NOT_FOUND, "no model of this name is served");
        let model = self.models.get(name).ok_or_else(unknown)?;
        match version {
            Some(version) if version != model.version => {
                let words = "this version of the model is not served";
                Err(Failure::new(StatusCode::NOT_FOUND, words).of(&model))
            }
            _ => Ok(model),
        }
    }
}

/// All routes.
pub fn router(app: App, access: Access) -> Router {
    let guarded = Router::new()
        .route("/v2", get(metadata::server))
        .route("/v2/", get(metadata::server))
        .route("/metrics", get(metrics))
        .merge(model_routes("/v2/models/{model}"))
        .merge(model_routes("/v2/models/{model}/versions/{version}"))
        .fallback(answers::unknown_route)
        .layer(middleware::from_fn_with_state(access, access::guard));
    Router::new()
        .route("/v2/health/live", get(live))
        .route("/v2/health/ready", get(ready))
        .merge(guarded)
        .layer(RequestDecompressionLayer::new())
        // For callers behind a slow line; whoever waits for an answer waits for its compression too.
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(middleware::from_fn(answers::with_words))
        .layer(middleware::from_fn_with_state(app.clone(), answers::counted))
        .with_state(app)
}

fn model_routes(path: &str) -> Router<App> {
    Router::new()
        .route(path, get(metadata::model))
        .route(&format!("{path}/ready"), get(metadata::ready))
        .route(&format!("{path}/config"), get(metadata::config))
        .route(&format!("{path}/infer"), post(infer::infer))
}

async fn live() -> Response {
    Json(json!({"live": true})).into_response()
}

async fn ready(State(app): State<App>) -> Response {
    let status = if app.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({"ready": app.is_ready()}))).into_response()
}

async fn metrics(State(app): State<App>) -> Response {
    let media_type = [("content-type", "text/plain; version=0.0.4; charset=utf-8")];
    (media_type, app.models.metrics_text()).into_response()
}

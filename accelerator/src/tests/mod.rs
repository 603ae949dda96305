//! Tests of the routes and what is behind them, by calls without a socket.

mod access;
mod batching;
mod infer;
mod metadata;
mod reloading;
mod tensors;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use shared::accelerator::contract;
use shared::accelerator::protocol::{Encoding, HEADER_LENGTH, InferResponse};
use shared::catalogue::{Row, RowSet};
use shared::model::{Artifact, Attraction, Scored};
use tempfile::TempDir;
use tower::ServiceExt;

use crate::access::Access;
use crate::batcher::Batching;
use crate::engine::Device;
use crate::metrics::Metrics;
use crate::models::{Models, Serving};
use crate::reload::Sources;
use crate::routes::{self, App};

const BATCHING: Batching = Batching { max_batch: 32, max_delay: Duration::ZERO, queue: 256 };
const GRACE: Duration = Duration::from_secs(600);

/// A server without a socket.
struct Server {
    app: App,
    sources: Sources,
    router: Router,
}

impl Server {
    async fn of(folders: &[&TempDir]) -> Self {
        Self::with(folders, BATCHING, Access::Open).await
    }

    async fn with(folders: &[&TempDir], batching: Batching, access: Access) -> Self {
        let metrics = Metrics::new();
        let models = Arc::new(Models::new(metrics.clone()));
        let paths: Vec<PathBuf> = folders.iter().map(|folder| folder.path().to_owned()).collect();
        let serving = Serving { device: Device::Cpu, batching, metrics: metrics.clone() };
        let sources = Sources::open(&paths, serving, Arc::clone(&models), GRACE).await.unwrap();
        let app = App::new(models, metrics);
        let router = routes::router(app.clone(), access);
        Self { app, sources, router }
    }

    /// The only model's name.
    fn name(&self) -> String {
        self.app.models.table().keys().next().unwrap().clone()
    }

    async fn get(&self, path: &str) -> Reply {
        send(&self.router, request("GET", path, Body::empty())).await
    }

    async fn infer(&self, body: &Value) -> Reply {
        let path = format!("/v2/models/{}/infer", self.name());
        send(&self.router, request("POST", &path, body.to_string())).await
    }
}

/// As a client on this machine sends it; what is sent has no content type.
fn request(method: &str, path: &str, body: impl Into<Body>) -> Request<Body> {
    let builder = Request::builder().method(method).uri(path).header("host", "127.0.0.1:8000");
    builder.body(body.into()).unwrap()
}

async fn send(router: &Router, request: Request<Body>) -> Reply {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Reply { status: parts.status, headers: parts.headers, body }
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {:?}", self.body))
    }

    /// The words of a refusal with this status.
    fn refused(&self, status: u16) -> String {
        let json = self.json();
        assert_eq!(self.status, status, "{json}");
        assert_eq!(json.as_object().unwrap().len(), 1, "{json}");
        json["error"].as_str().unwrap().to_owned()
    }

    fn decoded(&self) -> InferResponse {
        assert_eq!(self.status, 200, "{:?}", self.body);
        let length = self.headers.get(HEADER_LENGTH);
        let length = length.map(|length| length.to_str().unwrap().parse().unwrap());
        InferResponse::decode(&self.body, length, &["items", "scores"]).unwrap()
    }
}

/// A request for one list of a history of rows.
fn of_rows(rows: &[Row], limit: usize) -> Value {
    let data: Vec<u32> = rows.iter().map(|row| row + 1).collect();
    json!({
        "inputs": [{"name": "history", "shape": [1, rows.len()], "datatype": "INT32", "data": data}],
        "parameters": {"limit": limit},
    })
}

fn liked(rows: &[Row]) -> Vec<Attraction> {
    rows.iter().map(|&row| Attraction { row, weight: 1.0 }).collect()
}

/// A request as Marquee's own client makes it.
fn encoded(histories: &[Vec<Attraction>], limit: usize, encoding: Encoding) -> (Vec<u8>, Option<usize>) {
    let histories: Vec<&[Attraction]> = histories.iter().map(Vec::as_slice).collect();
    let mut request = contract::request(&histories, limit, Duration::from_secs(60));
    request.outputs.iter_mut().for_each(|output| output.encoding = encoding);
    let encoded = request.encode(encoding);
    (encoded.body, encoded.header_length)
}

/// What an artifact says itself.
fn direct(artifact: &Artifact, history: &[Attraction], limit: usize) -> Vec<Scored> {
    let none = RowSet::none(artifact.catalogue.len());
    artifact.recommender().taste(history).unwrap().top_k(limit, &none)
}

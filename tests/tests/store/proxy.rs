//! A proxy before a DynamoDB server that fails on purpose.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};
use tests::{Request, send};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A call that came.
pub(crate) struct Call<'a> {
    /// Its operation, such as `PutItem`.
    pub(crate) operation: &'a str,
    /// How many of this operation came before.
    pub(crate) before: u32,
    /// What is asked.
    pub(crate) body: &'a Value,
}

/// What happens to a call.
pub(crate) enum Fate {
    /// The server answers it.
    Passes,
    /// The server answers this in its place.
    PassesAs(Value),
    /// The server answers it when this has happened.
    PassesAfter(Happening),
    /// The server does it; this happens; then its answer is passed on.
    IsAnsweredAfter(Happening),
    /// The server does it, and says that it failed.
    IsDoneAndFails,
    /// The server never sees it; this is the answer.
    Gets(StatusCode, Value),
    /// No answer ever comes.
    Hangs,
}

pub(crate) type Happening = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the service says when something broke inside it.
pub(crate) fn broken() -> Fate {
    Fate::Gets(StatusCode::INTERNAL_SERVER_ERROR, error("InternalServerError"))
}

/// What it says when too much is asked of it.
pub(crate) fn throttled() -> Fate {
    Fate::Gets(StatusCode::BAD_REQUEST, error("ProvisionedThroughputExceededException"))
}

fn error(kind: &str) -> Value {
    json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{kind}"), "message": "for EVENT#secret"})
}

/// A running proxy; it ends when dropped.
pub(crate) struct Proxy {
    endpoint: String,
    running: JoinHandle<()>,
}

struct Inner {
    server: String,
    fate: Box<dyn Fn(Call) -> Fate + Send + Sync>,
    counts: Mutex<HashMap<String, u32>>,
}

impl Proxy {
    /// A proxy before the server at `endpoint` that asks `fate` about each call.
    pub(crate) async fn before(endpoint: &str, fate: impl Fn(Call) -> Fate + Send + Sync + 'static) -> Self {
        let counts = Mutex::default();
        let inner = Arc::new(Inner { server: endpoint.to_owned(), fate: Box::new(fate), counts });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(move |headers: HeaderMap, body: Bytes| {
            let inner = Arc::clone(&inner);
            async move { inner.answer(&headers, &body).await }
        });
        let serving = async move { axum::serve(listener, router).await.unwrap() };
        Self { endpoint, running: tokio::spawn(serving) }
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Inner {
    async fn answer(&self, headers: &HeaderMap, body: &[u8]) -> Response {
        let target = headers["x-amz-target"].to_str().unwrap();
        let operation = target.split('.').nth(1).unwrap();
        let before = {
            let mut counts = self.counts.lock().unwrap();
            let count = counts.entry(operation.to_owned()).or_default();
            *count += 1;
            *count - 1
        };
        let value = serde_json::from_slice(body).unwrap();
        match (self.fate)(Call { operation, before, body: &value }) {
            Fate::Passes => self.pass(headers, body).await,
            Fate::PassesAs(other) => self.pass(headers, other.to_string().as_bytes()).await,
            Fate::PassesAfter(happening) => {
                happening.await;
                self.pass(headers, body).await
            }
            Fate::IsAnsweredAfter(happening) => {
                let answer = self.pass(headers, body).await;
                happening.await;
                answer
            }
            Fate::IsDoneAndFails => {
                self.pass(headers, body).await;
                response(500, error("InternalServerError").to_string())
            }
            Fate::Gets(status, answer) => response(status.as_u16(), answer.to_string()),
            Fate::Hangs => std::future::pending().await,
        }
    }

    async fn pass(&self, headers: &HeaderMap, body: &[u8]) -> Response {
        let mut request = Request::post("/", body);
        for name in ["content-type", "x-amz-target", "x-amz-date", "authorization"] {
            request = request.header(name, headers[name].to_str().unwrap());
        }
        let server = self.server.clone();
        let reply = tokio::task::spawn_blocking(move || send(&server, &request)).await.unwrap().unwrap();
        response(reply.status, reply.body)
    }
}

fn response(status: u16, body: String) -> Response {
    let response = Response::builder().status(status).header("content-type", "application/x-amz-json-1.0");
    response.body(Body::from(body)).unwrap()
}

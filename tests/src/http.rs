//! One request and its reply, the same whether they went over a socket or through the emulator.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use ureq::http;

/// Most bytes of a reply's body: the results of the largest batch here are smaller.
const BODY_LIMIT: u64 = 256 * 1024 * 1024;

/// A request to make.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Header names, in lower case, and values.
    pub headers: BTreeMap<String, String>,
    /// The body; empty for none.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without body or headers.
    #[must_use]
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.into(), path: path.into(), headers: BTreeMap::new(), body: Vec::new() }
    }

    /// A `POST` with a body sent as JSON, whether it is or not.
    #[must_use]
    pub fn post(path: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::new("POST", path) }.header("content-type", "application/json")
    }

    /// The request with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_ascii_lowercase(), value.into());
        self
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Header names, in lower case, and values.
    pub headers: BTreeMap<String, String>,
    /// The body as text.
    pub body: String,
}

impl Reply {
    /// The body, read as JSON.
    ///
    /// # Panics
    /// When it is not JSON, showing it.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in the body of {self:?}"))
    }

    /// The media type of the body, without parameters; empty where none is given.
    #[must_use]
    pub fn media_type(&self) -> &str {
        self.headers.get("content-type").map_or("", |value| value.split(';').next().unwrap_or("").trim())
    }

    /// Reads the answer of a function behind an HTTP API (payload format 2.0).
    pub(crate) fn from_gateway(answer: &Value) -> Result<Self> {
        let status =
            answer.get("statusCode").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
        let status = status.with_context(|| format!("not an answer for API Gateway: {answer}"))?;
        ensure!(
            answer.get("isBase64Encoded") != Some(&Value::Bool(true)),
            "a text answer is base64-encoded: {answer}"
        );
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let headers = answer.get("headers").and_then(Value::as_object).into_iter().flatten();
        Ok(Self {
            status,
            headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), text(value))).collect(),
            body: answer.get("body").map(text).unwrap_or_default(),
        })
    }
}

/// Sends a request to `base`, such as `http://127.0.0.1:8080`. Every status is a reply; only transport fails.
///
/// # Errors
/// When no complete reply arrives.
pub fn send(base: &str, request: &Request) -> Result<Reply> {
    Caller::of(base).send(request)
}

/// One who asks again and again, over a connection that is kept.
#[derive(Debug)]
pub struct Caller {
    agent: ureq::Agent,
    base: String,
}

impl Caller {
    /// A caller of `base`, such as `http://127.0.0.1:8080`.
    #[must_use]
    pub fn of(base: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .max_redirects(0)
            .proxy(None)
            // Long enough for any debug build; only a hung server reaches it.
            .timeout_global(Some(Duration::from_secs(120)));
        Self { agent: config.build().into(), base: base.to_owned() }
    }

    /// Sends a request. Every status is a reply; only transport fails.
    ///
    /// # Errors
    /// When no complete reply arrives.
    pub fn send(&self, request: &Request) -> Result<Reply> {
        let Self { agent, base } = self;
        let mut message =
            http::Request::builder().method(request.method.as_str()).uri(format!("{base}{}", request.path));
        for (name, value) in &request.headers {
            message = message.header(name, value);
        }
        let reply = if request.body.is_empty() {
            agent.run(message.body(()).context("not a request")?)
        } else {
            agent.run(message.body(request.body.as_slice()).context("not a request")?)
        };
        let mut reply = reply.with_context(|| format!("{} {base}{}", request.method, request.path))?;
        let body = reply.body_mut().with_config().limit(BODY_LIMIT).read_to_string();
        let headers = reply.headers().iter();
        Ok(Reply {
            status: reply.status().as_u16(),
            headers: headers
                .map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into()))
                .collect(),
            body: body.context("the body does not arrive")?,
        })
    }
}

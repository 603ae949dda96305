//! What every HTTP function shares: reading a JSON body, the ids of a request, and problems for what no route answers.

use axum::body::Body;
use axum::extract::{FromRequestParts, Query, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts, uri::Authority};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use http_body_util::{BodyExt, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::convert::Infallible;
use std::net::IpAddr;
use tracing::Instrument;

use super::checker::Check;
use super::error::{ACCEPTED, Fault, FaultCode, Problem, ProblemCode};
use super::recommendation::Receipted;
pub use super::trace::TraceId;

/// Largest body in bytes. The largest valid request (500 history objects of about 240 bytes, 500 ids to leave out of
/// 131 bytes each, 128 genres) is about 200 KB; 256 KiB holds it with its white space.
pub const BODY_LIMIT: usize = 256 * 1024;

/// Bytes that most answers fit into.
const ANSWER_ROOM: usize = 4 * 1024;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest request id taken from a caller: a UUID or a trace id fits; a log line stays short.
const REQUEST_ID_LENGTH: usize = 64;

/// The id under which an answer, a problem and the log know one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub String);

impl RequestId {
    /// The caller's `x-request-id` where it is plain and short, else a new random one.
    fn of(request: &Request) -> Self {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_=.:".contains(&b);
        let given = request.headers().get(&REQUEST_ID).and_then(|v| v.to_str().ok());
        let usable = |id: &&str| (1..=REQUEST_ID_LENGTH).contains(&id.len()) && id.bytes().all(plain);
        given.filter(usable).map_or_else(Self::random, |id| Self(id.to_owned()))
    }

    /// 128 random bits in hexadecimal. Should the system have no randomness to give, the clock stands in: the id only
    /// has to tell requests apart.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0_u8; 16];
        if getrandom::fill(&mut bytes).is_err() {
            let since_epoch =
                std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            bytes = since_epoch.as_nanos().to_be_bytes();
        }
        Self(format!("{:032x}", u128::from_be_bytes(bytes)))
    }
}

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(Self::random))
    }
}

/// Adds what all routes share to a router: problems for unknown routes and methods, and the ids of a request.
pub fn finish(router: Router) -> Router {
    identified(with_fallbacks(router))
}

/// Adds problems for unknown routes and methods.
pub fn with_fallbacks(router: Router) -> Router {
    router
        .fallback(async |id: RequestId| {
            reply::<()>(Err(Problem::new(ProblemCode::NotFound, "no such route; GET /v1/health is one")), id)
        })
        .method_not_allowed_fallback(async |id: RequestId| {
            let detail = "the header Allow names the methods of this route";
            reply::<()>(Err(Problem::new(ProblemCode::MethodNotAllowed, detail)), id)
        })
}

/// Gives every request its [`RequestId`], and its [`TraceId`] where it came with one. What is layered within finds them
/// in the request's extensions, what is layered around in the reply's; the caller finds the first in a header.
pub fn identified(router: Router) -> Router {
    router.layer(middleware::from_fn(identify))
}

async fn identify(mut request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().cloned().unwrap_or_else(|| RequestId::of(&request));
    let trace = TraceId::of(request.headers());
    request.extensions_mut().insert(id.clone());
    if let Some(trace) = &trace {
        request.extensions_mut().insert(trace.clone());
    }
    // Whatever is logged while the request is answered names it; an error's level, so that no filter takes that away.
    let trace_id = trace.as_ref().map(|trace| trace.0.as_str());
    let span = tracing::error_span!("request", request_id = id.0, trace_id);
    let mut response = next.run(request).instrument(span).await;
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response.extensions_mut().insert(id);
    if let Some(trace) = trace {
        response.extensions_mut().insert(trace);
    }
    response
}

/// Whether a request calls this machine by a name of its own: `localhost` or a loopback address. A page on the internet
/// can make a browser ask 127.0.0.1 under the page's own name (DNS rebinding).
#[must_use]
pub fn asks_by_local_name(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|value| value.to_str().ok()) else { return false };
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Reads and validates a JSON body.
///
/// # Errors
/// 415, 413, 400 or 422 as a [`Problem`].
pub async fn json_body<T: DeserializeOwned + Check>(request: Request<Body>) -> Result<T, Problem> {
    super::parse(&json_bytes(request, BODY_LIMIT).await?)
}

/// Reads a body of at most `limit` bytes that is declared as JSON.
///
/// # Errors
/// 415, 413 or 400 as a [`Problem`].
pub async fn json_bytes(request: Request<Body>, limit: usize) -> Result<axum::body::Bytes, Problem> {
    if !declares_json(&request) {
        let detail = "send the header `Content-Type: application/json`";
        return Err(Problem::new(ProblemCode::UnsupportedMediaType, detail));
    }
    let body = Limited::new(request.into_body(), limit).collect().await;
    let body = body.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            Problem::new(ProblemCode::BodyTooLarge, format!("at most {limit} bytes are taken"))
        } else {
            Problem::new(ProblemCode::IncompleteBody, "the body ended before it was complete")
        }
    })?;
    Ok(body.to_bytes())
}

/// `application/json` or any `+json` type, whatever its parameters.
fn declares_json(request: &Request<Body>) -> bool {
    let value = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Reads and validates the query of a URL as if its parameters were the fields of a JSON object; those named in
/// `numbers` are taken as numbers where they look like one. A pointer names a parameter as `/name`.
///
/// # Errors
/// 422 as a [`Problem`] with every fault; a parameter that is given twice is one.
pub fn query<T: DeserializeOwned + Check>(request: &Request<Body>, numbers: &[&str]) -> Result<T, Problem> {
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(request.uri());
    let Query(pairs) =
        pairs.map_err(|rejection| Problem::new(ProblemCode::MalformedQuery, rejection.body_text()))?;
    let mut object = serde_json::Map::new();
    for (name, text) in pairs {
        if object.contains_key(&name) {
            let detail = "a parameter is given once";
            let fault =
                Fault { pointer: format!("/{name}"), code: FaultCode::InvalidValue, detail: detail.into() };
            return Err(Problem::invalid_request(vec![fault]));
        }
        let number =
            numbers.contains(&name.as_str()).then(|| text.parse::<serde_json::Number>().ok()).flatten();
        object.insert(name, number.map_or(Value::String(text), Value::Number));
    }
    super::parse_value(&Value::Object(object))
}

/// The same for what is kept now and takes effect soon.
pub fn accepted<T: Serialize>(outcome: Result<T, Problem>, request_id: RequestId) -> Response {
    match outcome {
        Ok(value) => (ACCEPTED, Json(value)).into_response(),
        Err(problem) => reply::<()>(Err(problem), request_id),
    }
}

/// The reply to a handler's outcome; problems carry the request's id. The reply's extensions hold a problem's code.
pub fn reply<T: Serialize>(outcome: Result<T, Problem>, request_id: RequestId) -> Response {
    match outcome {
        Ok(value) => Json(value).into_response(),
        Err(problem) => problem.of_request(request_id.0).into_response(),
    }
}

/// The same for an answer with a receipt; the reply's extensions hold it.
pub fn reply_with_receipt<T: Serialize + Receipted>(
    outcome: Result<T, Problem>,
    request_id: RequestId,
) -> Response {
    let written = outcome.and_then(|answer| Ok((json(&answer)?, answer)));
    match written {
        Ok((body, answer)) => {
            let media_type = HeaderValue::from_static("application/json");
            let mut response = ([(header::CONTENT_TYPE, media_type)], body).into_response();
            response.extensions_mut().insert(answer.into_receipt());
            response
        }
        Err(problem) => reply::<()>(Err(problem), request_id),
    }
}

/// An answer as it is sent, in a buffer that need not grow for ten items or so.
fn json<T: Serialize>(answer: &T) -> Result<Vec<u8>, Problem> {
    let mut body = Vec::with_capacity(ANSWER_ROOM);
    serde_json::to_writer(&mut body, answer).map_err(|error| {
        tracing::error!(%error, "an answer can't be written");
        Problem::new(ProblemCode::Internal, "the answer can't be written")
    })?;
    Ok(body)
}

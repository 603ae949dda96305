//! Errors on the wire: RFC 9457 `application/problem+json` with a stable `code`. The only place that names HTTP
//! status codes.

use axum::Extension;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Serialize, Serializer};

use super::id::InvalidId;

/// The status of what is kept now and takes effect soon.
pub(super) const ACCEPTED: StatusCode = StatusCode::ACCEPTED;

/// What kind of problem it is. The names are part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub enum ProblemCode {
    /// The body is not JSON.
    MalformedJson,
    /// The request can be read and breaks a rule; `errors` lists every fault.
    InvalidRequest,
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// The body is larger than 256 KiB, at `/v1/batches` 1 MiB.
    BodyTooLarge,
    /// The query of the URL can't be read.
    MalformedQuery,
    /// No such route.
    NotFound,
    /// The catalogue does not know the item.
    UnknownItem,
    /// There is no such batch.
    UnknownBatch,
    /// The file of a batch's people is not there, or not where this service reads.
    UnknownInput,
    /// The route exists, the method does not.
    MethodNotAllowed,
    /// Another request was made under the same `Idempotency-Key`.
    IdempotencyConflict,
    /// The batch has no results, as it has not succeeded.
    BatchUnfinished,
    /// The results are larger than an answer may be: they are read where they are kept.
    ResultsTooLarge,
    /// The local service was asked under a name that is not its own.
    HostNotAllowed,
    /// No key, or none that is known: send a valid one.
    Unauthorized,
    /// The key is valid and lacks the scope that the route asks for.
    Forbidden,
    /// The body could not be read to its end.
    IncompleteBody,
    /// The store that the answer needs can't be reached, or there is none.
    StoreUnavailable,
    /// A fault of ours; the log has the rest under the request id.
    Internal,
}

impl ProblemCode {
    /// Every code, by status.
    pub const ALL: [Self; 19] = [
        Self::MalformedJson,
        Self::IncompleteBody,
        Self::MalformedQuery,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::UnknownItem,
        Self::UnknownBatch,
        Self::UnknownInput,
        Self::MethodNotAllowed,
        Self::IdempotencyConflict,
        Self::BatchUnfinished,
        Self::ResultsTooLarge,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::HostNotAllowed,
        Self::InvalidRequest,
        Self::StoreUnavailable,
        Self::Internal,
    ];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MalformedJson => "malformed_json",
            Self::InvalidRequest => "invalid_request",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::BodyTooLarge => "body_too_large",
            Self::MalformedQuery => "malformed_query",
            Self::NotFound => "not_found",
            Self::UnknownItem => "unknown_item",
            Self::UnknownBatch => "unknown_batch",
            Self::UnknownInput => "unknown_input",
            Self::IdempotencyConflict => "idempotency_conflict",
            Self::BatchUnfinished => "batch_unfinished",
            Self::ResultsTooLarge => "results_too_large",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::HostNotAllowed => "host_not_allowed",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::IncompleteBody => "incomplete_body",
            Self::StoreUnavailable => "store_unavailable",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> u16 {
        self.status_and_title().0.as_u16()
    }

    /// What it says to a person, the same each time.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.status_and_title().1
    }

    const fn status_and_title(self) -> (StatusCode, &'static str) {
        match self {
            Self::MalformedJson => (StatusCode::BAD_REQUEST, "The body is not valid JSON"),
            Self::IncompleteBody => (StatusCode::BAD_REQUEST, "The body could not be read"),
            Self::MalformedQuery => (StatusCode::BAD_REQUEST, "The query of the URL can't be read"),
            Self::InvalidRequest => (StatusCode::UNPROCESSABLE_ENTITY, "The request breaks the contract"),
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is not declared as JSON")
            }
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
            Self::NotFound => (StatusCode::NOT_FOUND, "There is no such route"),
            Self::UnknownItem => (StatusCode::NOT_FOUND, "The catalogue does not know the item"),
            Self::UnknownBatch => (StatusCode::NOT_FOUND, "There is no such batch"),
            Self::UnknownInput => (StatusCode::NOT_FOUND, "The file is not where batches are read"),
            Self::IdempotencyConflict => {
                (StatusCode::CONFLICT, "The Idempotency-Key was used for another request")
            }
            Self::BatchUnfinished => (StatusCode::CONFLICT, "The batch has not succeeded"),
            Self::ResultsTooLarge => (StatusCode::CONFLICT, "The results are too large for an answer"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "The route does not take this method"),
            Self::HostNotAllowed => {
                (StatusCode::MISDIRECTED_REQUEST, "The service does not answer to this host name")
            }
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "A valid key is needed"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "The key may not be used here"),
            // Not a 5xx: nothing is wrong with this service, and who asks again is answered.
            Self::StoreUnavailable => (StatusCode::FAILED_DEPENDENCY, "The store can't be reached"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong on our side"),
        }
    }
}

/// What is wrong with one value of a request. The names are part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub enum FaultCode {
    /// The field is not in the contract.
    UnknownField,
    /// Another JSON type is expected.
    WrongType,
    /// The field is required.
    Missing,
    /// The number is outside its range.
    OutOfRange,
    /// The array has too many entries.
    TooMany,
    /// The array has too few entries.
    TooFew,
    /// Not an item or user id.
    InvalidId,
    /// Not a time of the accepted forms and range.
    InvalidTime,
    /// Not one of the words allowed here, or too long.
    InvalidValue,
}

impl FaultCode {
    /// Every code, in the order of the contract.
    pub const ALL: [Self; 9] = [
        Self::UnknownField,
        Self::WrongType,
        Self::Missing,
        Self::OutOfRange,
        Self::TooMany,
        Self::TooFew,
        Self::InvalidId,
        Self::InvalidTime,
        Self::InvalidValue,
    ];
}

/// What API Gateway says in its own words, before a function is asked or when none answers: status and the `message` of
/// its `{"message": …}`. Its answers carry no code and no request id; `docs/errors.md` says what each means.
pub const GATEWAY_ANSWERS: [(u16, &str); 8] = [
    (401, "Unauthorized"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (413, "Request Entity Too Large"),
    (429, "Too Many Requests"),
    (500, "Internal Server Error"),
    (503, "Service Unavailable"),
    (504, "Gateway Timeout"),
];

/// One fault of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Fault {
    /// JSON Pointer (RFC 6901) to the value at fault.
    pub pointer: String,
    /// What is wrong with it.
    pub code: FaultCode,
    /// The same for a person.
    pub detail: String,
}

/// A body of 256 KiB can hold some 40,000 one-letter unknown fields; a reply listing them all would pass the 6 MB
/// that Lambda may return. The first thousand are listed and the others counted.
const FAULTS_LISTED: usize = 1_000;

/// When to ask again whatever needs the store: long enough for a connection to be made anew.
const RETRY_AFTER_SECONDS: &str = "1";

/// A problem document. [`IntoResponse`] makes the reply of it, whose extensions hold the code.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What kind of problem it is.
    pub code: ProblemCode,
    /// What happened, for a person.
    pub detail: String,
    /// Every fault of the body.
    pub errors: Vec<Fault>,
    /// How many more there are than are listed.
    pub errors_omitted: usize,
    /// The id under which the log knows this request.
    pub request_id: Option<String>,
}

/// A problem document (RFC 9457).
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub(super) struct Document<'a> {
    /// Names the kind of problem: `urn:marquee:problem:` and the code.
    r#type: String,
    /// The kind of problem, for a person.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// The kind of problem.
    code: ProblemCode,
    /// What happened, for a person.
    detail: &'a str,
    /// Every fault of the request; only of `invalid_request`.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [Fault],
    /// How many faults there are beyond those listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors_omitted: Option<usize>,
    /// The id under which logs know this request.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let document = Document {
            r#type: format!("urn:marquee:problem:{}", self.code.name()),
            title: self.code.title(),
            status: self.status(),
            code: self.code,
            detail: &self.detail,
            errors: &self.errors,
            errors_omitted: (self.errors_omitted > 0).then_some(self.errors_omitted),
            request_id: self.request_id.as_deref(),
        };
        document.serialize(serializer)
    }
}

impl Problem {
    /// A problem without a list of faults.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), errors_omitted: 0, request_id: None }
    }

    /// The body is not JSON.
    #[must_use]
    pub fn malformed_json(error: &serde_json::Error) -> Self {
        Self::new(ProblemCode::MalformedJson, error.to_string())
    }

    /// The body breaks rules.
    #[must_use]
    pub fn invalid_request(mut faults: Vec<Fault>) -> Self {
        let count = faults.len();
        faults.truncate(FAULTS_LISTED);
        let detail =
            if count == 1 { "1 fault; see errors".into() } else { format!("{count} faults; see errors") };
        Self {
            errors_omitted: count - faults.len(),
            errors: faults,
            ..Self::new(ProblemCode::InvalidRequest, detail)
        }
    }

    /// The store failed, so that there is nothing true to answer.
    #[must_use]
    pub fn store_unavailable(detail: &str) -> Self {
        Self::new(ProblemCode::StoreUnavailable, detail)
    }

    /// There is no store to ask.
    #[must_use]
    pub fn no_store() -> Self {
        Self::store_unavailable("this service runs without a store: nothing is kept about anybody")
    }

    /// The id in the path is none.
    #[must_use]
    pub fn invalid_path_id(error: &InvalidId) -> Self {
        let fault = Fault { pointer: "/id".into(), code: FaultCode::InvalidId, detail: error.to_string() };
        Self::invalid_request(vec![fault])
    }

    /// The same, of the request with this id.
    #[must_use]
    pub fn of_request(self, request_id: String) -> Self {
        Self { request_id: Some(request_id), ..self }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.code.status()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, _) = self.code.status_and_title();
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let media_type = HeaderValue::from_static("application/problem+json");
        let mut response =
            (status, [(header::CONTENT_TYPE, media_type)], Extension(self.code), body).into_response();
        let headers = response.headers_mut();
        if self.code == ProblemCode::StoreUnavailable {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
        }
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110, section 11.6.1: it says how to authenticate.
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

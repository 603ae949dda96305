//! What is answered, status by status: the answer itself, our problems, and what API Gateway says in our place.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::operations::Operation;
use super::schemas::Schemas;
use crate::api::error::{GATEWAY_ANSWERS, Problem, ProblemCode};
use crate::api::routes::Route;

/// Problems of every route: another method, another host name, a fault of ours.
const ALWAYS: [ProblemCode; 3] =
    [ProblemCode::MethodNotAllowed, ProblemCode::HostNotAllowed, ProblemCode::Internal];
/// Problems of a route that needs a key.
const WITH_SCOPE: [ProblemCode; 2] = [ProblemCode::Unauthorized, ProblemCode::Forbidden];
/// Problems of a route with a body.
const WITH_BODY: [ProblemCode; 5] = [
    ProblemCode::MalformedJson,
    ProblemCode::IncompleteBody,
    ProblemCode::BodyTooLarge,
    ProblemCode::UnsupportedMediaType,
    ProblemCode::InvalidRequest,
];
/// Problems of a route with a query.
const WITH_QUERY: [ProblemCode; 2] = [ProblemCode::MalformedQuery, ProblemCode::InvalidRequest];

/// The responses that operations share, collected as they are described.
#[derive(Default)]
pub(super) struct Responses(Map<String, Value>);

impl Responses {
    /// The responses of one operation.
    pub(super) fn of(&mut self, route: &Route, operation: &Operation, schemas: &mut Schemas) -> Value {
        let mut responses = Map::new();
        let answer = &operation.answer;
        let answered = json!({
            "description": answer.description,
            "headers": {"x-request-id": {"$ref": "#/components/headers/RequestId"}},
            "content": {answer.media: {
                "schema": (answer.schema)(schemas),
                "example": (answer.example)(),
            }},
        });
        responses.insert(answer.status.into(), answered);
        let mut statuses = BTreeMap::<u16, Vec<ProblemCode>>::new();
        for code in ProblemCode::ALL.into_iter().filter(|code| applies(*code, route, operation)) {
            statuses.entry(code.status()).or_default().push(code);
        }
        for (status, message) in GATEWAY_ANSWERS {
            if gateway_answers_itself(status) {
                let name = message.replace(' ', "");
                responses.insert(status.to_string(), self.shared(name, || of_gateway(message, schemas)));
            }
        }
        for (status, codes) in statuses {
            let name = codes.iter().map(|code| camel_case(code.name())).collect::<Vec<_>>().join("Or");
            responses.insert(status.to_string(), self.shared(name, || of_problems(&codes, schemas)));
        }
        responses.into()
    }

    /// All of them, by name.
    pub(super) fn into_components(self) -> Map<String, Value> {
        self.0
    }

    fn shared(&mut self, name: String, response: impl FnOnce() -> Value) -> Value {
        let reference = json!({"$ref": format!("#/components/responses/{name}")});
        self.0.entry(name).or_insert_with(response);
        reference
    }
}

fn applies(code: ProblemCode, route: &Route, operation: &Operation) -> bool {
    ALWAYS.contains(&code)
        || (route.scope.is_some() && WITH_SCOPE.contains(&code))
        || (operation.body.is_some() && WITH_BODY.contains(&code))
        || (operation.query.is_some() && WITH_QUERY.contains(&code))
        || operation.problems.contains(&code)
}

/// Whether no problem of ours has the status.
fn gateway_answers_itself(status: u16) -> bool {
    ProblemCode::ALL.iter().all(|code| code.status() != status)
}

/// One response for problems of one status.
fn of_problems(codes: &[ProblemCode], schemas: &mut Schemas) -> Value {
    let said: Vec<_> = codes.iter().map(|code| format!("{} (`{}`).", code.title(), code.name())).collect();
    let examples = codes.iter().map(|code| (code.name().to_owned(), json!({"value": example(*code)})));
    let mut response = json!({
        "description": said.join(" "),
        "headers": {"x-request-id": {"$ref": "#/components/headers/RequestId"}},
        "content": {"application/problem+json": {
            "schema": schemas.answer::<Problem>(),
            "examples": examples.collect::<Map<_, _>>(),
        }},
    });
    for code in codes {
        if let Some((name, header)) = header_of(*code) {
            response["headers"][name] = json!({"$ref": format!("#/components/headers/{header}")});
        }
    }
    let by_gateway =
        GATEWAY_ANSWERS.iter().find(|(status, _)| codes.iter().any(|code| code.status() == *status));
    // The gateway's own 404 is for paths that it does not know: no operation is one of these.
    let ours = [ProblemCode::UnknownItem, ProblemCode::UnknownBatch, ProblemCode::UnknownInput];
    if let Some((_, message)) = by_gateway.filter(|_| !codes.iter().any(|code| ours.contains(code))) {
        response["content"]["application/json"] = gateway_content(message, schemas);
    }
    response
}

fn of_gateway(message: &str, schemas: &mut Schemas) -> Value {
    json!({
        "description": format!("{message}: said by API Gateway, not by a function."),
        "content": {"application/json": gateway_content(message, schemas)},
    })
}

fn gateway_content(message: &str, schemas: &mut Schemas) -> Value {
    json!({"schema": schemas.answer::<GatewayMessage>(), "example": {"message": message}})
}

/// What API Gateway answers where no function does.
#[derive(serde::Serialize, schemars::JsonSchema)]
struct GatewayMessage {
    /// What happened, for a person.
    message: String,
}

fn example(code: ProblemCode) -> Value {
    use crate::api::error::{Fault, FaultCode};
    let problem = if code == ProblemCode::InvalidRequest {
        let (pointer, detail) = ("/k".into(), "expected 1 to 500, found 0".into());
        Problem::invalid_request(vec![Fault { pointer, code: FaultCode::OutOfRange, detail }])
    } else {
        Problem::new(code, detail(code))
    };
    let problem = problem.of_request("b2e1a54e8c3e550803df0234a3e13a43".into());
    serde_json::to_value(problem).unwrap_or_default()
}

const fn detail(code: ProblemCode) -> &'static str {
    match code {
        ProblemCode::MalformedJson => "expected value at line 1 column 8",
        ProblemCode::IncompleteBody => "the body ended before it was complete",
        ProblemCode::MalformedQuery => "Failed to deserialize query string",
        ProblemCode::Unauthorized => "send the header `Authorization: Bearer <key>`",
        ProblemCode::Forbidden => "the key lacks the scope `recommend`",
        ProblemCode::NotFound => "no such route; GET /v1/health is one",
        ProblemCode::UnknownItem => "the catalogue has no item of this id",
        ProblemCode::UnknownBatch => "there is no batch of this id",
        ProblemCode::UnknownInput => "there is no s3://my-bucket/requests/newsletter.jsonl",
        ProblemCode::IdempotencyConflict => "a batch was made under this Idempotency-Key, of another body",
        ProblemCode::BatchUnfinished => "the batch is running",
        ProblemCode::ResultsTooLarge => "the results have 7340032 bytes; an answer has at most 5242880",
        ProblemCode::MethodNotAllowed => "the header Allow names the methods of this route",
        ProblemCode::BodyTooLarge => "at most 262144 bytes are taken",
        ProblemCode::UnsupportedMediaType => "send the header `Content-Type: application/json`",
        ProblemCode::HostNotAllowed => {
            "this service runs open on one machine; ask it as localhost or 127.0.0.1"
        }
        ProblemCode::InvalidRequest => "1 fault; see errors",
        ProblemCode::StoreUnavailable => "nothing was promised: ask again",
        ProblemCode::Internal => "the log has more under the request id",
    }
}

/// The header that comes with a problem, and its component.
const fn header_of(code: ProblemCode) -> Option<(&'static str, &'static str)> {
    match code {
        ProblemCode::MethodNotAllowed => Some(("Allow", "Allow")),
        ProblemCode::Unauthorized => Some(("WWW-Authenticate", "WwwAuthenticate")),
        ProblemCode::StoreUnavailable => Some(("Retry-After", "RetryAfter")),
        _ => None,
    }
}

/// The headers that responses name.
pub(super) fn headers() -> Value {
    json!({
        "RequestId": {
            "description": "The id under which logs know this request. Missing where API Gateway answered itself.",
            "schema": {"type": "string"},
        },
        "Allow": {"description": "The methods that the path takes.", "schema": {"type": "string"}},
        "WwwAuthenticate": {
            "description": "`Bearer`. Missing where API Gateway answered itself.",
            "schema": {"type": "string"},
        },
        "RetryAfter": {
            "description": "After how many seconds to ask again.",
            "schema": {"type": "integer", "minimum": 0},
        },
    })
}

/// `snake_case` as `CamelCase`.
fn camel_case(name: &str) -> String {
    let capital = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_uppercase() + rest
    };
    name.split('_').map(capital).collect()
}

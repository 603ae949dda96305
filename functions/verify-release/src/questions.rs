//! What each function is asked, as its own event, and what it has to answer. Nothing that is asked writes anything.

use serde_json::{Value, json};
use shared::api::routes::{ROUTES, Route};
use shared::release::{self, Release};

/// A person that nobody is.
const NOBODY: &str = "release-check";
/// A key that nobody has: well-formed, so that it is looked up.
const NO_KEY: &str = "Bearer mq_ReleaseCheck_ThisKeyIsPublishedAndOpensNothingAnywhere00";

/// An event for a function, and what its answer has to be.
pub(crate) struct Question<'a> {
    /// What is asked, for the log.
    pub(crate) words: String,
    pub(crate) event: Value,
    expected: Answer<'a>,
}

enum Answer<'a> {
    /// An HTTP answer of this status.
    Status(u64),
    /// Any HTTP answer that is no failure of the function.
    NoFailure,
    /// A recommendation, as the release has it.
    Recommendation(&'a release::Question),
    /// A ranking, as the release has it.
    Ranking(&'a release::Question),
    /// An answer that is no HTTP, with this in it.
    With(&'static str, Value),
    /// Nothing.
    Null,
}

impl Question<'_> {
    /// Whether an answer is right.
    pub(crate) fn check(&self, release: &Release, answer: &Value) -> Result<(), String> {
        match &self.expected {
            Answer::With(field, value) if answer[field] == *value => Ok(()),
            Answer::With(field, value) => {
                Err(format!("`{field}` is {}, where {value} is expected", answer[field]))
            }
            Answer::Null if answer.is_null() => Ok(()),
            Answer::Null => Err("an answer, where none is expected".into()),
            Answer::Status(expected) => status(answer).and_then(|found| match found == *expected {
                true => Ok(()),
                false => Err(format!("status {found}, where {expected} is expected: {}", code(answer))),
            }),
            Answer::NoFailure => status(answer).and_then(|found| match found {
                200..=499 => Ok(()),
                _ => Err(format!("status {found}: {}", code(answer))),
            }),
            Answer::Recommendation(question) => release.check_recommendation(question, &body(answer)?),
            Answer::Ranking(question) => release.check_ranking(question, &body(answer)?),
        }
    }
}

/// What a function is asked; nothing where it is not known.
pub(crate) fn of<'a>(function: &str, release: &'a Release) -> Vec<Question<'a>> {
    let of_events = match function {
        "authorize" => {
            Some(("a key that nobody has", authorization(), Answer::With("isAuthorized", json!(false))))
        }
        "update-profiles" => {
            Some(("no records", json!({"Records": []}), Answer::With("batchItemFailures", json!([]))))
        }
        "plan-batch" => {
            let event = json!({"event": {"batch_id": NOBODY}, "run": NOBODY});
            Some(("a batch that there is not", event, Answer::With("go", json!(false))))
        }
        "score-batch" => Some(("a batch that there is not", scoring(), Answer::With("done", json!(true)))),
        "finish-batch" => {
            let event = json!({"planned": {"batch_id": NOBODY, "go": false, "task": null, "ranges": []}});
            Some(("a batch that there is not", event, Answer::Null))
        }
        _ => None,
    };
    if let Some((words, event, expected)) = of_events {
        return vec![Question { words: words.into(), event, expected }];
    }
    ROUTES
        .iter()
        .filter(|route| route.function == function)
        .flat_map(|route| of_route(route, release))
        .collect()
}

fn of_route<'a>(route: &Route, release: &'a Release) -> Vec<Question<'a>> {
    let item = release.questions.first().and_then(|question| question.history.first());
    let item = item.map_or("", String::as_str);
    let ask = |path: String, body: Option<Value>, expected| Question {
        words: format!("{} {path}", route.method),
        event: request(route, &path, body.as_ref()),
        expected,
    };
    let here = || route.path.to_owned();
    let about = |id: &str| route.path.replace("{id}", id);
    let questions = || (1..).zip(&release.questions);
    match (route.method, route.path) {
        ("POST", "/v1/recommendations") => questions()
            .map(|(number, question)| {
                let expected = Answer::Recommendation(question);
                named(ask(here(), Some(question.recommendation()), expected), number)
            })
            .collect(),
        ("POST", "/v1/rankings") => questions()
            .map(|(number, question)| {
                named(ask(here(), Some(question.ranking()), Answer::Ranking(question)), number)
            })
            .collect(),
        // Refused before anything is kept.
        ("POST", "/v1/events") => vec![ask(here(), Some(json!({"events": []})), Answer::Status(422))],
        ("GET", path) if path.starts_with("/v1/items/{id}") => {
            vec![ask(about(item), None, Answer::Status(200))]
        }
        ("GET", path) if path.starts_with("/v1/users/{id}") => {
            vec![ask(about(NOBODY), None, Answer::Status(200))]
        }
        // Refused before anything is kept.
        ("POST", "/v1/batches") => vec![ask(here(), Some(json!({})), Answer::Status(422))],
        ("GET", path) if path.starts_with("/v1/batches/{id}") => {
            vec![ask(about(NOBODY), None, Answer::Status(404))]
        }
        // No id, so that nobody is erased, and nothing deleted.
        ("DELETE", _) => vec![ask(about("-"), None, Answer::NoFailure)],
        ("GET", path) if !path.contains('{') => vec![ask(here(), None, Answer::Status(200))],
        // No route of today: what is added is asked whether it fails.
        ("GET", _) => vec![ask(about(NOBODY), None, Answer::NoFailure)],
        _ => vec![ask(about(NOBODY), Some(json!({})), Answer::NoFailure)],
    }
}

fn named<'a>(question: Question<'a>, number: usize) -> Question<'a> {
    Question { words: format!("{}, question {number}", question.words), ..question }
}

/// A request as API Gateway hands it on.
fn request(route: &Route, path: &str, body: Option<&Value>) -> Value {
    let mut headers = json!({"host": "release-check.invalid", "accept": "application/json"});
    if body.is_some() {
        headers["content-type"] = "application/json".into();
    }
    let key = format!("{} {}", route.method, route.path);
    json!({
        "version": "2.0",
        "routeKey": key,
        "rawPath": path,
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "release-check",
            "domainName": "release-check.invalid",
            "domainPrefix": "release-check",
            "http": {
                "method": route.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "verify-release",
            },
            "requestId": "release-check",
            "routeKey": key,
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": 1_767_225_600_000_i64,
        },
        "body": body.map(Value::to_string),
        "isBase64Encoded": false,
    })
}

/// A range of a batch that there is not.
fn scoring() -> Value {
    json!({
        "task": {
            "batch_id": NOBODY,
            "key": "requests/release-check",
            "tag": null,
            "layout": "json",
            "format": "marquee",
            "k": null,
            "backend": "function",
            "model": "",
        },
        "range": {"from": 0, "to": 0, "first_line": 1},
    })
}

/// What API Gateway asks the authorizer.
fn authorization() -> Value {
    let route = Route { method: "POST", path: "/v1/recommendations", function: "recommend", scope: None };
    let mut event = request(&route, route.path, None);
    event["type"] = "REQUEST".into();
    event["routeArn"] =
        "arn:aws:execute-api:eu-central-1:123456789012:release-check/$default/POST/v1/recommendations".into();
    event["identitySource"] = json!([NO_KEY, "POST /v1/recommendations"]);
    event["headers"]["authorization"] = NO_KEY.into();
    event
}

fn status(answer: &Value) -> Result<u64, String> {
    answer["statusCode"].as_u64().ok_or_else(|| "no HTTP answer".into())
}

fn body(answer: &Value) -> Result<Value, String> {
    match status(answer)? {
        200 => {
            let text = answer["body"].as_str().unwrap_or_default();
            serde_json::from_str(text).map_err(|error| format!("a body that is not JSON: {error}"))
        }
        other => Err(format!("status {other}, where 200 is expected: {}", code(answer))),
    }
}

/// What a problem says: its code, which holds nothing of the request.
fn code(answer: &Value) -> String {
    let problem = answer["body"].as_str().and_then(|body| serde_json::from_str::<Value>(body).ok());
    let code = problem.as_ref().and_then(|problem| problem["code"].as_str());
    code.unwrap_or("no problem in the body").to_owned()
}

//! What holds for every answer and every problem, whoever asked and whichever host answered.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::{Reply, Request};

/// Where recommendations are asked for.
pub(crate) const RECOMMENDATIONS: &str = "/v1/recommendations";

/// A request for recommendations with this body.
pub(crate) fn ask(body: &Value) -> Request {
    Request::post(RECOMMENDATIONS, body.to_string())
}

/// The answer in `reply`, after everything that holds for all answers.
pub(crate) fn answer(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.media_type(), "application/json", "{reply:?}");
    let answer = reply.json();
    let explained = answer.get("explanation").is_some();
    let named = ["explanation", "items", "receipt", "request_id"];
    assert_eq!(fields(&answer), named[usize::from(!explained)..], "{answer}");
    let has_because = |item: &Value| item.get("because").is_some();
    assert!(items(&answer).iter().all(|item| has_because(item) == explained), "{answer}");
    assert_eq!(
        answer["request_id"].as_str(),
        reply.headers.get("x-request-id").map(String::as_str),
        "{reply:?}"
    );
    assert!(!text(&answer["request_id"]).is_empty());
    for (index, item) in items(&answer).iter().enumerate() {
        assert_eq!(item["rank"], json!(index + 1), "{item}");
        assert!(item["score"].as_f64().is_some_and(f64::is_finite), "{item}");
        assert!(!text(&item["title"]).is_empty(), "{item}");
        assert!(item["year"].is_u64(), "{item}");
        assert!(strings(&item["genres"]).iter().all(|genre| !genre.is_empty()), "{item}");
    }
    let distinct: BTreeSet<_> = item_ids(&answer).into_iter().collect();
    assert_eq!(distinct.len(), items(&answer).len(), "an item is answered twice: {answer}");
    check_receipt(&answer["receipt"]);
    answer
}

/// The ranking in `reply`, after everything that holds for all rankings.
pub(crate) fn ranking(reply: &Reply) -> Value {
    let ranking = shown(reply);
    assert_eq!(fields(&ranking), ["items", "receipt", "request_id"], "{ranking}");
    for (index, item) in items(&ranking).iter().enumerate() {
        assert_eq!(item["rank"], json!(index + 1), "{item}");
        assert_eq!(item["known"].as_bool(), Some(item["score"].is_f64()), "{item}");
    }
    check_receipt(&ranking["receipt"]);
    ranking
}

/// The list of items in `reply`, after everything that holds for all lists.
pub(crate) fn list(reply: &Reply) -> Value {
    let list = shown(reply);
    assert_eq!(fields(&list), ["items", "next_cursor"], "{list}");
    for item in items(&list) {
        assert!(!text(&item["title"]).is_empty() && item["popularity"].is_u64(), "{item}");
    }
    list
}

/// The JSON of a reply that is neither a recommendation nor a problem.
pub(crate) fn shown(reply: &Reply) -> Value {
    assert_eq!((reply.status, reply.media_type()), (200, "application/json"), "{reply:?}");
    reply.json()
}

fn check_receipt(receipt: &Value) {
    let named = ["deadline_ms", "degraded", "elapsed_ms", "history", "model", "profile", "reason", "rung"];
    assert_eq!(fields(receipt), named, "{receipt}");
    assert!(receipt["elapsed_ms"].as_f64().is_some_and(|ms| ms >= 0.0), "{receipt}");
    assert_eq!(fields(&receipt["model"]), ["digest", "name", "version"], "{receipt}");
    let model = &receipt["model"];
    assert!(!text(&model["name"]).is_empty(), "{receipt}");
    // Another maker's server may say neither; what the function answers says both.
    let may_be_silent = receipt["rung"] == "accelerator";
    if !(may_be_silent && model["digest"].is_null()) {
        let digest = text(&model["digest"]);
        assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{receipt}");
    }
    if !(may_be_silent && model["version"].is_null()) {
        assert!(!text(&model["version"]).is_empty(), "{receipt}");
    }
    let degraded = strings(&receipt["degraded"]);
    assert!(receipt["reason"].is_null() || degraded.contains(&text(&receipt["reason"])), "{receipt}");
}

/// The problem in `reply`, after everything that holds for all problems.
pub(crate) fn problem(reply: &Reply, status: u16, code: &str) -> Value {
    assert_eq!(reply.status, status, "{reply:?}");
    assert_eq!(reply.media_type(), "application/problem+json", "{reply:?}");
    let problem = reply.json();
    assert_eq!(problem["status"], json!(status), "{problem}");
    assert_eq!(problem["code"], json!(code), "{problem}");
    for field in ["type", "title", "detail"] {
        assert!(!text(&problem[field]).is_empty(), "{problem}");
    }
    assert_eq!(
        problem["request_id"].as_str(),
        reply.headers.get("x-request-id").map(String::as_str),
        "{reply:?}"
    );
    assert!(!text(&problem["request_id"]).is_empty());
    assert_eq!(
        code == "invalid_request",
        problem.get("errors").is_some(),
        "only 422 lists faults: {problem}"
    );
    problem
}

/// The faults of a 422, as pointer and code, in order of the pointers; each has a detail.
pub(crate) fn faults(problem: &Value) -> Vec<(String, String)> {
    let faults = problem["errors"].as_array().expect("a 422 lists its faults");
    let mut found: Vec<_> = faults
        .iter()
        .map(|fault| {
            assert_eq!(fields(fault), ["code", "detail", "pointer"], "{fault}");
            assert!(!text(&fault["detail"]).is_empty(), "{fault}");
            (text(&fault["pointer"]).to_owned(), text(&fault["code"]).to_owned())
        })
        .collect();
    found.sort();
    found
}

/// The ranked items of an answer.
pub(crate) fn items(answer: &Value) -> &[Value] {
    answer["items"].as_array().expect("an answer has items")
}

/// Their ids, best first.
pub(crate) fn item_ids(answer: &Value) -> Vec<&str> {
    items(answer).iter().map(|item| text(&item["item_id"])).collect()
}

/// Asserts that the items come best first, as they do unless variety was asked for.
pub(crate) fn best_first(answer: &Value) {
    let scores: Vec<_> = items(answer).iter().map(|item| item["score"].as_f64()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "not best first: {scores:?}");
}

/// Asserts which rung answered and why, and how much of the history was known.
pub(crate) fn receipt(answer: &Value, rung: &str, reason: Option<&str>, used: usize, unknown: usize) {
    let receipt = &answer["receipt"];
    assert_eq!(receipt["rung"], json!(rung), "{receipt}");
    assert_eq!(receipt["reason"], json!(reason), "{receipt}");
    assert_eq!(receipt["history"], json!({"used": used, "unknown": unknown}), "{receipt}");
    assert_eq!(receipt["profile"], json!(if used + unknown == 0 { "none" } else { "request" }), "{receipt}");
}

/// Asserts that every item's contributions make its score, to the rounding of f32.
pub(crate) fn explanations_sum_to_scores(answer: &Value) {
    for item in items(answer) {
        let because = item["because"].as_array().expect("an explained item has `because`");
        assert!((1..=5).contains(&because.len()), "{item}");
        let weight = |contribution: &Value| contribution["weight"].as_f64().expect("a weight is a number");
        let rest = item["because_rest"].as_f64().expect("`because_rest` is a number");
        let score = item["score"].as_f64().expect("a score is a number");
        let parts: Vec<_> = because.iter().map(weight).chain([rest]).collect();
        let magnitude: f64 = parts.iter().map(|part| part.abs()).sum();
        let sum: f64 = parts.iter().sum();
        assert!((sum - score).abs() <= 1e-5 * magnitude, "{sum} is not the score of {item}");
        assert!(because.iter().map(weight).is_sorted_by(|a, b| a >= b), "largest first: {item}");
        assert!(because.iter().all(|contribution| !text(&contribution["title"]).is_empty()), "{item}");
    }
}

/// A JSON string's text.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("expected a string, found {value}"))
}

/// The texts of a JSON array of strings.
pub(crate) fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap_or_else(|| panic!("expected an array, found {value}")).iter().map(text).collect()
}

/// The names of a JSON object's fields, in alphabetical order.
pub(crate) fn fields(value: &Value) -> Vec<&str> {
    let object = value.as_object().unwrap_or_else(|| panic!("expected an object, found {value}"));
    let mut names: Vec<_> = object.keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

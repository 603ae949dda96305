use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;

/// Status and body of a POST to the route over the eight items of the testing artifact.
async fn post(body: impl Into<Body>) -> (u16, Value) {
    post_to(shared::testing::artifact().path(), body).await
}

/// The same over another artifact.
async fn post_to(folder: &std::path::Path, body: impl Into<Body>) -> (u16, Value) {
    let router =
        http::finish(router(Arc::new(Recommending::open(folder).unwrap()), Arc::new(Memory::new(None))));
    let request = Request::post("/v1/recommendations").header("content-type", "application/json");
    let response = router.oneshot(request.body(body.into()).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

fn ids(answer: &Value) -> Vec<&str> {
    answer["items"].as_array().unwrap().iter().map(|item| item["item_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_history_brings_what_is_like_it_and_not_itself() {
    let (status, answer) = post(r#"{"history": ["alpha", "bravo"], "k": 2}"#).await;
    assert_eq!(status, 200);
    assert_eq!(ids(&answer), ["delta", "charlie"]);
    assert_eq!(answer["receipt"]["rung"], "function");
    assert_eq!(answer["receipt"]["reason"], Value::Null);
    assert_eq!(answer["receipt"]["profile"], "request");
    assert_eq!(answer["receipt"]["history"], json!({"used": 2, "unknown": 0}));
}

#[tokio::test]
async fn a_sequence_model_answers_and_says_how_it_explains() {
    let folder = shared::testing::sasrec_artifact();
    let body = r#"{"history": ["alpha", "bravo"], "k": 2, "explain": true}"#;
    let (status, answer) = post_to(folder.path(), body).await;
    assert_eq!((status, ids(&answer).len()), (200, 2));
    assert_eq!(answer["receipt"]["rung"], "function");
    assert_eq!(answer["explanation"], "leave_one_out");
    let item = &answer["items"][0];
    assert_eq!(item["because"].as_array().unwrap().len(), 2);
    assert!(item.get("because_rest").is_none(), "{item}");
    let (_, answer) = post(r#"{"history": ["alpha"], "explain": true}"#).await;
    assert_eq!(answer["explanation"], "contributions");
}

#[tokio::test]
async fn nothing_known_brings_what_is_popular_and_says_so() {
    let (status, answer) = post(r#"{"history": ["nobody-knows"], "k": 2}"#).await;
    assert_eq!(status, 200);
    assert_eq!(ids(&answer), ["alpha", "bravo"]);
    assert_eq!(answer["receipt"]["rung"], "popular");
    assert_eq!(answer["receipt"]["reason"], "no_known_history");
    assert_eq!(answer["receipt"]["degraded"], json!(["no_known_history"]));
    assert_eq!(answer["receipt"]["history"], json!({"used": 0, "unknown": 1}));
}

#[tokio::test]
async fn dislikes_and_low_ratings_are_left_out_even_when_seen_items_are_wanted() {
    let body = json!({
        "history": ["alpha", {"item_id": "bravo", "type": "dislike"}, {"item_id": "delta", "value": 2}],
        "filters": {"include_seen": true}, "k": 8,
    });
    let (_, answer) = post(body.to_string()).await;
    let found = ids(&answer);
    assert!(found.contains(&"alpha") && !found.contains(&"bravo") && !found.contains(&"delta"), "{found:?}");
    assert_eq!(found.len(), 6);
}

#[tokio::test]
async fn every_fault_is_listed_at_once_with_its_pointer() {
    let body = json!({
        "history": ["-bad", {"item_id": "alpha", "type": "rating"}], "k": 0, "colour": "red",
        "filters": {"year": {"min": "1980"}}, "diversity": 2, "deadline_ms": 1,
    });
    let (status, problem) = post(body.to_string()).await;
    assert_eq!(status, 422);
    assert_eq!(problem["code"], "invalid_request");
    let faults = problem["errors"].as_array().unwrap();
    let mut found: Vec<_> =
        faults.iter().map(|f| (f["pointer"].as_str().unwrap(), f["code"].as_str().unwrap())).collect();
    found.sort_unstable();
    let expected = [
        ("/colour", "unknown_field"),
        ("/deadline_ms", "out_of_range"),
        ("/diversity", "out_of_range"),
        ("/filters/year/min", "wrong_type"),
        ("/history/0", "invalid_id"),
        ("/history/1/value", "missing"),
        ("/k", "out_of_range"),
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn what_is_not_json_and_what_says_a_thing_twice_is_malformed() {
    for body in ["", "{", "{\"k\": 1, \"k\": 2}", "\u{0}"] {
        let (status, problem) = post(body).await;
        assert_eq!((status, &problem["code"]), (400, &json!("malformed_json")), "{body}");
        assert!(problem["detail"].as_str().unwrap().contains("line 1"), "{problem}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let (status, problem) = post(vec![b' '; http::BODY_LIMIT + 1]).await;
    assert_eq!((status, &problem["code"]), (413, &json!("body_too_large")));
}

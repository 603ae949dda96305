use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;

/// Status and body of a POST to the route over the eight items of the testing artifact.
async fn post_json(body: &Value) -> (u16, Value) {
    let folder = shared::testing::artifact();
    let router = http::finish(router(
        Arc::new(Recommending::open(folder.path()).unwrap()),
        Arc::new(Memory::new(None)),
    ));
    let request = Request::post("/v1/rankings").header("content-type", "application/json");
    let response = router.oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

fn ids(answer: &Value) -> Vec<&str> {
    answer["items"].as_array().unwrap().iter().map(|item| item["item_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn items_are_put_in_order_and_unknown_ones_come_last_and_marked() {
    let items = ["x", "echo", "delta", "y", "charlie", "echo"];
    let (status, answer) = post_json(&json!({"history": ["alpha", "bravo"], "items": items})).await;
    assert_eq!(status, 200);
    assert_eq!(ids(&answer), ["delta", "charlie", "echo", "x", "y"]);
    let last = &answer["items"][4];
    assert_eq!((&last["known"], &last["score"], &last["rank"]), (&json!(false), &Value::Null, &json!(5)));
    assert_eq!(answer["receipt"]["rung"], "function");
}

#[tokio::test]
async fn without_a_history_what_is_popular_comes_first() {
    let (_, answer) = post_json(&json!({"items": ["golf", "alpha", "charlie"]})).await;
    assert_eq!(ids(&answer), ["alpha", "charlie", "golf"]);
    assert_eq!(answer["receipt"]["reason"], "no_known_history");
}

#[tokio::test]
async fn a_ranking_needs_items() {
    for (body, code) in
        [(json!({}), "missing"), (json!({"items": []}), "too_few"), (json!({"items": 3}), "wrong_type")]
    {
        let (status, problem) = post_json(&body).await;
        assert_eq!((status, &problem["errors"][0]["code"]), (422, &json!(code)), "{problem}");
        assert_eq!(problem["errors"][0]["pointer"], "/items");
    }
}

/// The same model, the same history: a ranking and a recommendation are of one mind.
#[tokio::test]
async fn scores_are_those_of_a_recommendation() {
    let folder = shared::testing::artifact();
    let recommending = Recommending::open(folder.path()).unwrap();
    let request = shared::api::parse(br#"{"history": ["alpha", "golf"], "k": 6}"#).unwrap();
    let recommended = recommending.answer(&request, String::new());
    let items: Vec<&str> = recommended.items.iter().rev().map(|item| item.item_id.as_str()).collect();
    let (_, ranked) = post_json(&json!({"history": ["alpha", "golf"], "items": items})).await;
    for (expected, found) in recommended.items.iter().zip(ranked["items"].as_array().unwrap()) {
        assert_eq!(found["item_id"], json!(expected.item_id));
        assert_eq!(found["score"].as_f64().map(|score| score as f32), Some(expected.score));
    }
}

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use super::*;

/// Status and body of a GET over the eight items of the testing artifact.
async fn get_json(path: &str) -> (u16, Value) {
    let folder = shared::testing::artifact();
    let router = http::finish(router(Arc::new(Recommending::open(folder.path()).unwrap())));
    let response = router.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

fn ids(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["item_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_is_alike_comes_first_and_the_item_itself_not_at_all() {
    let (status, list) = get_json("/v1/items/alpha/similar?k=3").await;
    assert_eq!(status, 200);
    let mut found = ids(&list);
    found.sort_unstable();
    assert_eq!(found, ["bravo", "charlie", "delta"]);
    let scores: Vec<f64> =
        list["items"].as_array().unwrap().iter().map(|i| i["score"].as_f64().unwrap()).collect();
    assert!(
        scores.is_sorted_by(|a, b| a >= b) && scores.iter().all(|s| (-1.0..=1.0).contains(s)),
        "{scores:?}"
    );
    assert_eq!(ids(&get_json("/v1/items/alpha/similar?k=500").await.1).len(), 7);
}

#[tokio::test]
async fn an_unknown_item_is_404_and_a_wrong_query_422() {
    let (status, problem) = get_json("/v1/items/nobody/similar").await;
    assert_eq!((status, problem["code"].as_str()), (404, Some("unknown_item")));
    let (status, problem) = get_json("/v1/items/alpha/similar?k=0&colour=red").await;
    assert_eq!((status, problem["errors"].as_array().unwrap().len()), (422, 2), "{problem}");
    let (status, _) = get_json("/v1/items/alpha/similar?k=3&k=4").await;
    assert_eq!(status, 422);
}

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;

async fn get(path: &str) -> (u16, Value) {
    get_from(Access::Keys, path).await
}

async fn get_from(access: Access, path: &str) -> (u16, Value) {
    let folder = shared::testing::artifact();
    let router =
        shared::api::http::finish(router(Arc::new(Recommending::open(folder.path()).unwrap()), access));
    let response = router.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn health_says_alive() {
    let (status, body) = get("/v1/health").await;
    assert_eq!((status, body["status"].as_str()), (200, Some("alive")));
}

#[tokio::test]
async fn ready_names_the_model() {
    let (status, body) = get("/v1/ready").await;
    assert_eq!((status, body["ready"].as_bool()), (200, Some(true)));
    assert_eq!(body["dependencies"]["model"]["name"], "testing");
}

#[tokio::test]
async fn the_document_says_whether_a_key_is_needed_and_else_the_same() {
    let (status, mut keys) = get_from(Access::Keys, "/openapi.json").await;
    assert_eq!((status, keys["security"].take()), (200, json!([{"bearer": []}])));
    let (status, mut open) = get_from(Access::Open, "/openapi.json").await;
    assert_eq!((status, open["security"].take()), (200, json!([{}, {"bearer": []}])));
    assert_eq!(open, keys);
    assert!(keys["paths"]["/openapi.json"].is_object());
}

#[tokio::test]
async fn another_route_is_a_problem() {
    let (status, body) = get("/v1/nothing").await;
    assert_eq!((status, body["code"].as_str()), (404, Some("not_found")));
}

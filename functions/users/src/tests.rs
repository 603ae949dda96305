use async_trait::async_trait;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use shared::api::EventId;
use shared::store::embedded::Embedded;
use shared::store::{Erased, EventPage, Loading, Profiles, StoredProfile};
use tower::ServiceExt;

use super::*;

/// Status and body of a request to the routes over this store.
async fn ask(store: Store, method: &str, path: &str) -> (u16, Value) {
    let router = http::finish(router(store));
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

fn event(number: usize, kind: &str) -> Event {
    let item = number % 3;
    let second = number % 60;
    let event = json!({
        "user_id": "ada", "event_id": format!("e{number}"), "item_id": format!("item-{item}"), "type": kind,
        "occurred_at": format!("2024-01-01T00:00:{second:02}Z"), "received_at": "2024-01-02T00:00:00Z",
        "time_given": true,
    });
    serde_json::from_value(event).unwrap()
}

#[tokio::test]
async fn what_is_held_is_shown_and_after_an_erasure_nothing_is() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(&folder.path().join("store")).unwrap();
    let events: Vec<_> = (1..=5).map(|number| event(number, "like")).collect();
    store.load(&events).await.unwrap();
    let store: Store = Some(Arc::new(store));

    let (status, user) = ask(store.clone(), "GET", "/v1/users/ada").await;
    assert_eq!(status, 200);
    let latest: Vec<_> = user["history"].as_array().unwrap().iter().map(|e| e["event_id"].clone()).collect();
    assert_eq!(latest, ["e3", "e4", "e5"], "per item the latest, newest last: {user}");

    let (_, page) = ask(store.clone(), "GET", "/v1/users/ada/events?limit=3").await;
    assert_eq!((page["items"].as_array().unwrap().len(), &page["next_cursor"]), (3, &json!("e3")));
    let (_, page) = ask(store.clone(), "GET", "/v1/users/ada/events?limit=3&cursor=e3").await;
    assert_eq!((page["items"].as_array().unwrap().len(), &page["next_cursor"]), (2, &Value::Null));

    let (status, erased) = ask(store.clone(), "DELETE", "/v1/users/ada").await;
    assert_eq!((status, &erased["removed"]), (200, &json!({"events": 5, "profiles": 1})), "{erased}");
    for (path, list) in [("/v1/users/ada", "history"), ("/v1/users/ada/events", "items")] {
        let (status, held) = ask(store.clone(), "GET", path).await;
        assert_eq!((status, &held[list]), (200, &json!([])), "{held}");
    }
    let (_, erased) = ask(store, "DELETE", "/v1/users/ada").await;
    assert_eq!(erased["removed"], json!({"events": 0, "profiles": 0}));
}

#[tokio::test]
async fn bad_input_is_told_with_every_fault() {
    let folder = tempfile::tempdir().unwrap();
    let store: Store = Some(Arc::new(Embedded::open(&folder.path().join("store")).unwrap()));
    for (method, path) in
        [("GET", "/v1/users/_ada"), ("DELETE", "/v1/users/_ada"), ("GET", "/v1/users/_/events")]
    {
        let (status, problem) = ask(store.clone(), method, path).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/id")), "{problem}");
    }
    let (status, problem) = ask(store, "GET", "/v1/users/ada/events?limit=0&cursor=-&sort=x").await;
    assert_eq!((status, problem["errors"].as_array().unwrap().len()), (422, 3), "{problem}");
}

#[derive(Debug)]
struct Failing;

#[async_trait]
impl Profiles for Failing {
    async fn profile(&self, _: &UserId) -> Result<Option<StoredProfile>, StoreError> {
        Err(StoreError::new("gone"))
    }
}

#[async_trait]
impl People for Failing {
    async fn events(&self, _: &UserId, _: Option<&EventId>, _: usize) -> Result<EventPage, StoreError> {
        Err(StoreError::new("gone"))
    }

    async fn erase(&self, _: &UserId, _: Time) -> Result<Erased, StoreError> {
        Err(StoreError::new("gone"))
    }
}

#[tokio::test]
async fn a_store_that_fails_is_told_and_nothing_is_promised() {
    for store in [Some(Arc::new(Failing) as _), None] {
        for (method, path) in
            [("GET", "/v1/users/ada"), ("GET", "/v1/users/ada/events"), ("DELETE", "/v1/users/ada")]
        {
            let (status, problem) = ask(store.clone(), method, path).await;
            assert_eq!((status, &problem["code"]), (424, &json!("store_unavailable")), "{problem}");
        }
    }
}

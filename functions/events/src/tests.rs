use std::path::Path;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use shared::store::embedded::Embedded;
use shared::store::{Event, People, Put, StoreError};
use tower::ServiceExt;

use super::*;

fn open(folder: &Path) -> Embedded {
    Embedded::open(&folder.join("store")).unwrap()
}

/// Status and body of a POST to the route over this store.
async fn post(store: Option<Arc<dyn Events>>, events: Value) -> (u16, Value) {
    let router = http::finish(router(store));
    let request = Request::post("/v1/events").header("content-type", "application/json");
    let request = request.body(Body::from(json!({ "events": events }).to_string())).unwrap();
    let response = router.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

fn indices(list: &Value) -> Vec<u64> {
    list.as_array().unwrap().iter().map(|entry| entry["index"].as_u64().unwrap()).collect()
}

fn codes(answer: &Value) -> Vec<(u64, &str)> {
    let rejected = answer["rejected"].as_array().unwrap().iter();
    rejected.map(|r| (r["index"].as_u64().unwrap(), r["code"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn an_event_is_kept_once_and_a_retry_is_a_duplicate() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let events = json!([
        {"event_id": "e1", "user_id": "ada", "item_id": "alien", "type": "like"},
        {"user_id": "ada", "item_id": "heat", "type": "rating", "value": 4.5, "occurred_at": 1_700_000_000_000_i64},
    ]);
    let (status, first) = post(Some(Arc::new(store.clone())), events.clone()).await;
    assert_eq!((status, indices(&first["accepted"])), (202, vec![0, 1]), "{first}");
    let (status, again) = post(Some(Arc::new(store.clone())), events).await;
    assert_eq!(status, 202);
    assert_eq!(indices(&again["duplicates"]), [0], "{again}");
    assert_eq!(indices(&again["accepted"]), [1], "without an id it is another event: {again}");
    let kept = store.events(&"ada".to_owned().try_into().unwrap(), None, 10).await.unwrap();
    assert_eq!(kept.events.len(), 3);
}

#[tokio::test]
async fn a_time_out_of_range_is_refused_by_index_and_its_neighbours_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let event =
        |time: Value| json!({"user_id": "ada", "item_id": "alien", "type": "view", "occurred_at": time});
    let events = json!([
        event(json!("2099-01-01T00:00:00Z")),
        event(json!("1990-01-01T00:00:00Z")),
        event(json!("1989-12-31T23:59:59.999Z")),
        event(json!(i64::MIN)),
        event(json!("2001-01-01T00:00:00+02:00")),
    ]);
    let (status, answer) = post(Some(Arc::new(open(folder.path()))), events).await;
    assert_eq!((status, indices(&answer["accepted"])), (202, vec![1, 4]), "{answer}");
    let expected = [(0, "invalid_time"), (2, "invalid_time"), (3, "invalid_time")];
    assert_eq!(codes(&answer), expected);
}

#[tokio::test]
async fn another_event_under_the_same_id_is_a_conflict_at_its_index() {
    let folder = tempfile::tempdir().unwrap();
    let event = |kind: &str| json!({"event_id": "e1", "user_id": "ada", "item_id": "alien", "type": kind});
    let other = json!({"event_id": "e1", "user_id": "bob", "item_id": "alien", "type": "view"});
    let events = json!([event("like"), event("dislike"), event("like"), other]);
    let (_, answer) = post(Some(Arc::new(open(folder.path()))), events).await;
    assert_eq!(indices(&answer["accepted"]), [0, 3], "an id is one among its user's: {answer}");
    assert_eq!(indices(&answer["duplicates"]), [2]);
    assert_eq!(codes(&answer), [(1, "conflict")]);
}

#[tokio::test]
async fn what_was_done_before_an_erasure_is_refused_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.erase(&"ada".to_owned().try_into().unwrap(), Time::now()).await.unwrap();
    let event = |user: &str| json!({"user_id": user, "item_id": "alien", "type": "view", "occurred_at": "2020-01-01T00:00:00Z"});
    let (_, answer) = post(Some(Arc::new(store)), json!([event("ada"), event("bob")])).await;
    assert_eq!((indices(&answer["accepted"]), codes(&answer)), (vec![1], vec![(0, "erased")]));
}

/// Fails for the events of one user.
#[derive(Debug)]
struct Failing(&'static str);

#[async_trait]
impl Events for Failing {
    async fn put(&self, events: &[Event]) -> Vec<Result<Put, StoreError>> {
        let fails = |event: &Event| event.user_id.as_str() == self.0;
        let outcome =
            |event| if fails(event) { Err(StoreError::new("throttled")) } else { Ok(Put::Accepted) };
        events.iter().map(outcome).collect()
    }
}

#[tokio::test]
async fn a_store_that_fails_is_said_by_index_and_when_nothing_is_kept_for_the_whole() {
    let event = |user: &str| json!({"user_id": user, "item_id": "alien", "type": "view"});
    let (status, answer) = post(Some(Arc::new(Failing("ada"))), json!([event("ada"), event("bob")])).await;
    assert_eq!((status, codes(&answer)), (202, vec![(0, "store_unavailable")]), "{answer}");
    for store in [Some(Arc::new(Failing("ada")) as _), None] {
        let (status, problem) = post(store, json!([event("ada")])).await;
        assert_eq!((status, &problem["code"]), (424, &json!("store_unavailable")), "{problem}");
    }
}

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use async_trait::async_trait;
use shared::api::UserId;
use shared::api::history::Time;
use shared::recommend::Recommending;
use shared::store::{LinkNote, LinkNotes, Profiles, StoreError, StoredProfile};
use std::sync::Arc;

async fn get(path: &str) -> (u16, Value) {
    get_from(Access::Keys, path).await
}

async fn get_from(access: Access, path: &str) -> (u16, Value) {
    get_standing_on(standing(), access, path).await
}

/// The model alone.
fn standing() -> Standing {
    let folder = shared::testing::artifact();
    let recommending = Arc::new(Recommending::open(folder.path()).unwrap());
    Standing { recommending, profiles: None, noted: None }
}

async fn get_standing_on(standing: Standing, access: Access, path: &str) -> (u16, Value) {
    let router = shared::api::http::finish(router(standing, access));
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
    assert_eq!(
        body["dependencies"].as_object().unwrap().len(),
        1,
        "what isn't configured isn't listed: {body}"
    );
}

/// A store in some state.
#[derive(Clone, Debug)]
enum Table {
    Noting(Vec<LinkNote>),
    Broken,
    Silent,
}

#[async_trait]
impl Profiles for Table {
    async fn profile(&self, _: &UserId) -> Result<Option<StoredProfile>, StoreError> {
        self.links(&[]).await.map(|_| None)
    }
}

#[async_trait]
impl LinkNotes for Table {
    async fn links(&self, _: &[&str]) -> Result<Vec<LinkNote>, StoreError> {
        match self {
            Self::Noting(notes) => Ok(notes.clone()),
            Self::Broken => Err(StoreError::new("broken")),
            Self::Silent => std::future::pending().await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_the_dependencies_do_it_is_ready_and_says_how_they_fare() {
    let note = |up, age_s: i64| LinkNote {
        accelerator: "http://gpu:80".into(),
        up,
        checked_at: Time::from_millis(Time::now().millis() - age_s * 1_000).unwrap(),
    };
    for (table, store, accelerator) in [
        (Table::Noting(vec![note(true, 20)]), "ready", "ready"),
        (Table::Noting(vec![note(false, 20)]), "ready", "unavailable"),
        (Table::Noting(vec![note(false, 20), note(true, 20)]), "ready", "ready"),
        (Table::Noting(vec![note(true, 1_000)]), "ready", "unknown"),
        (Table::Noting(Vec::new()), "ready", "unknown"),
        (Table::Broken, "unavailable", "unknown"),
        (Table::Silent, "unavailable", "unknown"),
    ] {
        let table = Arc::new(table);
        let accelerators = vec!["http://gpu:80".to_owned()];
        let noted = Some(Noted { accelerators, notes: table.clone() });
        let standing = Standing { profiles: Some(table.clone()), noted, ..standing() };
        let (status, body) = get_standing_on(standing, Access::Keys, "/v1/ready").await;
        assert_eq!((status, body["ready"].as_bool()), (200, Some(true)));
        let states = (&body["dependencies"]["store"], &body["dependencies"]["accelerator"]);
        assert_eq!(states, (&json!({"state": store}), &json!({"state": accelerator})), "{table:?}");
    }
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

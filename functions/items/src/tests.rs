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
async fn one_item_is_shown_and_an_unknown_one_is_404() {
    let (status, item) = get_json("/v1/items/echo").await;
    assert_eq!((status, item["title"].as_str()), (200, Some("Title of echo")));
    assert_eq!((item["year"].as_u64(), item["genres"][0].as_str()), (Some(1984), Some("Loud")));
    let (status, problem) = get_json("/v1/items/%20").await;
    assert_eq!((status, problem["code"].as_str()), (404, Some("unknown_item")));
}

#[tokio::test]
async fn every_word_of_a_search_begins_a_word_of_the_title() {
    assert_eq!(ids(&get_json("/v1/items?q=ECH").await.1), ["echo"]);
    assert_eq!(ids(&get_json("/v1/items?q=titl+go").await.1), ["golf"]);
    assert!(ids(&get_json("/v1/items?q=itle").await.1).is_empty());
}

#[tokio::test]
async fn pages_follow_each_other_without_gaps_or_repetitions() {
    let mut path = "/v1/items?limit=3&genre=loud".to_owned();
    let mut found = Vec::new();
    loop {
        let (status, page) = get_json(&path).await;
        assert_eq!(status, 200);
        found.extend(ids(&page).into_iter().map(str::to_owned));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/items?limit=3&genre=loud&cursor={cursor}");
    }
    assert_eq!(found, ["echo", "foxtrot", "golf", "hotel"]);
    let (status, past) = get_json("/v1/items?cursor=cffffffff").await;
    assert_eq!((status, ids(&past).len()), (200, 0));
    assert_eq!(get_json("/v1/items?cursor=next").await.0, 422);
}

#[tokio::test]
async fn what_is_popular_can_be_of_one_genre() {
    assert_eq!(ids(&get_json("/v1/popular?k=2").await.1), ["alpha", "bravo"]);
    let (_, loud) = get_json("/v1/popular?k=2&genre=Loud").await;
    assert_eq!(ids(&loud), ["echo", "foxtrot"]);
    assert_eq!(loud["items"][0]["score"], 40.0);
    assert!(ids(&get_json("/v1/popular?genre=Unknown").await.1).is_empty());
}

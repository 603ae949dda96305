use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use shared::api::batches::Tally;
use shared::batch::parts::input_key;
use shared::batch::ranges::Range;
use shared::store::embedded::Embedded;
use tempfile::TempDir;
use tower::ServiceExt;

use super::*;

/// Notes what it is to run.
#[derive(Debug, Default)]
struct Noting {
    started: Mutex<Vec<String>>,
    fails: AtomicBool,
}

#[async_trait]
impl Engine for Noting {
    async fn start(&self, batch: &BatchId) -> Result<(), StoreError> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(StoreError::new("gone"));
        }
        self.started.lock().unwrap().push(batch.to_string());
        Ok(())
    }

    async fn stop(&self, _: &Job) -> Result<(), StoreError> {
        Ok(())
    }
}

struct World {
    folder: TempDir,
    batches: Arc<Batches>,
    engine: Arc<Noting>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let jobs = Arc::new(Embedded::open(&folder.path().join("store")).unwrap());
        let objects = folder.path().join("objects");
        std::fs::create_dir(&objects).unwrap();
        let engine = Arc::new(Noting::default());
        let objects = Objects::in_folder(&objects).unwrap();
        let batches = Arc::new(Batches { jobs, objects, engine: engine.clone(), results_limit: 1_000 });
        Self { folder, batches, engine }
    }

    async fn ask(&self, method: &str, path: &str, key: Option<&str>, body: Option<Value>) -> (u16, String) {
        let router = http_api(Some(self.batches.clone()));
        let mut request = http::Request::builder().method(method).uri(path);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let response = router.oneshot(request.body(body).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn json(&self, method: &str, path: &str, key: Option<&str>, body: Option<Value>) -> (u16, Value) {
        let (status, text) = self.ask(method, path, key, body).await;
        (status, serde_json::from_str(&text).unwrap())
    }

    async fn make(&self, key: Option<&str>, body: Value) -> (u16, Value) {
        self.json("POST", "/v1/batches", key, Some(body)).await
    }

    fn started(&self) -> Vec<String> {
        self.engine.started.lock().unwrap().clone()
    }
}

fn http_api(batches: Store) -> Router {
    shared::api::http::finish(router(batches))
}

fn people() -> Value {
    json!({"people": [{"history": ["alpha"]}, {"user_id": "ada"}], "k": 3})
}

fn id(batch: &Value) -> &str {
    batch["batch_id"].as_str().unwrap()
}

#[tokio::test]
async fn a_batch_is_kept_with_its_people_and_started() {
    let world = World::new();
    let (status, batch) = world.make(None, people()).await;
    assert_eq!((status, &batch["state"], &batch["source"]), (202, &json!("queued"), &json!("people")));
    assert_eq!(world.started(), [id(&batch)]);
    let input =
        world.batches.objects.get(&input_key(&id(&batch).to_owned().try_into().unwrap())).await.unwrap();
    assert_eq!(String::from_utf8(input).unwrap(), "{\"history\":[\"alpha\"]}\n{\"user_id\":\"ada\"}\n");
    let (status, shown) = world.json("GET", &format!("/v1/batches/{}", id(&batch)), None, None).await;
    assert_eq!((status, &shown["progress"]), (200, &json!({"rows": 0, "errors": 0, "total": null})));
    let (_, list) = world.json("GET", "/v1/batches?limit=1", None, None).await;
    assert_eq!((id(&list["items"][0]), &list["next_cursor"]), (id(&batch), &json!(null)));
}

#[tokio::test]
async fn a_key_makes_one_batch_of_one_body_also_at_the_same_time() {
    let world = World::new();
    let made = futures_util::future::join_all((0..8).map(|_| world.make(Some("k"), people()))).await;
    assert!(made.iter().all(|(status, batch)| *status == 202 && id(batch) == id(&made[0].1)), "{made:?}");
    let other = json!({"people": [{}]});
    let (status, problem) = world.make(Some("k"), other).await;
    assert_eq!((status, &problem["code"]), (409, &json!("idempotency_conflict")));
    let spaced = world.ask("POST", "/v1/batches", Some("k"), Some(people())).await;
    assert_eq!(spaced.0, 202);
    let (_, list) = world.json("GET", "/v1/batches", None, None).await;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
    let (status, problem) = world.make(Some("a b"), people()).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/Idempotency-Key")));
}

#[tokio::test]
async fn a_key_finds_its_batch_also_when_the_file_is_gone() {
    let world = World::new();
    world.batches.objects.put("requests/a.jsonl", b"{}\n".to_vec()).await.unwrap();
    let body = json!({ "input": world.batches.objects.url("requests/a.jsonl") });
    let (_, made) = world.make(Some("k"), body.clone()).await;
    std::fs::remove_file(world.folder.path().join("objects/requests/a.jsonl")).unwrap();
    let (status, again) = world.make(Some("k"), body.clone()).await;
    assert_eq!((status, id(&again)), (202, id(&made)));
    let (status, problem) = world.make(Some("other"), body).await;
    assert_eq!((status, &problem["code"]), (404, &json!("unknown_input")));
}

#[tokio::test]
async fn batches_of_long_ago_are_forgotten_with_their_keys() {
    let world = World::new();
    let (_, made) = world.make(Some("k"), people()).await;
    let jobs = world.batches.jobs.as_ref();
    let now = jobs.job(&id(&made).to_owned().try_into().unwrap()).await.unwrap().unwrap().job;
    let old: BatchId = "b000000000001-0".to_owned().try_into().unwrap();
    let claim = jobs::Claim { batch_id: old.clone(), fingerprint: "f".into() };
    assert_eq!(jobs.claim("old", &claim).await.unwrap().batch_id, old);
    jobs.create(&Job { batch_id: old.clone(), ..now.clone() }).await.unwrap();
    world.make(None, people()).await;
    assert_eq!(jobs.job(&old).await.unwrap(), None);
    let anew = jobs::Claim { batch_id: now.batch_id.clone(), ..claim };
    assert_eq!(jobs.claim("old", &anew).await.unwrap(), anew);
    assert_eq!(world.make(Some("k"), people()).await.1["batch_id"], made["batch_id"]);
}

#[tokio::test]
async fn what_could_not_be_started_is_started_by_whoever_asks_again() {
    let world = World::new();
    world.engine.fails.store(true, Ordering::Relaxed);
    let (status, problem) = world.make(Some("k"), people()).await;
    assert_eq!((status, &problem["code"]), (424, &json!("store_unavailable")));
    let (status, _) = world.make(None, people()).await;
    assert_eq!(status, 424);
    world.engine.fails.store(false, Ordering::Relaxed);
    let (status, batch) = world.make(Some("k"), people()).await;
    assert_eq!((status, world.started()), (202, vec![id(&batch).to_owned()]));
    let (_, list) = world.json("GET", "/v1/batches", None, None).await;
    assert_eq!(list["items"][0]["state"], "failed", "nobody can ask for the one without a key again");
}

#[tokio::test]
async fn cancelling_ends_a_batch_once() {
    let world = World::new();
    let (_, batch) = world.make(None, json!({"all_users": true})).await;
    let path = format!("/v1/batches/{}", id(&batch));
    for _ in 0..2 {
        let (status, cancelled) = world.json("DELETE", &path, None, None).await;
        assert_eq!((status, &cancelled["state"]), (200, &json!("cancelled")));
    }
    let (status, problem) = world.json("GET", &format!("{path}/results"), None, None).await;
    assert_eq!((status, &problem["code"]), (409, &json!("batch_unfinished")));
    assert_eq!(problem["detail"], "the batch is cancelled");
}

#[tokio::test]
async fn results_are_the_parts_in_order() {
    let world = World::new();
    let (_, batch) = world.make(None, people()).await;
    let batch_id: BatchId = id(&batch).to_owned().try_into().unwrap();
    let path = format!("/v1/batches/{batch_id}/results");
    let finish = async |texts: [&str; 2]| {
        let mut parts = Vec::new();
        for (i, text) in texts.into_iter().enumerate() {
            let range = Range { from: i as u64, to: i as u64 + 1, first_line: 1 };
            let tally = Tally { rows: 1, function: 1, ..Tally::default() };
            let key = Part::key(&batch_id, range, &tally);
            let part =
                Part { key, range, tally, bytes: text.len() as u64, sha256: String::new(), elapsed_ms: 0 };
            part.write(&world.batches.objects, text.as_bytes().to_vec()).await.unwrap();
            parts.push(part);
        }
        let manifest = json!({ "parts": parts }).to_string();
        world.batches.objects.put(&manifest_key(&batch_id), manifest.into_bytes()).await.unwrap();
        let tally = Some(Tally { rows: 2, function: 2, ..Tally::default() });
        jobs::change(world.batches.jobs.as_ref(), &batch_id, |job| {
            (job.state, job.tally) = (BatchState::Succeeded, tally);
        })
        .await
        .unwrap();
    };
    finish(["{\"a\":1}\n", "{\"b\":2}\n"]).await;
    assert_eq!(world.ask("GET", &path, None, None).await, (200, "{\"a\":1}\n{\"b\":2}\n".into()));
    let (_, shown) = world.json("GET", &format!("/v1/batches/{batch_id}"), None, None).await;
    assert_eq!((&shown["progress"]["rows"], &shown["results"]["tally"]["function"]), (&json!(2), &json!(2)));
    finish(["{}\n", &"x".repeat(1_000)]).await;
    let (status, problem) = world.json("GET", &path, None, None).await;
    assert_eq!((status, &problem["code"]), (409, &json!("results_too_large")));
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_here_is_said() {
    let world = World::new();
    for (method, path) in
        [("GET", "/v1/batches/b1"), ("DELETE", "/v1/batches/b1"), ("GET", "/v1/batches/b1/results")]
    {
        let (status, problem) = world.json(method, path, None, None).await;
        assert_eq!((status, &problem["code"]), (404, &json!("unknown_batch")), "{method} {path}");
        assert_eq!(world.json(method, &path.replace("b1", "-"), None, None).await.0, 422);
        let router = http_api(None);
        let request = http::Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        assert_eq!(router.oneshot(request).await.unwrap().status(), 424);
    }
    let missing = world.batches.objects.url("requests/none.jsonl");
    let above = world.batches.objects.url("../store");
    for url in ["s3://bucket/requests/x.jsonl", "file:///etc/passwd", &missing, &above] {
        let (status, problem) = world.make(None, json!({ "input": url })).await;
        assert_eq!((status, &problem["code"]), (404, &json!("unknown_input")), "{url}");
    }
    assert_eq!(world.started(), [""; 0]);
}

//! `/v1/batches` of the service on one machine.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tests::{Request, Service, model_dir};

use super::{Home, demo_items, histories, lines};
use crate::answers::{problem, shown, text};

/// Longer than any batch here takes; only one that is stuck reaches it.
const STUCK: Duration = Duration::from_secs(120);

fn start(home: &Home) -> Result<Service> {
    let (store, folder) = (format!("file:{}", home.path("store").display()), home.path("batches"));
    Service::start_with(model_dir(), ["--store", &store, "--batch-dir", &folder.display().to_string()])
}

fn make(service: &Service, key: Option<&str>, body: &Value) -> Result<Value> {
    let mut request = Request::post("/v1/batches", body.to_string());
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let reply = service.send(&request)?;
    ensure!(reply.status == 202, "{reply:?}");
    Ok(reply.json())
}

/// The batch, when it has come to an end.
fn ended(service: &Service, id: &str) -> Result<Value> {
    let since = Instant::now();
    loop {
        let batch = shown(&service.send(&Request::new("GET", &format!("/v1/batches/{id}")))?);
        if !["queued", "running"].contains(&text(&batch["state"])) {
            return Ok(batch);
        }
        ensure!(since.elapsed() < STUCK, "it never ends: {batch}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn results(service: &Service, id: &str) -> Result<String> {
    let reply = service.send(&Request::new("GET", &format!("/v1/batches/{id}/results")))?;
    ensure!(reply.status == 200 && reply.media_type() == "application/x-ndjson", "{reply:?}");
    Ok(reply.body)
}

#[test]
fn people_of_a_request_of_a_file_and_everybody_are_answered_as_one_by_one() -> Result<()> {
    let home = Home::new()?;
    let service = start(&home)?;
    let events: Vec<Value> = (0..3)
        .map(|i| json!({"event_id": "e", "user_id": format!("person-{i}"), "item_id": "alien-1979", "type": "like"}))
        .collect();
    let sent = service.send(&Request::post("/v1/events", json!({ "events": events }).to_string()))?;
    ensure!(sent.status == 202, "{sent:?}");
    let since = Instant::now();
    while shown(&service.send(&Request::new("GET", "/v1/users/person-2"))?)["history"] == json!([]) {
        ensure!(since.elapsed() < STUCK, "it is never folded");
        thread::sleep(Duration::from_millis(20));
    }
    let people = json!([{"user_id": "person-0", "k": 3}, {"history": ["alien-1979"], "k": 3}, {"k": 3}]);
    let batch = make(&service, None, &json!({ "people": people }))?;
    let batch = ended(&service, text(&batch["batch_id"]))?;
    assert_eq!(
        (&batch["state"], &batch["progress"]),
        (&json!("succeeded"), &json!({"rows": 3, "errors": 0, "total": 3}))
    );
    let answers: Vec<Value> = results(&service, text(&batch["batch_id"]))?
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    for (person, answer) in people.as_array().into_iter().flatten().zip(&answers) {
        let alone = shown(&service.send(&Request::post("/v1/recommendations", person.to_string()))?);
        assert_eq!(answer["output"]["items"], alone["items"]);
        assert_eq!(&answer["input"], person);
    }
    assert_eq!(answers[0]["output"]["items"], answers[1]["output"]["items"]);

    // A file below the folder, named by its address; and another that is not.
    fs::create_dir_all(home.path("batches/requests"))?;
    home.write("batches/requests/people.csv", "user_id\nperson-1\nnobody\n")?;
    let url =
        format!("file://{}", home.path("batches").canonicalize()?.join("requests/people.csv").display());
    let batch = make(&service, None, &json!({ "input": url, "format": "personalize" }))?;
    let batch = ended(&service, text(&batch["batch_id"]))?;
    assert_eq!((&batch["state"], &batch["input"]), (&json!("succeeded"), &json!(url)), "{batch}");
    assert!(
        results(&service, text(&batch["batch_id"]))?
            .starts_with("{\"input\":{\"user_id\":\"person-1\"},\"output\":{\"recommendedItems\"")
    );
    let outside = json!({ "input": "file:///etc/passwd" }).to_string();
    problem(&service.send(&Request::post("/v1/batches", outside))?, 404, "unknown_input");

    let everybody = make(&service, None, &json!({"all_users": true, "k": 1}))?;
    let everybody = ended(&service, text(&everybody["batch_id"]))?;
    assert_eq!(everybody["progress"]["rows"], 3, "{everybody}");
    let empty = home.write("batches/requests/empty.jsonl", "")?;
    let batch =
        make(&service, None, &json!({ "input": format!("file://{}", empty.canonicalize()?.display()) }))?;
    let batch = ended(&service, text(&batch["batch_id"]))?;
    assert_eq!(
        (&batch["state"], &batch["reason"]["code"]),
        (&json!("failed"), &json!("input_empty")),
        "{batch}"
    );
    Ok(())
}

#[test]
fn a_batch_goes_on_after_every_kill_and_a_key_makes_one_of_it() -> Result<()> {
    let home = Home::new()?;
    fs::create_dir_all(home.path("batches/requests"))?;
    let items = demo_items()?;
    home.write("batches/requests/people.jsonl", lines(&histories(&items, 60_000)))?;
    let url =
        format!("file://{}", home.path("batches").canonicalize()?.join("requests/people.jsonl").display());
    let body = json!({ "input": url, "k": 2 });
    let mut ids = Vec::new();
    for _ in 0..6 {
        // Each time the caller has not heard what became of it, and asks again.
        let service = start(&home)?;
        ids.push(text(&make(&service, Some("newsletter"), &body)?["batch_id"]).to_owned());
        thread::sleep(Duration::from_millis(400));
        service.kill();
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let service = start(&home)?;
    let batch = ended(&service, &ids[0])?;
    assert_eq!(
        (&batch["state"], &batch["progress"]["rows"]),
        (&json!("succeeded"), &json!(60_000)),
        "{batch}"
    );
    let killed = results(&service, &ids[0])?;
    let at_once = make(&service, None, &body)?;
    ended(&service, text(&at_once["batch_id"]))?;
    assert!(results(&service, text(&at_once["batch_id"]))? == killed, "the answers are others");
    let list = shown(&service.send(&Request::new("GET", "/v1/batches"))?);
    assert_eq!(list["items"].as_array().map(Vec::len), Some(2));
    let conflict = Request::post("/v1/batches", json!({"all_users": true}).to_string())
        .header("idempotency-key", "newsletter");
    problem(&service.send(&conflict)?, 409, "idempotency_conflict");
    Ok(())
}

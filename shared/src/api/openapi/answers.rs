//! Examples of answers, over the demo's films. Tests hold them to the schemas.

use serde_json::{Value, json};

const REQUEST_ID: &str = "b2e1a54e8c3e550803df0234a3e13a43";

pub(super) fn recommendations() -> Value {
    json!({
        "request_id": REQUEST_ID,
        "items": [{
            "item_id": "the-thing-1982", "rank": 1, "score": 0.277, "title": "The Thing", "year": 1982,
            "genres": ["Horror", "Mystery", "Science Fiction"],
            "because": [{"item_id": "alien-1979", "title": "Alien", "weight": 0.277}], "because_rest": 0.0,
        }],
        "explanation": "contributions",
        "receipt": receipt(1),
    })
}

pub(super) fn ranking() -> Value {
    json!({
        "request_id": REQUEST_ID,
        "items": [
            {"item_id": "aliens-1986", "rank": 1, "score": 0.231, "known": true, "title": "Aliens"},
            {"item_id": "not-a-film-2031", "rank": 2, "score": null, "known": false, "title": null},
        ],
        "receipt": receipt(2),
    })
}

fn receipt(used: usize) -> Value {
    json!({
        "rung": "function",
        "reason": null,
        "model": {
            "name": "demo",
            "version": "fa3f9be0b1ed",
            "digest": "bd87616f2c360db5acf64db0502c4102ee1abd942428b840e3ba95bc77c60907",
        },
        "profile": "request",
        "history": {"used": used, "unknown": 0},
        "degraded": [],
        "elapsed_ms": 0.141,
        "deadline_ms": 200,
    })
}

pub(super) fn item() -> Value {
    json!({
        "item_id": "alien-1979", "title": "Alien", "year": 1979, "genres": ["Horror", "Science Fiction"],
        "popularity": 87,
    })
}

pub(super) fn items() -> Value {
    json!({"items": [item()], "next_cursor": "c00000001"})
}

pub(super) fn similar_items() -> Value {
    scored(0.83)
}

pub(super) fn popular_items() -> Value {
    scored(87.0)
}

fn scored(score: f64) -> Value {
    let mut item = item();
    item["score"] = score.into();
    json!({"items": [item], "next_cursor": null})
}

pub(super) fn events() -> Value {
    json!({
        "request_id": REQUEST_ID,
        "accepted": [{"index": 1, "event_id": "91b0c9d5"}],
        "duplicates": [{"index": 0, "event_id": "5e0a6f1c"}],
        "rejected": [{"index": 2, "code": "conflict", "detail": "another event was sent under this id before"}],
    })
}

pub(super) fn user() -> Value {
    json!({
        "request_id": REQUEST_ID,
        "user_id": "somebody@example.org",
        "changed_at": "2026-03-12T19:05:44.120Z",
        "history": [{
            "item_id": "alien-1979", "type": "rating", "value": 4.5, "occurred_at": "2026-03-12T19:05:43.000Z",
            "event_id": "5e0a6f1c",
        }],
    })
}

pub(super) fn user_events() -> Value {
    json!({
        "items": [{
            "event_id": "5e0a6f1c", "item_id": "alien-1979", "type": "rating", "value": 4.5,
            "occurred_at": "2026-03-12T19:05:43.000Z", "received_at": "2026-03-12T19:05:44.031Z",
        }],
        "next_cursor": null,
    })
}

pub(super) fn erased_user() -> Value {
    json!({
        "request_id": REQUEST_ID,
        "removed": {"events": 12, "profiles": 1},
        "erased_until": "2026-03-12T19:05:44.031Z",
    })
}

pub(super) fn health() -> Value {
    json!({"status": "alive", "version": env!("CARGO_PKG_VERSION")})
}

pub(super) fn ready() -> Value {
    let model = json!({"state": "ready", "name": "demo", "version": "fa3f9be0b1ed", "items": 800});
    json!({"ready": true, "dependencies": {"model": model}})
}

fn listed(state: &str, rows: u64, total: Option<u64>) -> Value {
    json!({
        "batch_id": "b018f3a2c5d60-9e107d9d372bb682",
        "state": state,
        "reason": null,
        "source": "people",
        "input": null,
        "backend": "function",
        "format": "marquee",
        "model": null,
        "created_at": "2026-03-12T19:05:43.000Z",
        "updated_at": "2026-03-12T19:05:43.000Z",
        "progress": {"rows": rows, "errors": 0, "total": total},
        "results": null,
    })
}

fn of_request(mut batch: Value) -> Value {
    batch["request_id"] = REQUEST_ID.into();
    batch
}

pub(super) fn queued_batch() -> Value {
    of_request(listed("queued", 0, None))
}

pub(super) fn cancelled_batch() -> Value {
    of_request(listed("cancelled", 0, Some(3)))
}

pub(super) fn batch() -> Value {
    of_request(finished())
}

pub(super) fn batches() -> Value {
    json!({"items": [finished()], "next_cursor": null})
}

fn finished() -> Value {
    let mut batch = listed("succeeded", 3, Some(3));
    batch["model"] = json!({
        "name": "demo",
        "version": "20260312T190000Z",
        "digest": "5f0b9c7d0c4e8a1b2f3d4c5e6a7b8c9d0e1f2a3b4c5d6e7f8091a2b3c4d5e6f7",
    });
    batch["results"] = json!({
        "manifest": "s3://my-bucket/results/b018f3a2c5d60-9e107d9d372bb682/manifest.json",
        "tally": {"rows": 3, "errors": 0, "accelerator": 0, "function": 3, "popular": 0},
    });
    batch
}

pub(super) fn batch_results() -> Value {
    let line = "{\"input\":{\"user_id\":\"somebody@example.org\"},\"output\":{\"items\":[],\"rung\":\"function\",\"model\":{}}}\n";
    line.into()
}

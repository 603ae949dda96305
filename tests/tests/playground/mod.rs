//! The playground: its page at `/`, and the trouble that is made by it.

#[cfg(feature = "real-parts")]
mod page;

use anyhow::Result;
use serde_json::{Value, json};
use tests::{Request, Service, marquee, model_dir};

use crate::answers::{answer, ask, item_ids, problem};

const FAULTS: &str = "/playground/faults";

#[test]
fn a_browser_gets_the_page_and_everybody_else_the_list_of_routes() -> Result<()> {
    let service = Service::demo()?;
    let page = service.send(&Request::new("GET", "/").header("accept", "text/html,*/*;q=0.8"))?;
    assert_eq!((page.status, page.media_type()), (200, "text/html"));
    let policy = &page.headers["content-security-policy"];
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.headers["x-content-type-options"], "nosniff");
    let list = service.send(&Request::new("GET", "/").header("accept", "*/*"))?;
    assert_eq!((list.status, list.media_type()), (200, "text/plain"));
    for reply in [&page, &list] {
        assert_eq!(reply.headers["vary"], "accept");
    }
    for file in named(&page.body) {
        // One is a typeface, whose bytes are no text.
        let asset = service.send(&Request::new("HEAD", &file))?;
        assert_eq!(asset.status, 200, "{file}");
        assert_eq!(asset.headers["x-content-type-options"], "nosniff", "{file}");
    }
    problem(&service.send(&Request::new("GET", "/playground/..%2fmod.rs"))?, 404, "not_found");
    Ok(())
}

/// What a page loads.
fn named(page: &str) -> Vec<String> {
    let files = page.split("\"/playground/").skip(1).filter_map(|rest| rest.split('"').next());
    files.map(|file| format!("/playground/{file}")).collect()
}

#[test]
fn until_it_is_plugged_in_nothing_is_as_if_there_were_an_accelerator() -> Result<()> {
    let service = Service::demo()?;
    let without = Service::start_with(model_dir(), ["--no-playground"])?;
    let request = ask(&json!({"history": ["alien-1979"], "k": 5, "explain": true}));
    let [found, expected] = [answer(&service.send(&request)?), answer(&without.send(&request)?)];
    assert_eq!(found["items"], expected["items"]);
    for field in ["rung", "reason", "model", "degraded", "profile"] {
        assert_eq!(found["receipt"][field], expected["receipt"][field], "{field}");
    }
    assert_eq!(faults(&service)?, json!({"accelerator": "unplugged", "profiles": "none"}));
    Ok(())
}

#[test]
fn every_fault_shows_in_the_receipt_and_in_no_answer() -> Result<()> {
    let service = Service::demo()?;
    let body = json!({"history": ["alien-1979"], "k": 5, "explain": true});
    let expected = answer(&service.send(&ask(&body))?);
    // Time enough for a debug build; less for one that is waited for in vain.
    for (fault, deadline, rung, reason) in [
        ("none", 5000, "accelerator", Value::Null),
        ("cut", 5000, "function", json!("accelerator_unreachable")),
        ("none", 5000, "accelerator", Value::Null),
        ("nonsense", 5000, "function", json!("accelerator_invalid_output")),
        ("none", 5000, "accelerator", Value::Null),
        ("slow", 200, "function", json!("accelerator_timeout")),
        ("unplugged", 200, "function", Value::Null),
    ] {
        set(&service, fault, "none")?;
        let mut body = body.clone();
        body["deadline_ms"] = json!(deadline);
        let found = answer(&service.send(&ask(&body))?);
        let receipt = &found["receipt"];
        assert_eq!((&receipt["rung"], &receipt["reason"]), (&json!(rung), &reason), "{fault}: {found}");
        assert_eq!(item_ids(&found), item_ids(&expected), "{fault}");
    }
    Ok(())
}

#[test]
fn a_breaker_that_opened_in_the_playground_closes_when_the_cable_is_back() -> Result<()> {
    let service = Service::demo()?;
    let request = ask(&json!({"history": ["alien-1979"], "deadline_ms": 5000}));
    let reason = || Ok::<_, anyhow::Error>(answer(&service.send(&request)?)["receipt"]["reason"].clone());
    set(&service, "cut", "none")?;
    while reason()? != "accelerator_open" {}
    set(&service, "none", "none")?;
    // The probe that runs beside one of these finds it well.
    while reason()? != Value::Null {}
    Ok(())
}

#[test]
fn a_store_that_is_down_is_said_so_by_whoever_needs_it() -> Result<()> {
    let service = Service::demo()?;
    let event =
        json!({"events": [{"user_id": "ada", "event_id": "e1", "item_id": "alien-1979", "type": "like"}]});
    let post = Request::post("/v1/events", event.to_string());
    set(&service, "unplugged", "down")?;
    problem(&service.send(&post)?, 424, "store_unavailable");
    for method in ["GET", "DELETE"] {
        problem(&service.send(&Request::new(method, "/v1/users/ada"))?, 424, "store_unavailable");
    }
    let found = answer(&service.send(&ask(&json!({"user_id": "ada"})))?);
    assert_eq!(found["receipt"]["profile"], "unavailable");
    assert_eq!(found["receipt"]["degraded"], json!(["no_known_history", "profile_unavailable"]));
    set(&service, "unplugged", "none")?;
    assert_eq!(service.send(&post)?.json()["accepted"][0]["event_id"], "e1", "nothing of it was kept before");
    Ok(())
}

#[test]
fn faults_are_parsed_as_strictly_as_everything_else() -> Result<()> {
    let service = Service::demo()?;
    let put = |body: &str| {
        let request = Request { method: "PUT".into(), ..Request::post(FAULTS, body) };
        service.send(&request)
    };
    let wrong = put(r#"{"accelerator": "on", "colour": 1}"#)?;
    problem(&wrong, 422, "invalid_request");
    let pointers: Vec<_> =
        wrong.json()["errors"].as_array().into_iter().flatten().map(|e| e["pointer"].clone()).collect();
    assert_eq!(pointers, ["/colour", "/accelerator", "/profiles"]);
    problem(&put(r#"["cut", "none"]"#)?, 422, "invalid_request");
    problem(&put("{")?, 400, "malformed_json");
    // What a form or a script of another site can send without asking first.
    let plain = Request {
        method: "PUT".into(),
        ..Request::post(FAULTS, r#"{"accelerator":"cut","profiles":"none"}"#)
    };
    problem(
        &service.send(&plain.clone().header("content-type", "text/plain"))?,
        415,
        "unsupported_media_type",
    );
    problem(&service.send(&plain.header("host", "evil.example"))?, 421, "host_not_allowed");
    problem(&service.send(&Request::new("OPTIONS", FAULTS))?, 405, "method_not_allowed");
    assert_eq!(faults(&service)?["accelerator"], "unplugged");
    Ok(())
}

#[test]
fn without_the_playground_there_is_neither_page_nor_hook() -> Result<()> {
    let service = Service::start_with(model_dir(), ["--no-playground"])?;
    let start = service.send(&Request::new("GET", "/").header("accept", "text/html"))?;
    assert_eq!((start.status, start.media_type()), (200, "text/plain"));
    for path in [FAULTS, "/playground/main.js"] {
        problem(&service.send(&Request::new("GET", path))?, 404, "not_found");
    }
    Ok(())
}

#[test]
fn with_keys_it_is_off_and_asked_for_it_is_the_page_without_the_hook() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let ring = folder.path().join("ring.json").display().to_string();
    let made = marquee(["keys", "new", "--scopes", "admin", "--ring", &ring])?;
    assert!(made.status.success(), "{made}");
    let as_browser = Request::new("GET", "/").header("accept", "text/html");
    let service = Service::start_with(model_dir(), ["--api-keys", &ring])?;
    assert_eq!(service.send(&as_browser)?.media_type(), "text/plain");
    let service = Service::start_with(model_dir(), ["--api-keys", &ring, "--playground"])?;
    assert_eq!(service.send(&as_browser)?.media_type(), "text/html");
    assert_eq!(service.send(&Request::new("GET", "/playground/main.js"))?.status, 200);
    problem(&service.send(&Request::new("GET", FAULTS))?, 404, "not_found");
    problem(&service.send(&ask(&json!({})))?, 401, "unauthorized");
    Ok(())
}

/// Sets what is wrong.
fn set(service: &Service, accelerator: &str, profiles: &str) -> Result<()> {
    let body = json!({"accelerator": accelerator, "profiles": profiles});
    let reply = service.send(&Request { method: "PUT".into(), ..Request::post(FAULTS, body.to_string()) })?;
    assert_eq!((reply.status, reply.json()), (200, body));
    Ok(())
}

fn faults(service: &Service) -> Result<Value> {
    Ok(service.send(&Request::new("GET", FAULTS))?.json())
}

//! What is logged: on Lambda and for `--log json` documents of CloudWatch's Embedded Metric Format, else lines for
//! people; one line for each request, and nothing of what people did.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::Value;
use tests::{Service, model_dir};

use crate::answers::text;
use crate::emulator::start;
use crate::events;

#[test]
fn every_function_logs_one_line_with_metrics_for_each_request_and_no_id_of_item_or_person() -> Result<()> {
    for function in ["recommend", "rank", "similar", "items", "health"] {
        let mut emulator = start(function, model_dir())?;
        let events: Vec<Value> = events::of_function(function).map(events::Case::event).collect();
        for event in &events {
            emulator.answer(event)?;
        }
        let log = emulator.end()?;
        let lines = documents(&log);
        assert_eq!(lines.len(), events.len(), "{function}: one line a request:\n{log}");
        for event in &events {
            let id = event["requestContext"]["requestId"].as_str().unwrap();
            assert_eq!(
                log.lines().filter(|line| line.contains(id)).count(),
                1,
                "one line about {id}:\n{log}"
            );
            let line = lines.iter().find(|line| line["request_id"] == id).unwrap();
            let header = event["headers"]["x-amzn-trace-id"].as_str().unwrap();
            assert_eq!(Some(line["trace_id"].as_str().unwrap()), header.strip_prefix("Root="), "{line}");
            let route = line["route"].as_str().unwrap();
            assert!(route == event["routeKey"] || route == "unmatched", "{line}");
        }
        let said = without_random_ids(&log);
        let told: Vec<String> = events.iter().flat_map(ids).filter(|id| said.contains(id)).collect();
        assert!(told.is_empty(), "{told:?} are in the log of {function}:\n{log}");
    }
    Ok(())
}

/// The log without the emulator's own lines about an invocation: their random ids hold any short word some day
/// (`-bad` in `3adc44e3-8ca3-414d-bad1-…`).
fn without_random_ids(log: &str) -> String {
    let of_the_emulator = |line: &&str| {
        ["START", "END", "REPORT"].iter().any(|word| line.starts_with(&format!("{word} RequestId: ")))
    };
    log.lines().filter(|line| !of_the_emulator(line)).map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_line_of_an_answer_has_its_receipt_and_that_of_a_refusal_its_code() -> Result<()> {
    let mut emulator = start("recommend", model_dir())?;
    let popular = emulator.answer(&events::case("recommend/popular").event())?.json();
    emulator.answer(&events::case("recommend/unknown-field").event())?;
    let lines = documents(&emulator.end()?);
    let [answered, refused] = &lines[..] else { panic!("two lines: {lines:?}") };
    let receipt = &popular["receipt"];
    for field in ["rung", "reason", "profile", "degraded", "elapsed_ms"] {
        assert_eq!(answered[field], receipt[field], "{field} of {answered}");
    }
    assert_eq!(answered["model_version"], receipt["model"]["version"], "{answered}");
    assert_eq!(answered["status"], 200);
    assert_eq!(
        (&answered["Requests"], &answered["Degraded"], &answered["Answers"]),
        (&1.into(), &1.into(), &1.into())
    );
    assert_eq!((&refused["status"], &refused["code"]), (&422.into(), &"invalid_request".into()));
    assert_eq!(
        (&refused["Refusals"], &refused["Errors"], &refused["Answers"]),
        (&1.into(), &0.into(), &Value::Null)
    );
    Ok(())
}

#[test]
fn the_service_logs_for_people_and_in_a_container_as_on_lambda() -> Result<()> {
    let request = events::case("recommend/history").request().unwrap();
    let people = Service::demo()?;
    people.send(&request)?;
    people.interrupt()?;
    let log = people.finish()?;
    assert!(documents(&log.stdout).is_empty() && documents(&log.stderr).is_empty(), "{log}");
    let line = log.stderr.lines().find(|line| line.contains("POST /v1/recommendations")).unwrap();
    assert!(
        line.contains("status=200") && line.contains("elapsed_ms=") && line.contains("function"),
        "{line}"
    );
    assert!(!log.stderr.contains('\u{1b}'), "colours are for terminals: {log}");

    let container = Service::start_with(model_dir(), ["--log", "json"])?;
    container.send(&request)?;
    container.interrupt()?;
    let log = container.finish()?;
    let lines = documents(&log.stdout);
    assert_eq!(lines.len(), 1, "{log}");
    assert_eq!(lines[0]["request_id"], "7f1c2a9e-history");
    assert!(documents(&log.stderr).is_empty(), "{log}");
    Ok(())
}

/// The lines of a log that carry metrics, each held to the specification: a time, a namespace, and no metric or
/// dimension without its value in the line.
fn documents(log: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let documents: Vec<Value> = lines.filter(|line| line.get("_aws").is_some()).collect();
    documents.iter().for_each(check_document);
    documents
}

fn check_document(line: &Value) {
    assert!(line["_aws"]["Timestamp"].as_u64().is_some_and(|millis| millis > 1_700_000_000_000), "{line}");
    let directives = list(&line["_aws"]["CloudWatchMetrics"]);
    assert!(!directives.is_empty(), "{line}");
    for directive in directives {
        assert_eq!(directive["Namespace"], "Marquee", "{line}");
        let (metrics, sets) = (list(&directive["Metrics"]), list(&directive["Dimensions"]));
        // CloudWatch takes no more than these.
        assert!((1..=100).contains(&metrics.len()) && !sets.is_empty(), "{line}");
        for metric in metrics {
            assert!(line[text(&metric["Name"])].is_number(), "{metric} of {line}");
            assert!(["Count", "Milliseconds"].contains(&text(&metric["Unit"])), "{line}");
        }
        for name in sets.iter().flat_map(list) {
            assert!(!text(&line[text(name)]).is_empty(), "{name} of {line}");
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is no array"))
}

/// Every id of an item or a person in an event: in its path, and in its body.
fn ids(event: &Value) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let item = text(&event["rawPath"]).strip_prefix("/v1/items/");
    ids.extend(item.map(|rest| rest.split('/').take(1).collect()));
    let body: Value = serde_json::from_str(event["body"].as_str().unwrap_or_default()).unwrap_or_default();
    let lists = [&body["history"], &body["items"], &body["filters"]["exclude_items"]];
    for entry in lists.into_iter().filter_map(Value::as_array).flatten() {
        ids.extend(entry.as_str().or_else(|| entry["item_id"].as_str()).map(str::to_owned));
    }
    ids.extend(body["user_id"].as_str().map(str::to_owned));
    ids.remove("");
    ids
}

//! The functions as Lambda runs them: the real binaries under Amazon's runtime emulator.

use std::fs::{self, OpenOptions};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tests::{Emulator, Invocation, Service, binaries, copy_dir, model_dir};

use crate::answers::{answer, problem};
use crate::cloud::Cloud;
use crate::events;

/// An environment of a function.
pub(crate) fn start(function: &str, model: &Path) -> Result<Emulator> {
    Emulator::start(binaries().path(function), [("MARQUEE_MODEL_DIR", model)])
}

/// Every event of a function, to one environment of it, as Lambda reuses them, with a table and secrets to find. Each
/// failure names its file.
fn answers_its_sample_events(function: &str) -> Result<()> {
    let cloud = Cloud::start()?;
    let mut emulator = cloud.function(function)?;
    let mut failed = Vec::new();
    for case in events::of_function(function) {
        let event = case.event();
        let reply = emulator.answer(&event)?;
        // The gateway's access log and ours know a request by one id.
        let id = event["requestContext"]["requestId"].as_str();
        let same_id = reply.headers.get("x-request-id").map(String::as_str) == id;
        if catch_unwind(AssertUnwindSafe(|| (case.check)(&reply))).is_err() || !same_id {
            failed.push(case.name);
        }
    }
    emulator.init_ms()?;
    let log = emulator.end()?;
    assert!(failed.is_empty(), "wrong answers to {failed:?}, shown above; the log:\n{log}");
    assert_eq!(log.matches("INIT START").count(), 1, "an event ended the environment:\n{log}");
    Ok(())
}

#[test]
fn recommend_answers_its_sample_events() -> Result<()> {
    answers_its_sample_events("recommend")
}

#[test]
fn rank_answers_its_sample_events() -> Result<()> {
    answers_its_sample_events("rank")
}

#[test]
fn similar_answers_its_sample_events() -> Result<()> {
    answers_its_sample_events("similar")
}

#[test]
fn items_answers_its_sample_events() -> Result<()> {
    answers_its_sample_events("items")
}

#[test]
fn events_answers_its_sample_events() -> Result<()> {
    answers_its_sample_events("events")
}

#[test]
fn batches_answers_its_sample_events() -> Result<()> {
    answers_its_sample_events("batches")
}

#[test]
fn users_answers_its_sample_events() -> Result<()> {
    answers_its_sample_events("users")
}

#[test]
fn health_answers_its_sample_events() -> Result<()> {
    answers_its_sample_events("health")
}

#[test]
fn the_function_and_the_local_service_give_the_same_answers() -> Result<()> {
    let (mut emulator, service) = (start("recommend", model_dir())?, Service::demo()?);
    for case in events::of_function("recommend") {
        let Some(request) = case.request() else { continue };
        let (lambda, local) = (emulator.answer(&case.event())?, service.send(&request)?);
        assert_eq!(lambda.status, local.status, "{}", case.name);
        assert_eq!(lambda.media_type(), local.media_type(), "{}", case.name);
        assert_eq!(without_the_moment(lambda.json()), without_the_moment(local.json()), "{}", case.name);
    }
    Ok(())
}

/// The body without what differs between two replies to one request.
fn without_the_moment(mut body: Value) -> Value {
    body["request_id"].take();
    if let Some(receipt) = body.get_mut("receipt") {
        receipt["elapsed_ms"].take();
    }
    body
}

#[test]
fn a_body_above_the_limit_is_refused_and_the_next_one_answered() -> Result<()> {
    let mut emulator = start("recommend", model_dir())?;
    let popular = events::case("recommend/popular");
    let mut event = popular.event();
    event["body"] = json!(format!("{{{}}}", " ".repeat(256 * 1024)));
    problem(&emulator.answer(&event)?, 413, "body_too_large");
    answer(&emulator.answer(&popular.event())?);
    Ok(())
}

#[test]
fn without_a_model_a_function_says_at_start_which_folder_it_looked_in() -> Result<()> {
    let empty = tempfile::tempdir()?;
    let missing = empty.path().join("no-model-here");
    for function in ["recommend", "rank", "similar", "items", "health"] {
        let log = fails_to_start(function, &missing)?;
        assert!(log.contains(missing.to_str().unwrap()), "the folder is not named:\n{log}");
    }
    Ok(())
}

#[test]
fn with_a_truncated_model_a_function_says_at_start_which_file_is_broken() -> Result<()> {
    for file in ["model.safetensors", "catalogue.safetensors"] {
        let home = tempfile::tempdir()?;
        let model = home.path().join("model");
        copy_dir(model_dir(), &model)?;
        let length = fs::metadata(model.join(file))?.len();
        OpenOptions::new().write(true).open(model.join(file))?.set_len(length / 2)?;
        let log = fails_to_start("recommend", &model)?;
        assert!(log.contains(model.join(file).to_str().unwrap()), "the file is not named:\n{log}");
    }
    Ok(())
}

/// The log of a function that must not start, and must not answer.
fn fails_to_start(function: &str, model: &Path) -> Result<String> {
    let emulator = start(function, model)?;
    let event =
        events::case(if function == "health" { "health/health" } else { "recommend/popular" }).event();
    let outcome = emulator.invoke(&event)?;
    assert!(matches!(outcome, Invocation::Failed(..)), "{function} answered without a model: {outcome:?}");
    let log = emulator.end()?;
    assert!(
        log.contains("INIT RTDONE(status: error)"),
        "it must fail at start, not at the first event:\n{log}"
    );
    assert!(!log.contains("panicked at"), "a broken deployment is no panic:\n{log}");
    Ok(log)
}

#[test]
fn dropping_an_emulator_ends_the_function_too() -> Result<()> {
    let mut emulator = start("health", model_dir())?;
    emulator.answer(&events::case("health/health").event())?;
    let functions = emulator.functions();
    assert_eq!(functions.len(), 1, "one environment runs one function: {functions:?}");
    drop(emulator);
    // It is killed before the emulator ends, and collected by init a moment later.
    let gone = (0..2_000).any(|_| {
        thread::sleep(Duration::from_millis(5));
        !functions.iter().copied().any(alive)
    });
    assert!(gone, "{functions:?} outlived the emulator");
    Ok(())
}

/// Whether a process runs; one that has ended and waits to be collected does not.
fn alive(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    status.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim().starts_with('Z'))
}

//! The links to the accelerators: looked at by `probe-accelerator`, noted in the table, read by `health` and by new
//! environments of `recommend`.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tests::{Accelerator, Emulator, Invocation, binaries, model_dir, root};

use crate::answers::{answer, shown};
use crate::cloud::Cloud;
use crate::events;

const URL: &str = "MARQUEE_ACCELERATOR_URL";

fn sample(name: &str) -> Result<Value> {
    let path = root().join("events/probe-accelerator").join(name).with_extension("json");
    Ok(serde_json::from_str(&fs::read_to_string(&path).with_context(|| path.display().to_string())?)?)
}

/// What the function reports of its only link.
fn look(probe: &Emulator, event: &str) -> Result<Value> {
    let report =
        probe.hand(&sample(event)?)?.map_err(|(status, said)| anyhow::anyhow!("{status}: {said}"))?;
    let links = report["links"].as_array().context("links")?;
    assert_eq!(links.len(), 1, "{report}");
    Ok(links[0].clone())
}

fn accelerator_in_ready(health: &mut Emulator) -> Result<Value> {
    let ready = shown(&health.answer(&events::case("health/ready").event())?);
    assert_eq!(
        (&ready["ready"], &ready["dependencies"]["store"]),
        (&json!(true), &json!({"state": "ready"}))
    );
    Ok(ready["dependencies"]["accelerator"]["state"].clone())
}

#[test]
fn what_is_found_of_a_link_is_noted_shown_and_believed() -> Result<()> {
    let cloud = Cloud::start()?;
    let server = Accelerator::start(model_dir())?;
    let url = server.base().to_owned();
    let probe = cloud.function_with("probe-accelerator", [(URL, url.clone())])?;
    let mut health = cloud.function_with("health", [(URL, url.clone())])?;
    assert_eq!(accelerator_in_ready(&mut health)?, "unknown", "nobody has looked yet");

    let healthy = json!({"accelerator": url, "up": true, "error": null});
    assert_eq!((look(&probe, "scheduled")?, look(&probe, "by-hand")?), (healthy.clone(), healthy));
    assert_eq!(accelerator_in_ready(&mut health)?, "ready");

    drop(server);
    let dead = look(&probe, "scheduled")?;
    assert_eq!(dead["up"], json!(false), "{dead}");
    assert!(dead["error"].as_str().is_some_and(|error| error.contains("refused")), "{dead}");
    assert_eq!(accelerator_in_ready(&mut health)?, "unavailable");

    // In its place something that takes connections and says nothing: only the note tells a new environment.
    let silence = TcpListener::bind((Ipv4Addr::LOCALHOST, port(&url)?))?;
    let mut recommend = cloud.function_with("recommend", [(URL, url)])?;
    let found = answer(&recommend.answer(&events::case("recommend/history").event())?);
    let receipt = &found["receipt"];
    assert_eq!((&receipt["rung"], &receipt["reason"]), (&json!("function"), &json!("accelerator_open")));
    let log = recommend.end()?;
    assert!(!log.contains("\"warm_up\""), "it was waited for at start:\n{log}");
    drop(silence);

    let log = probe.end()?;
    for words in ["\"LinkUp\":1", "\"LinkUp\":0", "the link is down"] {
        assert!(log.contains(words), "no {words} in\n{log}");
    }
    Ok(())
}

fn port(url: &str) -> Result<u16> {
    Ok(url.rsplit(':').next().context("a port")?.parse()?)
}

#[test]
fn what_cannot_be_noted_fails_the_invocation_and_not_the_function() -> Result<()> {
    let cloud = Cloud::start()?;
    let server = Accelerator::start(model_dir())?;
    let probe = cloud.function_with("probe-accelerator", [(URL, server.base().to_owned())])?;
    drop(cloud);
    for _ in 0..2 {
        let failed = probe.hand(&sample("scheduled")?)?.unwrap_err();
        assert!(failed.1.contains("the state of 1 of 1 links could not be noted"), "{failed:?}");
    }
    let log = probe.end()?;
    assert!(log.contains("\"LinkUp\":1"), "it was measured all the same:\n{log}");
    assert_eq!(log.matches("INIT START").count(), 1, "{log}");
    Ok(())
}

#[test]
fn without_what_it_needs_it_says_so_at_start() -> Result<()> {
    let model = model_dir().to_str().context("a path in UTF-8")?;
    let url = (URL, "http://127.0.0.1:9");
    for (variables, sentence) in [
        (vec![], "MARQUEE_ACCELERATOR_URL is needed"),
        (vec![url], "MARQUEE_TABLE is needed"),
        (vec![(URL, "gpu")], "MARQUEE_ACCELERATOR_URL has \\\"gpu\\\""),
    ] {
        let variables = variables.into_iter().chain([("MARQUEE_MODEL_DIR", model)]);
        let probe = Emulator::start(binaries().path("probe-accelerator"), variables)?;
        let outcome = probe.invoke(&sample("scheduled")?)?;
        assert!(matches!(outcome, Invocation::Failed(..)), "{outcome:?}");
        let log = probe.end()?;
        assert!(log.contains(sentence), "no {sentence} in\n{log}");
    }
    Ok(())
}

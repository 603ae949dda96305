//! The functions of batches as Lambda runs them, over a bucket and a table that moto plays; and the state machine, in moto's
//! interpreter, whose tasks are answered with what they said.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::{Process, Request, command, marquee, model_dir, root, send, venv};

use super::{Home, demo_items, histories, lines};
use crate::answers::text;
use crate::cloud::{BUCKET, Cloud};

const PEOPLE: usize = 3_000;

/// What a function answers to an event.
fn said(cloud: &Cloud, function: &str, event: &Value) -> Result<Value> {
    let emulator = cloud.function(function)?;
    let answer = emulator.hand(event)?;
    let log = emulator.end()?;
    assert!(!log.contains("person-"), "a person's id is in the log:\n{log}");
    answer.map_err(|(status, said)| anyhow::anyhow!("{function}: {status} {said}\n{log}"))
}

fn sample(name: &str) -> Result<Value> {
    let path = root().join("events").join(name).with_extension("json");
    Ok(serde_json::from_str(&fs::read_to_string(&path).with_context(|| path.display().to_string())?)?)
}

/// The text of an object.
fn object(cloud: &Cloud, key: &str) -> Result<String> {
    // moto shows an object to whoever signs, however it is signed.
    let signature = "AWS4-HMAC-SHA256 Credential=emulator/20260101/eu-central-1/s3/aws4_request, SignedHeaders=host, Signature=0";
    let request = Request::new("GET", &format!("/{BUCKET}/{key}")).header("authorization", signature);
    let reply = send(cloud.endpoint(), &request)?;
    ensure!(reply.status == 200, "{key}: {reply:?}");
    Ok(reply.body)
}

#[test]
fn a_file_that_is_dropped_is_answered_as_the_command_answers_it() -> Result<()> {
    let cloud = Cloud::start()?;
    let home = Home::new()?;
    let people = lines(&histories(&demo_items()?, PEOPLE));
    let input = home.write("in.jsonl", &people)?;
    cloud.put("requests/people.jsonl", people.as_bytes())?;

    let created = sample("plan-batch/object-created")?;
    let planned = said(&cloud, "plan-batch", &created)?;
    assert_eq!(planned["go"], true, "{planned}");
    let mut other = created.clone();
    other["run"] = "arn:aws:states:eu-central-1:123456789012:execution:marquee-batches:other".into();
    let again = said(&cloud, "plan-batch", &other)?;
    assert_eq!(
        (&again["go"], &again["batch_id"]),
        (&json!(false), &planned["batch_id"]),
        "events come twice"
    );

    let (mut answers, ranges) = (vec![planned.clone()], planned["ranges"].as_array().context("ranges")?);
    for range in ranges {
        let scored = said(&cloud, "score-batch", &json!({"task": planned["task"], "range": range}))?;
        assert_eq!(scored["done"], true, "{scored}");
        answers.push(scored);
    }
    let finished = said(&cloud, "finish-batch", &json!({ "planned": planned }))?;
    assert_eq!(finished, "succeeded");
    answers.push(finished);

    let manifest: Value = serde_json::from_str(&object(
        &cloud,
        &format!("results/{}/manifest.json", text(&planned["batch_id"])),
    )?)?;
    assert_eq!((&manifest["tally"]["rows"], &manifest["missing"]), (&json!(PEOPLE), &json!([])));
    let parts = manifest["parts"].as_array().context("parts")?;
    let parts: Result<String> = parts.iter().map(|part| object(&cloud, text(&part["key"]))).collect();
    let output = home.path("out.jsonl");
    let alone = marquee([
        "batch".as_ref(),
        input.as_os_str(),
        "-o".as_ref(),
        output.as_os_str(),
        "--model".as_ref(),
        model_dir().as_os_str(),
    ])?;
    ensure!(alone.status.success(), "{alone}");
    assert!(parts? == fs::read_to_string(output)?, "function and command give other bytes");

    let run = machine(&home, &created["event"], &answers)?;
    assert_eq!(run["status"], "SUCCEEDED", "{run}");
    let asked = run["asked"].as_array().context("tasks")?;
    let functions: Vec<_> = asked.iter().map(|asked| text(&asked[0])).collect();
    let plans = functions.iter().filter(|name| **name == "PlanFunction").count();
    assert_eq!((plans, functions.last()), (1, Some(&"FinishFunction")), "{functions:?}");
    assert_eq!(asked[0][1], json!({"event": created["event"], "run": run["run"]}));
    assert_eq!(asked[asked.len() - 1][1]["planned"], planned);
    Ok(())
}

#[test]
fn what_can_never_work_ends_the_batch_and_the_machine() -> Result<()> {
    let cloud = Cloud::start()?;
    let home = Home::new()?;
    let event = sample("plan-batch/object-missing")?;
    let planned = said(&cloud, "plan-batch", &event)?;
    assert_eq!((&planned["go"], &planned["state"]), (&json!(false), &json!("failed")), "{planned}");
    let run = machine(&home, &event["event"], &[planned])?;
    assert_eq!((&run["status"], run["asked"].as_array().map(Vec::len)), (&json!("FAILED"), Some(1)), "{run}");
    Ok(())
}

/// How the state machine goes whose tasks are answered so.
fn machine(home: &Home, input: &Value, answers: &[Value]) -> Result<Value> {
    let given = home.write("given.json", json!({"input": input, "answers": answers}).to_string())?;
    let mut shell = command(std::path::Path::new("/bin/sh"));
    shell.args(["-c", "exec \"$1\" \"$2\" \"$3\" < \"$4\"", "sh"]);
    shell.arg(venv().python()).arg(root().join("tests/peers/batch_machine.py"));
    shell.arg(root().join("deploy/batches.asl.json")).arg(given);
    let finished = Process::spawn(shell)?.finish()?;
    ensure!(finished.status.success(), "{finished}");
    serde_json::from_str(&finished.stdout).with_context(|| finished.to_string())
}

#[test]
fn the_machine_goes_on_only_to_states_that_there_are() -> Result<()> {
    let machine: Value = serde_json::from_str(&fs::read_to_string(root().join("deploy/batches.asl.json"))?)?;
    sound(&machine);
    Ok(())
}

/// The rules of the Amazon States Language about names: every state is reached, each leads to one that there is or ends.
fn sound(machine: &Value) {
    let states = machine["States"].as_object().expect("a machine has states");
    let mut reached = vec![text(&machine["StartAt"])];
    for (name, state) in states {
        let branches =
            ["Catch", "Choices"].iter().flat_map(|list| state[list].as_array().into_iter().flatten());
        let mut next: Vec<_> = branches.map(|branch| text(&branch["Next"])).collect();
        next.extend(["Next", "Default"].iter().filter_map(|field| state[field].as_str()));
        let ends = state["End"] == true || ["Succeed", "Fail"].contains(&text(&state["Type"]));
        assert!(ends == next.is_empty(), "{name} ends or goes on");
        assert!(next.iter().all(|name| states.contains_key(*name)), "{name} leads to {next:?}");
        reached.extend(next);
        if state["Type"] == "Map" {
            sound(&state["ItemProcessor"]);
        }
    }
    assert!(
        states.keys().all(|name| reached.contains(&name.as_str())),
        "some of {:?} are never reached",
        states.keys()
    );
}

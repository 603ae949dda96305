//! Three modes, one answer: asked over HTTPS with a history, asked by name after the same was sent as events, and in a batch,
//! a person gets the same items with the same scores, whichever the model.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use shared::testing::{SasrecWeights, sasrec_config};
use tests::{Caller, Request, Service, marquee, model_dir};

use super::{Home, demo_items, histories, lines, read};

const PEOPLE: usize = 5_000;
/// Callers at a time.
const CALLERS: usize = 2;
/// Longer than any fold takes; only a feed that is stuck reaches it.
const STUCK: Duration = Duration::from_secs(120);

#[test]
fn als_answers_the_same_in_three_modes() -> Result<()> {
    same_in_three_modes(model_dir(), &demo_items()?)
}

#[test]
fn sasrec_answers_the_same_in_three_modes() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let items: Vec<String> = (0..300).map(|i| format!("item-{i}")).collect();
    let ids: Vec<&str> = items.iter().map(String::as_str).collect();
    SasrecWeights::random(sasrec_config(), ids.len(), 3).write(folder.path(), &ids);
    same_in_three_modes(folder.path(), &items)
}

fn same_in_three_modes(model: &Path, items: &[String]) -> Result<()> {
    let home = Home::new()?;
    let histories = histories(items, PEOPLE);
    let store = format!("file:{}", home.path("store").display());
    let service = Service::start_with(model, ["--store", &store])?;

    let asked = each(&service, &histories, |_, history| {
        Request::post("/v1/recommendations", json!({ "history": history, "k": 10 }).to_string())
    })?;
    send(&service, &histories)?;
    let known = each(&service, &histories, |person, _| {
        Request::post("/v1/recommendations", json!({ "user_id": name(person), "k": 10 }).to_string())
    })?;
    service.interrupt()?;
    ensure!(service.finish()?.status.success(), "the service ends in order");

    let given = scored(&home, model, &lines(&histories), &["--store", "none"])?;
    let people: String =
        (0..PEOPLE).map(|person| format!("{}\n", json!({ "user_id": name(person) }))).collect();
    let by_name = scored(&home, model, &people, &["--store", &store])?;
    for (person, history) in histories.iter().enumerate() {
        let expected = &asked[person];
        ensure!(!expected.as_array().context("items")?.is_empty(), "{history:?}");
        for (mode, found) in
            [("after events", &known), ("in a batch", &given), ("in a batch by name", &by_name)]
        {
            ensure!(&found[person] == expected, "{history:?} {mode}: {} and not {expected}", found[person]);
        }
    }
    Ok(())
}

fn name(person: usize) -> String {
    format!("person-{person:05}")
}

/// The items that each person is answered.
fn each(
    service: &Service,
    histories: &[Vec<&str>],
    request: impl Fn(usize, &[&str]) -> Request + Sync,
) -> Result<Vec<Value>> {
    let share = histories.len().div_ceil(CALLERS);
    let answers = thread::scope(|scope| {
        let callers = histories.chunks(share).enumerate().map(|(part, histories)| {
            let (request, caller) = (&request, Caller::of(service.base()));
            scope.spawn(move || -> Result<Vec<Value>> {
                let answer = |(place, history): (usize, &Vec<&str>)| {
                    let reply = caller.send(&request(part * share + place, history))?;
                    ensure!(reply.status == 200, "{reply:?}");
                    Ok(reply.json()["items"].take())
                };
                histories.iter().enumerate().map(answer).collect()
            })
        });
        let callers: Vec<_> = callers.collect();
        callers.into_iter().map(|caller| caller.join().expect("no caller panics")).collect::<Result<Vec<_>>>()
    });
    Ok(answers?.into_iter().flatten().collect())
}

/// Sends every history as events of its person, and waits until they are folded.
fn send(service: &Service, histories: &[Vec<&str>]) -> Result<()> {
    let event = |(person, history): (usize, &Vec<&str>)| -> Vec<Value> {
        let event = |(place, item): (usize, &&str)| {
            let occurred_at = 1_700_000_000_000_u64 + 1_000 * place as u64;
            json!({"event_id": format!("e{place}"), "user_id": name(person), "item_id": item, "type": "like",
                   "occurred_at": occurred_at})
        };
        history.iter().enumerate().map(event).collect()
    };
    let events: Vec<Value> = histories.iter().enumerate().flat_map(event).collect();
    let caller = Caller::of(service.base());
    for call in events.chunks(100) {
        let reply = caller.send(&Request::post("/v1/events", json!({ "events": call }).to_string()))?;
        ensure!(reply.status == 202, "{reply:?}");
    }
    // The feed is folded in the order in which it came; whose folds are shared may come a moment later.
    let since = Instant::now();
    for person in (0..histories.len()).rev().step_by(100).chain(0..1) {
        let held = || -> Result<usize> {
            let reply = caller.send(&Request::new("GET", &format!("/v1/users/{}", name(person))))?;
            Ok(reply.json()["history"].as_array().context("a history")?.len())
        };
        while held()? < histories[person].len() {
            ensure!(since.elapsed() < STUCK, "{} is never folded", name(person));
            thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}

/// The items of each line that the command answers.
fn scored(home: &Home, model: &Path, text: &str, options: &[&str]) -> Result<Vec<Value>> {
    let (input, output) = (home.write("in.jsonl", text)?, home.path("out.jsonl"));
    let mut arguments =
        vec!["batch".into(), input.into_os_string(), "-o".into(), output.clone().into_os_string()];
    arguments.extend(["--model".into(), model.as_os_str().to_owned()]);
    arguments.extend(options.iter().map(Into::into));
    let finished = marquee(arguments)?;
    ensure!(finished.status.success(), "{finished}");
    let lines = read(&output)?;
    fs::remove_file(&output)?;
    Ok(lines.into_iter().map(|mut line| line["output"]["items"].take()).collect())
}

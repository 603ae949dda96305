//! What was acknowledged is there, however often and whenever the process is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tests::{Random, Request, Service, model_dir};

use crate::answers::{shown, text};

const KILLS: usize = 200;
const WRITERS: usize = 3;
const PEOPLE: usize = 8;
const ITEMS: u64 = 40;
/// Longer than any feed takes to be folded; only one that is stuck reaches it.
const STUCK: Duration = Duration::from_secs(120);

/// What the writers know: ids that got a 202, by person.
type Acknowledged = Mutex<BTreeMap<String, BTreeSet<String>>>;

#[test]
fn no_acknowledged_event_is_lost_to_two_hundred_kills_and_profiles_are_the_fold() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = format!("file:{}", folder.path().join("store").display());
    let start = || Service::start_with(model_dir(), ["--store", &store]);
    let seed = std::time::UNIX_EPOCH.elapsed()?.as_nanos() as u64 | 1;
    println!("seed {seed}");

    let (base, over) = (RwLock::new(String::new()), AtomicBool::new(false));
    let (acknowledged, calls) = (Acknowledged::default(), AtomicUsize::new(0));
    thread::scope(|scope| -> Result<()> {
        for writer in 0..WRITERS {
            let (base, over, acknowledged, calls) = (&base, &over, &acknowledged, &calls);
            scope.spawn(move || write(writer, seed, base, over, acknowledged, calls));
        }
        let mut random = Random(seed);
        let killed = (0..KILLS).try_for_each(|_| -> Result<()> {
            let service = start()?;
            service.base().clone_into(&mut base.write().unwrap_or_else(PoisonError::into_inner));
            thread::sleep(Duration::from_micros(random.below(60_000)));
            service.kill();
            Ok(())
        });
        over.store(true, Ordering::Relaxed);
        killed
    })?;

    let acknowledged = acknowledged.into_inner().unwrap_or_else(PoisonError::into_inner);
    let count: usize = acknowledged.values().map(BTreeSet::len).sum();
    println!("{count} events acknowledged in {} calls over {KILLS} kills", calls.load(Ordering::Relaxed));
    assert!(count > KILLS, "the service was hardly up: {count} events");
    let service = start()?;
    for (person, ids) in &acknowledged {
        let held = events_of(&service, person)?;
        let lost: Vec<_> = ids.iter().filter(|id| !held.contains_key(*id)).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?} of {person}, seed {seed}");
        let expected = fold(held.values());
        let since = Instant::now();
        while profile_of(&service, person)? != expected {
            assert!(since.elapsed() < STUCK, "the profile of {person} never becomes the fold, seed {seed}");
            thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}

/// Sends events until it is over, and keeps the ids of what was acknowledged. What got no reply, or another one, may be
/// kept or not; some of it is sent again under its ids.
fn write(
    writer: usize,
    seed: u64,
    base: &RwLock<String>,
    over: &AtomicBool,
    acknowledged: &Acknowledged,
    calls: &AtomicUsize,
) {
    let mut random = Random(seed ^ (writer as u64 + 1));
    let mut unsure = None;
    for number in 0.. {
        if over.load(Ordering::Relaxed) {
            return;
        }
        let body = unsure.take().unwrap_or_else(|| {
            let events: Vec<_> = (0..=random.below(4))
                .map(|part| event(&mut random, &format!("w{writer}-{number}-{part}")))
                .collect();
            json!({ "events": events })
        });
        let base = base.read().unwrap_or_else(PoisonError::into_inner).clone();
        let reply = tests::send(&base, &Request::post("/v1/events", body.to_string()));
        let Ok(reply) = reply else {
            unsure = (random.below(2) == 0).then_some(body);
            thread::sleep(Duration::from_millis(1));
            continue;
        };
        calls.fetch_add(1, Ordering::Relaxed);
        assert_eq!(reply.status, 202, "{reply:?}");
        let answer = reply.json();
        let mut acknowledged = acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        for list in ["accepted", "duplicates"] {
            for taken in answer[list].as_array().into_iter().flatten() {
                let index = taken["index"].as_u64().expect("an index") as usize;
                let person = text(&body["events"][index]["user_id"]).to_owned();
                acknowledged.entry(person).or_default().insert(text(&taken["event_id"]).to_owned());
            }
        }
        assert_eq!(answer["rejected"], json!([]), "{answer}");
    }
}

/// An event with a time that others may have too.
fn event(random: &mut Random, id: &str) -> Value {
    let person = random.below(PEOPLE as u64);
    let kind = ["view", "like", "dislike", "play"][random.below(4) as usize];
    json!({
        "event_id": id, "user_id": format!("person-{person}"), "item_id": format!("item-{}", random.below(ITEMS)),
        "type": kind, "occurred_at": 1_700_000_000_000_u64 + 1_000 * random.below(200),
    })
}

/// All events that are held of a person, by id.
fn events_of(service: &Service, person: &str) -> Result<BTreeMap<String, Value>> {
    let mut held = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/v1/users/{person}/events?limit=100{cursor}");
        let page = shown(&service.send(&Request::new("GET", &path))?);
        for event in page["items"].as_array().context("a list")? {
            let twice = held.insert(text(&event["event_id"]).to_owned(), event.clone());
            assert!(twice.is_none(), "listed twice: {event}");
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(held),
        }
    }
}

/// Item and event of each entry of the stored profile, oldest first.
fn profile_of(service: &Service, person: &str) -> Result<Vec<(String, String)>> {
    let user = shown(&service.send(&Request::new("GET", &format!("/v1/users/{person}")))?);
    let entries = user["history"].as_array().context("a history")?.iter();
    Ok(entries
        .map(|entry| (text(&entry["item_id"]).to_owned(), text(&entry["event_id"]).to_owned()))
        .collect())
}

/// The same, folded here: per item the event of the greatest (time, id), in that order.
fn fold<'a>(events: impl Iterator<Item = &'a Value>) -> Vec<(String, String)> {
    let mut latest: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for event in events {
        let key = (text(&event["occurred_at"]), text(&event["event_id"]));
        let kept = latest.entry(text(&event["item_id"])).or_insert(key);
        *kept = key.max(*kept);
    }
    let mut entries: Vec<_> = latest.into_iter().map(|(item, key)| (key, item)).collect();
    entries.sort_unstable();
    entries.into_iter().map(|((_, event), item)| (item.to_owned(), event.to_owned())).collect()
}

//! `marquee serve` over real sockets: what it answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use anyhow::Result;
use serde_json::{Value, json};
use tests::Service;

use crate::answers::{answer, ask, item_ids, items, receipt, strings};
use crate::events::CASES;

#[test]
fn the_service_answers_the_sample_events_of_every_function() -> Result<()> {
    let service = Service::demo()?;
    let mut failed = Vec::new();
    for case in CASES {
        let Some(request) = case.request() else { continue };
        let reply = service.send(&request)?;
        if catch_unwind(AssertUnwindSafe(|| (case.check)(&reply))).is_err() {
            failed.push(case.name);
        }
    }
    assert!(failed.is_empty(), "wrong answers to {failed:?}, shown above");
    Ok(())
}

#[test]
fn a_history_of_which_nothing_is_known_gets_the_popular_list_and_is_counted() -> Result<()> {
    let service = Service::demo()?;
    let unknown = answer(&service.send(&ask(&json!({"history": ["nope-1", "nope-2", "nope-2"]})))?);
    receipt(&unknown, "popular", Some("no_known_history"), 0, 2);
    let popular = answer(&service.send(&ask(&json!({})))?);
    assert_eq!(item_ids(&unknown), item_ids(&popular));
    Ok(())
}

#[test]
fn filters_and_dislikes_hold_on_the_popular_rung_too() -> Result<()> {
    let service = Service::demo()?;
    let first = answer(&service.send(&ask(&json!({"k": 3})))?);
    let [one, two, _] = item_ids(&first)[..] else { panic!("three were asked for: {first}") };
    let body = json!({
        "history": [{"item_id": one, "type": "dislike"}],
        "k": 30,
        "filters": {"exclude_items": [two], "genres_none": ["Drama"]},
    });
    let answer = answer(&service.send(&ask(&body))?);
    receipt(&answer, "popular", Some("no_known_history"), 1, 0);
    assert_eq!(items(&answer).len(), 30);
    assert!(item_ids(&answer).iter().all(|id| ![one, two].contains(id)), "{answer}");
    assert!(items(&answer).iter().all(|item| !strings(&item["genres"]).contains(&"Drama")), "{answer}");
    Ok(())
}

#[test]
fn a_filter_that_nothing_passes_is_answered_with_an_empty_list() -> Result<()> {
    let service = Service::demo()?;
    for filters in [json!({"genres_any": ["No Such Genre"]}), json!({"year": {"min": 3000}})] {
        let answer = answer(&service.send(&ask(&json!({"history": ["alien-1979"], "filters": filters})))?);
        assert_eq!(items(&answer), [Value::Null; 0]);
    }
    Ok(())
}

#[test]
fn variety_changes_the_list_but_not_its_first_item() -> Result<()> {
    let service = Service::demo()?;
    let ask_with = |diversity: f64| {
        ask(&json!({"history": ["the-godfather-1972", "heat-1995"], "k": 20, "diversity": diversity}))
    };
    let plain = answer(&service.send(&ask_with(0.0))?);
    let varied = answer(&service.send(&ask_with(0.9))?);
    assert_eq!(item_ids(&plain)[0], item_ids(&varied)[0]);
    assert_ne!(item_ids(&plain), item_ids(&varied));
    Ok(())
}

#[test]
fn the_last_word_about_an_item_counts() -> Result<()> {
    let service = Service::demo()?;
    let entry = |kind: &str| json!({"item_id": "heat-1995", "type": kind});
    for (first, last) in [("like", "dislike"), ("dislike", "like")] {
        let history = json!([entry(first), "alien-1979", entry(last)]);
        let body = json!({"history": history, "k": 500, "filters": {"include_seen": true}});
        let answer = answer(&service.send(&ask(&body))?);
        receipt(&answer, "function", None, 2, 0);
        assert_eq!(item_ids(&answer).contains(&"heat-1995"), last == "like", "first {first}, then {last}");
    }
    Ok(())
}

#[test]
fn a_person_without_a_stored_history_gets_the_popular_list() -> Result<()> {
    let answer = answer(&Service::demo()?.send(&ask(&json!({"user_id": "somebody"})))?);
    assert_eq!(answer["receipt"]["rung"], "popular", "{answer}");
    assert_eq!(items(&answer).len(), 10);
    Ok(())
}

#[test]
fn the_callers_request_id_comes_back_when_it_is_plain() -> Result<()> {
    let service = Service::demo()?;
    let with = |id: &str| ask(&json!({})).header("x-request-id", id);
    assert_eq!(answer(&service.send(&with("abc-123"))?)["request_id"], "abc-123");
    let long = "x".repeat(1_000);
    assert_ne!(answer(&service.send(&with(&long))?)["request_id"], json!(long));
    Ok(())
}

#[test]
fn many_callers_at_once_get_the_answer_that_one_gets() -> Result<()> {
    let service = Service::demo()?;
    let request = ask(&json!({"history": ["alien-1979", "heat-1995"], "k": 50, "explain": true}));
    let alone = answer(&service.send(&request)?);
    let base = service.base();
    thread::scope(|scope| {
        let callers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| (0..20).map(|_| tests::send(base, &request)).collect::<Result<Vec<_>>>()))
            .collect();
        for caller in callers {
            for reply in caller.join().unwrap().unwrap() {
                assert_eq!(answer(&reply)["items"], alone["items"]);
            }
        }
    });
    Ok(())
}

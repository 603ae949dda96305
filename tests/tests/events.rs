//! What each file of `events/` must be answered with, by whichever host.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};
use tests::{Reply, Request, root};

use crate::answers::{
    answer, best_first, explanations_sum_to_scores, faults, item_ids, items, list, problem, ranking, receipt,
    shown, strings, text,
};

/// One sample event and what holds for its reply.
pub(crate) struct Case {
    /// `<function>/<case>`: the file's path below `events/`, without its ending.
    pub(crate) name: &'static str,
    /// Fails unless the reply is right.
    pub(crate) check: fn(&Reply),
}

impl Case {
    /// The event as API Gateway sends it.
    pub(crate) fn event(&self) -> Value {
        let path = root().join("events").join(self.name).with_extension("json");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The request that made the event, for a host that is reached directly; `None` for a body in base64, which is
    /// the gateway's envelope and nothing that a caller sends.
    pub(crate) fn request(&self) -> Option<Request> {
        let event = self.event();
        if event["isBase64Encoded"] == json!(true) {
            return None;
        }
        let http = &event["requestContext"]["http"];
        let query = text(&event["rawQueryString"]);
        let separator = if query.is_empty() { "" } else { "?" };
        let path = format!("{}{separator}{query}", text(&event["rawPath"]));
        let mut request = Request::new(text(&http["method"]), &path);
        request.body = event["body"].as_str().unwrap_or_default().into();
        // Host and length are the new connection's own.
        let headers = event["headers"].as_object().expect("an event has headers").iter();
        for (name, value) in headers.filter(|(name, _)| !["host", "content-length"].contains(&name.as_str()))
        {
            request = request.header(name, text(value));
        }
        Some(request)
    }
}

/// The cases of one function.
pub(crate) fn of_function(function: &str) -> impl Iterator<Item = &'static Case> {
    CASES.iter().filter(move |case| case.name.split('/').next() == Some(function))
}

/// The case of this name.
pub(crate) fn case(name: &str) -> &'static Case {
    CASES.iter().find(|case| case.name == name).unwrap_or_else(|| panic!("no event {name}"))
}

/// Functions that no gateway invokes with a request; their events are other tests'.
const NOT_HTTP: [&str; 7] = [
    "authorize",
    "finish-batch",
    "plan-batch",
    "probe-accelerator",
    "score-batch",
    "update-profiles",
    "verify-release",
];

/// Every file of `events/` that is a request.
pub(crate) const CASES: &[Case] = &[
    Case { name: "health/health", check: |reply| alive(reply) },
    Case { name: "health/ready", check: |reply| ready(reply) },
    Case { name: "health/openapi", check: |reply| document(reply) },
    Case { name: "health/unknown-route", check: |reply| drop(problem(reply, 404, "not_found")) },
    Case { name: "recommend/history", check: |reply| from_the_history(reply) },
    Case { name: "recommend/base64-body", check: |reply| from_the_history(reply) },
    Case { name: "recommend/popular", check: |reply| popular(reply) },
    Case { name: "recommend/filters", check: |reply| filtered(reply) },
    Case { name: "recommend/explained", check: |reply| explained(reply) },
    Case { name: "recommend/known-person", check: |reply| drop(answer(reply)) },
    Case { name: "recommend/unknown-items", check: |reply| unknown_items(reply) },
    Case { name: "recommend/ratings-and-dislikes", check: |reply| ratings_and_dislikes(reply) },
    Case { name: "recommend/diversity", check: |reply| diverse(reply) },
    Case { name: "recommend/malformed-json", check: |reply| drop(problem(reply, 400, "malformed_json")) },
    Case { name: "recommend/every-fault-at-once", check: |reply| every_fault(reply) },
    Case { name: "recommend/unknown-field", check: |reply| unknown_field(reply) },
    Case {
        name: "recommend/wrong-content-type",
        check: |reply| drop(problem(reply, 415, "unsupported_media_type")),
    },
    Case { name: "recommend/wrong-method", check: |reply| wrong_method(reply) },
    Case { name: "rank/history", check: |reply| ranked(reply) },
    Case { name: "rank/popular", check: |reply| ranked_by_popularity(reply) },
    Case { name: "rank/known-person", check: |reply| drop(ranking(reply)) },
    Case { name: "rank/unknown-items", check: |reply| ranked_with_unknown(reply) },
    Case { name: "rank/every-fault-at-once", check: |reply| ranking_faults(reply) },
    Case { name: "similar/similar", check: |reply| similar(reply) },
    Case { name: "similar/unknown-item", check: |reply| drop(problem(reply, 404, "unknown_item")) },
    Case { name: "similar/every-fault-at-once", check: |reply| similar_faults(reply) },
    Case { name: "items/search", check: |reply| searched(reply) },
    Case { name: "items/browse", check: |reply| browsed(reply) },
    Case { name: "items/one", check: |reply| one_item(reply) },
    Case { name: "items/unknown-item", check: |reply| drop(problem(reply, 404, "unknown_item")) },
    Case { name: "items/popular", check: |reply| popular_documentaries(reply) },
    Case { name: "items/every-fault-at-once", check: |reply| item_faults(reply) },
    Case { name: "events/accepted", check: |reply| taken(reply, 4, &[]) },
    Case {
        name: "events/some-rejected",
        check: |reply| taken(reply, 2, &[(0, "invalid_time"), (2, "invalid_time")]),
    },
    Case { name: "events/conflict", check: |reply| taken(reply, 2, &[(1, "conflict")]) },
    Case { name: "events/every-fault-at-once", check: |reply| event_faults(reply) },
    Case {
        name: "events/no-events",
        check: |reply| listed(&problem(reply, 422, "invalid_request"), &[("/events", "too_few")]),
    },
    Case { name: "events/malformed-json", check: |reply| drop(problem(reply, 400, "malformed_json")) },
    Case {
        name: "events/wrong-content-type",
        check: |reply| drop(problem(reply, 415, "unsupported_media_type")),
    },
    Case { name: "batches/people", check: |reply| queued(reply) },
    Case { name: "batches/unknown-input", check: |reply| drop(problem(reply, 404, "unknown_input")) },
    Case { name: "batches/every-fault-at-once", check: |reply| batch_faults(reply) },
    Case {
        name: "batches/list",
        check: |reply| {
            items(&shown(reply)).iter().for_each(|batch| assert!(batch["batch_id"].is_string(), "{batch}"));
        },
    },
    Case { name: "batches/unknown-batch", check: |reply| drop(problem(reply, 404, "unknown_batch")) },
    Case {
        name: "batches/results-of-unknown-batch",
        check: |reply| drop(problem(reply, 404, "unknown_batch")),
    },
    Case { name: "batches/cancel-unknown-batch", check: |reply| drop(problem(reply, 404, "unknown_batch")) },
    Case { name: "users/show", check: |reply| person(reply) },
    Case { name: "users/events", check: |reply| events_of_a_person(reply) },
    Case { name: "users/erase", check: |reply| erased(reply) },
    Case {
        name: "users/invalid-id",
        check: |reply| listed(&problem(reply, 422, "invalid_request"), &[("/id", "invalid_id")]),
    },
    Case { name: "users/every-fault-at-once", check: |reply| user_faults(reply) },
    Case { name: "recommend/unknown-route", check: |reply| drop(problem(reply, 404, "not_found")) },
];

#[test]
fn every_sample_event_has_its_expectation_and_every_expectation_its_event() {
    let mut files = BTreeSet::new();
    for function in fs::read_dir(root().join("events")).unwrap() {
        let function = function.unwrap();
        if NOT_HTTP.iter().any(|name| function.file_name() == *name) {
            continue;
        }
        for event in fs::read_dir(function.path()).unwrap() {
            let event = event.unwrap().path();
            assert_eq!(event.extension().unwrap(), "json", "{}", event.display());
            let case = event.file_stem().unwrap().to_str().unwrap();
            files.insert(format!("{}/{case}", function.file_name().to_str().unwrap()));
        }
    }
    let expected: BTreeSet<_> = CASES.iter().map(|case| case.name.to_owned()).collect();
    assert_eq!(files, expected);
}

#[test]
fn every_sample_event_looks_as_the_gateway_sends_it() {
    for case in CASES {
        let event = case.event();
        assert_eq!(event["version"], "2.0", "{}", case.name);
        assert_eq!(event["routeKey"], event["requestContext"]["routeKey"], "{}", case.name);
        assert_eq!(event["rawPath"], event["requestContext"]["http"]["path"], "{}", case.name);
        assert_eq!(event["requestContext"]["stage"], "$default", "{}", case.name);
        let headers = event["headers"].as_object().unwrap();
        assert!(headers.keys().all(|name| *name == name.to_lowercase()), "{}", case.name);
        assert_eq!(headers["host"], event["requestContext"]["domainName"], "{}", case.name);
    }
}

const SEEN: [&str; 4] = ["alien-1979", "blade-runner-1982", "the-thing-1982", "aliens-1986"];

fn from_the_history(reply: &Reply) {
    let answer = answer(reply);
    receipt(&answer, "function", None, 4, 0);
    best_first(&answer);
    assert_eq!(items(&answer).len(), 10, "ten, unless k says otherwise");
    assert!(
        item_ids(&answer).iter().all(|id| !SEEN.contains(id)),
        "what was seen is not recommended: {answer}"
    );
    assert!(items(&answer).iter().all(|item| item.get("because").is_none()), "not asked for: {answer}");
    assert_eq!(answer["receipt"]["deadline_ms"], json!(200), "{answer}");
}

fn popular(reply: &Reply) {
    let answer = answer(reply);
    receipt(&answer, "popular", Some("no_known_history"), 0, 0);
    best_first(&answer);
    assert_eq!(items(&answer).len(), 10);
}

fn filtered(reply: &Reply) {
    let answer = answer(reply);
    receipt(&answer, "function", None, 2, 0);
    best_first(&answer);
    assert_eq!(items(&answer).len(), 20);
    for item in items(&answer) {
        let genres = strings(&item["genres"]);
        assert!(genres.contains(&"Science Fiction") || genres.contains(&"Thriller"), "{item}");
        assert!(!genres.contains(&"Comedy"), "{item}");
        assert!(item["year"].as_u64().is_some_and(|year| (1980..=1999).contains(&year)), "{item}");
        assert!(!["predator-1987", "aliens-1986"].contains(&text(&item["item_id"])), "{item}");
    }
}

fn explained(reply: &Reply) {
    let answer = answer(reply);
    receipt(&answer, "function", None, 8, 0);
    best_first(&answer);
    assert_eq!(items(&answer).len(), 5);
    explanations_sum_to_scores(&answer);
    let history = ["alien-1979", "aliens-1986", "the-thing-1982", "predator-1987"];
    let history = [history, ["district-9-2009", "arrival-2016", "toy-story-1995", "heat-1995"]].concat();
    for because in items(&answer).iter().filter_map(|item| item["because"].as_array()).flatten() {
        assert!(history.contains(&text(&because["item_id"])), "{because}");
    }
    assert_eq!(answer["receipt"]["deadline_ms"], json!(1000), "{answer}");
}

fn unknown_items(reply: &Reply) {
    let answer = answer(reply);
    receipt(&answer, "function", None, 2, 2);
    assert_eq!(items(&answer).len(), 10);
}

fn ratings_and_dislikes(reply: &Reply) {
    let answer = answer(reply);
    receipt(&answer, "function", None, 5, 0);
    best_first(&answer);
    assert_eq!(items(&answer).len(), 500);
    let ids = item_ids(&answer);
    assert!(ids.contains(&"toy-story-1995"), "what was seen and liked may come again when asked for");
    for disliked in ["toy-story-2-1999", "toy-story-3-2010"] {
        assert!(!ids.contains(&disliked), "{disliked} was disliked and is never recommended");
    }
}

fn diverse(reply: &Reply) {
    let answer = answer(reply);
    receipt(&answer, "function", None, 3, 0);
    assert_eq!(items(&answer).len(), 20);
    let scores = items(&answer).iter().map(|item| item["score"].as_f64());
    assert!(!scores.is_sorted_by(|a, b| a >= b), "variety changed nothing: {answer}");
}

fn every_fault(reply: &Reply) {
    let problem = problem(reply, 422, "invalid_request");
    let expected = [
        ("/colour", "unknown_field"),
        ("/deadline_ms", "out_of_range"),
        ("/diversity", "out_of_range"),
        ("/explain", "wrong_type"),
        ("/filters/exclude_items/0", "invalid_id"),
        ("/filters/genres_any/0", "invalid_value"),
        ("/filters/genres_none", "wrong_type"),
        ("/filters/include_seen", "wrong_type"),
        ("/filters/year/max", "out_of_range"),
        ("/filters/year/min", "wrong_type"),
        ("/history/0", "invalid_id"),
        ("/history/1/item_id", "missing"),
        ("/history/1/value", "missing"),
        ("/history/2/occurred_at", "invalid_time"),
        ("/history/2/type", "invalid_value"),
        ("/history/2/value", "out_of_range"),
        ("/history/3", "wrong_type"),
        ("/k", "out_of_range"),
        ("/user_id", "invalid_id"),
    ];
    assert_eq!(faults(&problem), expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned())));
}

fn unknown_field(reply: &Reply) {
    let problem = problem(reply, 422, "invalid_request");
    assert_eq!(faults(&problem), [("/limit".to_owned(), "unknown_field".to_owned())]);
}

fn wrong_method(reply: &Reply) {
    problem(reply, 405, "method_not_allowed");
    assert_eq!(reply.headers.get("allow").map(String::as_str), Some("POST"), "{reply:?}");
}

fn listed(problem: &Value, expected: &[(&str, &str)]) {
    let expected: Vec<_> =
        expected.iter().map(|(pointer, code)| ((*pointer).to_owned(), (*code).to_owned())).collect();
    assert_eq!(faults(problem), expected);
}

fn ranked(reply: &Reply) {
    let answer = ranking(reply);
    receipt(&answer, "function", None, 2, 0);
    best_first(&answer);
    let mut ids = item_ids(&answer);
    assert!(
        ["aliens-1986", "predator-1987"].contains(&ids[0]),
        "another monster in space is nearest: {answer}"
    );
    ids.sort_unstable();
    assert_eq!(ids, ["aliens-1986", "predator-1987", "seven-samurai-1954", "toy-story-1995"]);
}

fn ranked_by_popularity(reply: &Reply) {
    let answer = ranking(reply);
    receipt(&answer, "popular", Some("no_known_history"), 0, 0);
    best_first(&answer);
    assert_eq!(items(&answer).len(), 3);
}

fn ranked_with_unknown(reply: &Reply) {
    let answer = ranking(reply);
    assert_eq!(item_ids(&answer), ["aliens-1986", "not-a-film-2031", "another-2032"]);
    let known: Vec<_> = items(&answer).iter().map(|item| item["known"].as_bool()).collect();
    assert_eq!(known, [Some(true), Some(false), Some(false)]);
}

fn ranking_faults(reply: &Reply) {
    let expected = [
        ("/deadline_ms", "out_of_range"),
        ("/history/0", "wrong_type"),
        ("/items/0", "invalid_id"),
        ("/items/1", "wrong_type"),
        ("/k", "unknown_field"),
    ];
    listed(&problem(reply, 422, "invalid_request"), &expected);
}

fn similar(reply: &Reply) {
    let list = list(reply);
    let ids = item_ids(&list);
    assert_eq!(ids.len(), 5);
    assert!(!ids.contains(&"alien-1979"), "an item is not like itself: {list}");
    let scores: Vec<_> = items(&list).iter().filter_map(|item| item["score"].as_f64()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b) && scores.iter().all(|s| (0.0..=1.0).contains(s)), "{list}");
}

fn similar_faults(reply: &Reply) {
    listed(&problem(reply, 422, "invalid_request"), &[("/genre", "unknown_field"), ("/k", "wrong_type")]);
}

fn searched(reply: &Reply) {
    let list = list(reply);
    assert!(item_ids(&list).contains(&"the-godfather-1972"), "{list}");
    assert!(items(&list).iter().all(|item| text(&item["title"]).starts_with("The Godfather")), "{list}");
}

fn browsed(reply: &Reply) {
    let list = list(reply);
    assert_eq!(items(&list).len(), 5);
    assert!(items(&list).iter().all(|item| strings(&item["genres"]).contains(&"Horror")), "{list}");
    assert!(!text(&list["next_cursor"]).is_empty(), "there are more than five: {list}");
}

fn one_item(reply: &Reply) {
    let item = shown(reply);
    assert_eq!((text(&item["title"]), item["year"].as_u64()), ("Alien", Some(1979)), "{item}");
}

fn popular_documentaries(reply: &Reply) {
    let list = list(reply);
    assert_eq!(items(&list).len(), 3);
    assert!(items(&list).iter().all(|item| strings(&item["genres"]).contains(&"Documentary")), "{list}");
}

fn item_faults(reply: &Reply) {
    let expected = [("/cursor", "invalid_value"), ("/limit", "out_of_range"), ("/sort", "unknown_field")];
    listed(&problem(reply, 422, "invalid_request"), &expected);
}

/// So many events are kept, now or before, and these are not.
fn taken(reply: &Reply, kept: usize, rejected: &[(u64, &str)]) {
    assert_eq!((reply.status, reply.media_type()), (202, "application/json"), "{reply:?}");
    let answer = reply.json();
    let list = |name: &str| answer[name].as_array().unwrap_or_else(|| panic!("no {name}: {answer}")).clone();
    let entries = [list("accepted"), list("duplicates")].concat();
    assert_eq!(entries.len(), kept, "{answer}");
    assert!(entries.iter().all(|entry| !text(&entry["event_id"]).is_empty()), "{answer}");
    let found: Vec<_> = list("rejected")
        .iter()
        .map(|r| (r["index"].as_u64().expect("an index"), text(&r["code"]).to_owned()))
        .collect();
    let expected: Vec<_> = rejected.iter().map(|(index, code)| (*index, (*code).to_owned())).collect();
    assert_eq!(found, expected, "{answer}");
}

fn event_faults(reply: &Reply) {
    let expected = [
        ("/events/0/colour", "unknown_field"),
        ("/events/0/event_id", "invalid_id"),
        ("/events/0/item_id", "wrong_type"),
        ("/events/0/occurred_at", "invalid_time"),
        ("/events/0/type", "invalid_value"),
        ("/events/0/user_id", "invalid_id"),
        ("/events/0/value", "out_of_range"),
        ("/events/1/value", "missing"),
        ("/events/2", "wrong_type"),
        ("/events/3/item_id", "missing"),
        ("/events/3/type", "missing"),
        ("/events/3/user_id", "missing"),
        ("/source", "unknown_field"),
    ];
    listed(&problem(reply, 422, "invalid_request"), &expected);
}

fn queued(reply: &Reply) {
    assert_eq!(reply.status, 202, "{reply:?}");
    let batch = reply.json();
    assert!(["queued", "running", "succeeded"].contains(&text(&batch["state"])), "{batch}");
    assert_eq!((&batch["source"], &batch["format"]), (&json!("people"), &json!("marquee")), "{batch}");
}

fn batch_faults(reply: &Reply) {
    let expected = [
        ("", "too_many"),
        ("/format", "invalid_value"),
        ("/people/0/k", "out_of_range"),
        ("/people/1/items", "too_few"),
    ];
    listed(&problem(reply, 422, "invalid_request"), &expected);
}

fn person(reply: &Reply) {
    let person = shown(reply);
    assert_eq!(person["user_id"], "reader-7", "{person}");
    assert!(person["history"].is_array() && person.get("changed_at").is_some(), "{person}");
}

fn events_of_a_person(reply: &Reply) {
    let page = shown(reply);
    let ids: Vec<_> = items(&page).iter().map(|event| text(&event["event_id"])).collect();
    assert!(ids.len() <= 2 && ids.iter().all(|id| *id > "a1f0-1") && ids.is_sorted(), "{page}");
}

fn erased(reply: &Reply) {
    let erased = shown(reply);
    assert!(erased["removed"]["events"].is_u64() && erased["removed"]["profiles"].is_u64(), "{erased}");
    assert!(text(&erased["erased_until"]).ends_with('Z'), "{erased}");
}

fn user_faults(reply: &Reply) {
    let expected = [("/cursor", "invalid_id"), ("/limit", "out_of_range"), ("/sort", "unknown_field")];
    listed(&problem(reply, 422, "invalid_request"), &expected);
}

fn alive(reply: &Reply) {
    assert_eq!((reply.status, reply.media_type()), (200, "application/json"), "{reply:?}");
    assert_eq!(reply.json()["status"], "alive", "{reply:?}");
    assert!(!text(&reply.json()["version"]).is_empty(), "{reply:?}");
}

/// Which keys are asked for depends on the host; the rest is what is committed.
fn document(reply: &Reply) {
    let mut document = shown(reply);
    let committed = fs::read_to_string(root().join("docs/openapi.json")).expect("docs/openapi.json is there");
    let committed: Value = serde_json::from_str(&committed).expect("docs/openapi.json is JSON");
    document["security"] = committed["security"].clone();
    assert_eq!(document, committed);
}

fn ready(reply: &Reply) {
    assert_eq!((reply.status, reply.media_type()), (200, "application/json"), "{reply:?}");
    let ready = reply.json();
    assert_eq!(ready["ready"], json!(true), "{ready}");
    let model = &ready["dependencies"]["model"];
    assert_eq!(model["state"], "ready", "{ready}");
    assert!(!text(&model["name"]).is_empty() && !text(&model["version"]).is_empty(), "{ready}");
    assert!(model["items"].as_u64().is_some_and(|items| items > 0), "{ready}");
}

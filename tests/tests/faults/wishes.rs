//! What is asked for, in every shape, and what must hold for the answers whichever rung they come from.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use anyhow::Result;
use serde_json::{Value, json};
use tests::{Reply, Request, Service, model_dir};

use super::catalogue::{Catalogue, Item, demo};
use crate::answers::{answer, ask, item_ids, strings, text};

/// How many different requests there are.
const WISHES: usize = 120;
/// People that the store knows.
const PEOPLE: usize = 4;
/// Long enough for a machine that is busy with other tests, short enough for faults that use it up.
const DEADLINES_MS: [u64; 3] = [400, 600, 900];
const LENGTHS: [usize; 5] = [1, 5, 10, 25, 50];

/// Whether there is a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    Up,
    Down,
}

/// What answers depend on beside the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene {
    pub(crate) store: Store,
    /// Whether the accelerator ranks the catalogue backwards, for everybody; else it serves the service's own model.
    pub(crate) is_backwards: bool,
}

/// A request, and what holds for its answer.
pub(crate) struct Wish {
    pub(crate) request: Request,
    /// Items that are wanted.
    k: usize,
    deadline_ms: u64,
    names_a_person: bool,
    /// Whether anything is known that the accelerator could be asked about.
    pub(crate) has_history: bool,
    /// Items that may be answered, in the accelerator's order.
    allowed: Vec<String>,
    /// Whether variety is asked for.
    is_varied: bool,
    /// What a service without an accelerator answers: items and explanation.
    alone: Value,
}

/// Which rung answered, or why it wasn't the accelerator's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// The accelerator's.
    Accelerator,
    /// The function's, for this reason.
    Function(&'static str),
    /// The popular one, as nothing was known to ask about.
    Popular,
}

/// What people did before the test began, who must find it in their answers: likes, and a dislike as the last.
fn events(catalogue: &Catalogue, person: usize) -> Vec<(&Item, &'static str)> {
    let kinds = ["like", "play", "purchase", "dislike"].into_iter();
    kinds.enumerate().map(|(place, kind)| (catalogue.at(97 * person + 11 * place + 3), kind)).collect()
}

fn person(number: usize) -> String {
    format!("person-{number}")
}

/// Tells a service what people did, and waits until it knows.
pub(crate) fn tell(service: &Service, catalogue: &Catalogue) -> Result<()> {
    for number in 0..PEOPLE {
        let done = events(catalogue, number).into_iter().enumerate().map(|(place, (item, kind))| {
            let id = format!("{number}-{place}");
            json!({"event_id": id, "user_id": person(number), "item_id": item.id, "type": kind})
        });
        let body = json!({"events": done.collect::<Vec<_>>()});
        let reply = service.send(&Request::post("/v1/events", body.to_string()))?;
        anyhow::ensure!(reply.status == 202, "{reply:?}");
        let known = || -> Result<bool> {
            let user = service.send(&Request::new("GET", &format!("/v1/users/{}", person(number))))?.json();
            Ok(user["history"].as_array().is_some_and(|history| history.len() == 4))
        };
        super::until("a profile is folded", known)?;
    }
    Ok(())
}

/// Requests of every shape to a service of the demo, with or without a store.
pub(crate) fn wishes(store: Store) -> &'static [Wish] {
    static UP: LazyLock<Vec<Wish>> = LazyLock::new(|| made(demo(), Store::Up));
    static DOWN: LazyLock<Vec<Wish>> = LazyLock::new(|| made(demo(), Store::Down));
    match store {
        Store::Up => &UP,
        Store::Down => &DOWN,
    }
}

fn made(catalogue: &Catalogue, store: Store) -> Vec<Wish> {
    answered_alone(catalogue, store).unwrap_or_else(|error| panic!("{error:#}"))
}

fn answered_alone(catalogue: &Catalogue, store: Store) -> Result<Vec<Wish>> {
    let alone = match store {
        Store::Up => Service::demo()?,
        Store::Down => Service::start_with(model_dir(), ["--store", "none"])?,
    };
    if store == Store::Up {
        tell(&alone, catalogue)?;
    }
    let wishes = (0..WISHES).map(|number| {
        let mut wish = Draft::new(catalogue, number).wish(catalogue, store);
        let answer = answer(&alone.send(&wish.request)?);
        wish.alone = json!([answer["items"], answer["explanation"]]);
        Ok(wish)
    });
    wishes.collect()
}

/// Why an answer isn't the accelerator's.
fn named(reason: &str) -> &'static str {
    const REASONS: [&str; 6] = [
        "accelerator_timeout",
        "accelerator_unreachable",
        "accelerator_rejected",
        "accelerator_invalid_output",
        "accelerator_insufficient",
        "accelerator_open",
    ];
    REASONS.into_iter().find(|name| *name == reason).unwrap_or_else(|| panic!("no such reason: {reason}"))
}

/// A request in the making.
struct Draft<'a> {
    number: usize,
    body: Value,
    history: Vec<&'a Item>,
    disliked: Vec<&'a Item>,
    person: Option<usize>,
}

impl<'a> Draft<'a> {
    fn new(catalogue: &'a Catalogue, number: usize) -> Self {
        let item = |place: usize| catalogue.at(13 * number + 31 * place);
        let body = json!({"deadline_ms": DEADLINES_MS[number % DEADLINES_MS.len()]});
        let history = (0..1 + number % 5).map(item).collect();
        let mut draft = Self { number, body, history, disliked: Vec::new(), person: None };
        let excluded: Vec<_> = (20..23).map(|place| &item(place).id).collect();
        match number % 8 {
            0 => {}
            1 => {
                let rare = item(0).genres.first();
                draft.body["filters"] = json!({"genres_none": rare.into_iter().collect::<Vec<_>>(), "year": {"min": 1960, "max": 2012}});
            }
            2 => {
                draft.disliked = (5..7).map(item).collect();
                draft.body["filters"] = json!({"exclude_items": excluded, "include_seen": true});
            }
            // Half of them with nothing but the name.
            3 => {
                draft.person = Some(number / 8 % PEOPLE);
                draft.history.retain(|_| number % 16 == 3);
                draft.body["deadline_ms"] = json!(DEADLINES_MS[0]);
            }
            4 => {
                draft.body["filters"] = json!({"genres_any": item(1).genres, "exclude_items": excluded});
            }
            5 => draft.body["diversity"] = json!(0.6),
            6 => draft.body["explain"] = json!(true),
            _ => draft.history = Vec::new(),
        }
        draft
    }

    fn wish(self, catalogue: &'a Catalogue, store: Store) -> Wish {
        let Self { number, mut body, history, mut disliked, person } = self;
        let entries = history.iter().map(|item| json!(item.id));
        let dislikes = disliked.iter().map(|item| json!({"item_id": item.id, "type": "dislike"}));
        body["history"] = entries.chain(dislikes).collect();
        let mut seen: HashSet<&str> = history.iter().map(|item| item.id.as_str()).collect();
        if let Some(person) = person {
            body["user_id"] = json!(self::person(person));
            let events = if store == Store::Up { events(catalogue, person) } else { Vec::new() };
            let (dislikes, others): (Vec<_>, Vec<_>) =
                events.into_iter().partition(|(_, kind)| *kind == "dislike");
            disliked.extend(dislikes.iter().map(|(item, _)| item));
            seen.extend(others.iter().map(|(item, _)| item.id.as_str()));
        }
        let has_history = !seen.is_empty();
        if body["filters"]["include_seen"] == true {
            seen.clear();
        }
        let forbidden: HashSet<&str> = disliked.iter().map(|item| item.id.as_str()).chain(seen).collect();
        let may_come = |item: &&Item| !forbidden.contains(item.id.as_str()) && passes(item, &body["filters"]);
        let allowed: Vec<_> =
            catalogue.items.iter().rev().filter(may_come).map(|item| item.id.clone()).collect();
        assert!(!allowed.is_empty(), "the demo has nothing for {body}");
        let k = LENGTHS[number % LENGTHS.len()].min(allowed.len());
        body["k"] = json!(k);
        if body["filters"].is_null() {
            body.as_object_mut().expect("it is one").remove("filters");
        }
        Wish {
            request: ask(&body),
            k,
            deadline_ms: body["deadline_ms"].as_u64().expect("it has a deadline"),
            names_a_person: person.is_some(),
            has_history,
            allowed,
            is_varied: body["diversity"].is_f64(),
            alone: Value::Null,
        }
    }
}

/// Whether an item passes the filters of a request.
fn passes(item: &Item, filters: &Value) -> bool {
    let of = |name: &str| filters[name].as_array().map(|list| list.iter().map(text).collect::<HashSet<_>>());
    let has_any = |genres: HashSet<&str>| item.genres.iter().any(|genre| genres.contains(genre.as_str()));
    let year = &filters["year"];
    of("genres_any").is_none_or(has_any)
        && !of("genres_none").is_some_and(has_any)
        && !of("exclude_items").is_some_and(|items| items.contains(item.id.as_str()))
        && year["min"].as_u64().is_none_or(|min| min <= item.year)
        && year["max"].as_u64().is_none_or(|max| item.year <= max)
}

impl Wish {
    /// Where an answer came from, after everything that holds for every answer to this request.
    pub(crate) fn outcome(&self, reply: &Reply, scene: Scene) -> Outcome {
        let answer = answer(reply);
        let receipt = &answer["receipt"];
        assert_eq!(receipt["deadline_ms"], json!(self.deadline_ms), "{receipt}");
        let elapsed = receipt["elapsed_ms"].as_f64().expect("a time");
        assert!(elapsed < self.deadline_ms as f64, "answered when it was of no use: {receipt}");
        let ids = item_ids(&answer);
        assert_eq!(ids.len(), self.k, "{answer}");
        let broken: Vec<_> =
            ids.iter().filter(|id| !self.allowed.iter().any(|allowed| allowed == *id)).collect();
        assert!(broken.is_empty(), "{broken:?} must not be answered to {:?}: {answer}", self.request);

        let reason = receipt["reason"].as_str();
        let unavailable =
            (self.names_a_person && scene.store == Store::Down).then_some("profile_unavailable");
        let degraded: BTreeSet<&str> = reason.into_iter().chain(unavailable).collect();
        let found = strings(&receipt["degraded"]);
        assert_eq!(found.len(), degraded.len(), "{receipt}");
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), degraded, "{receipt}");

        let outcome = match (text(&receipt["rung"]), reason) {
            ("accelerator", None) => Outcome::Accelerator,
            ("function", Some(reason)) => Outcome::Function(named(reason)),
            ("popular", Some("no_known_history")) => Outcome::Popular,
            _ => panic!("not a rung for this reason: {receipt}"),
        };
        assert_eq!(outcome != Outcome::Popular, self.has_history, "{receipt} for {:?}", self.request);
        if outcome != Outcome::Accelerator || !scene.is_backwards {
            let alone = json!([answer["items"], answer["explanation"]]);
            assert_eq!(alone, self.alone, "not what the service answers on its own");
        } else if !self.is_varied {
            assert!(ids.iter().eq(&self.allowed[..self.k]), "not the accelerator's ranking: {answer}");
        }
        outcome
    }
}

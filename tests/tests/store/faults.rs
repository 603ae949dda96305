//! What becomes of events and people when calls overtake each other, fail, or never come back.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use futures_util::future::{join, join_all};
use serde_json::json;
use shared::api::history::Time;
use shared::store::{
    DynamoDb, Erased, Event, Events, Folding, Loading, People, Profile, Profiles, Put, Saved, fold,
};
use tokio::time::timeout;

use super::people::{at, event, kept, puts, save, user};
use super::proxy::{Call, Fate, Proxy, broken, throttled};
use super::{Server, store_at, wait};

/// A store that is reached as it should be, and the same behind a proxy.
struct Stores {
    server: Server,
    direct: Arc<DynamoDb>,
    proxied: DynamoDb,
    _proxy: Proxy,
}

impl Stores {
    async fn new(fate: impl Fn(Arc<DynamoDb>, Call) -> Fate + Send + Sync + 'static) -> Self {
        let server = Server::moto();
        let direct = Arc::new(server.store().await);
        let seen = Arc::clone(&direct);
        let proxy = Proxy::before(&server.endpoint, move |call| fate(Arc::clone(&seen), call)).await;
        let proxied = store_at(proxy.endpoint(), server.settings());
        Self { server, direct, proxied, _proxy: proxy }
    }
}

/// The two operations that a test lets something happen between.
fn is(call: &Call, operation: &str, before: u32) -> bool {
    (call.operation, call.before) == (operation, before)
}

#[test]
fn an_event_that_lands_while_its_person_is_erased_is_erased_too() {
    wait(async {
        // The first query looks for the newest event, the second for all there is, the third for what came since.
        for query in [1, 2] {
            let stores = Stores::new(move |direct, call| {
                if !is(&call, "Query", query) {
                    return Fate::Passes;
                }
                Fate::PassesAfter(Box::pin(async move {
                    direct.load(&[event("late", at(2))]).await.unwrap();
                    save(direct.as_ref(), &Profile::of(&[event("late", at(2))])).await;
                }))
            })
            .await;
            stores.direct.load(&[event("e1", at(1)), event("e2", at(5))]).await.unwrap();
            let erased = stores.proxied.erase(&user("ada"), at(0)).await.unwrap();
            assert_eq!(erased, Erased { events: 3, profiles: 1, until: at(5) });
            assert_eq!(stores.server.call("Scan", json!({}))["Count"], 1, "the tombstone is left");
        }
    });
}

#[test]
fn what_was_done_after_an_erasure_began_stays_in_events_and_profile() {
    wait(async {
        let stores = Stores::new(|direct, call| {
            if !is(&call, "Query", 1) {
                return Fate::Passes;
            }
            Fate::PassesAfter(Box::pin(async move {
                let newer = event("newer", at(10));
                assert_eq!(puts(direct.put(std::slice::from_ref(&newer)).await), [Put::Accepted]);
                fold(direct.as_ref(), &user("ada"), &[newer], &[], at(11)).await.unwrap();
            }))
        })
        .await;
        let before = [event("e1", at(1)), event("e2", at(5))];
        stores.direct.load(&before).await.unwrap();
        fold(stores.direct.as_ref(), &user("ada"), &before, &[], at(6)).await.unwrap();
        let erased = stores.proxied.erase(&user("ada"), at(9)).await.unwrap();
        assert_eq!(erased, Erased { events: 2, profiles: 1, until: at(9) });
        let newer = [event("newer", at(10))];
        assert_eq!(kept(stores.direct.as_ref()).await, newer);
        let profile = stores.direct.profile(&user("ada")).await.unwrap().unwrap().profile;
        assert_eq!(profile.history(), Profile::of(&newer).history());
    });
}

#[test]
fn an_event_that_an_erasure_overtakes_is_not_acknowledged_and_not_kept() {
    wait(async {
        for overtaken_before_it_lands in [true, false] {
            let stores = Stores::new(move |direct, call| {
                if !is(&call, "PutItem", 0) {
                    return Fate::Passes;
                }
                let erasure = Box::pin(async move {
                    direct.erase(&user("ada"), at(9)).await.unwrap();
                });
                if overtaken_before_it_lands {
                    Fate::PassesAfter(erasure)
                } else {
                    Fate::IsAnsweredAfter(erasure)
                }
            })
            .await;
            assert_eq!(puts(stores.proxied.put(&[event("e1", at(1))]).await), [Put::Erased]);
            assert_eq!(kept(stores.direct.as_ref()).await, []);
        }
    });
}

#[test]
fn a_duplicate_of_what_an_erasure_is_about_to_find_is_erased() {
    wait(async {
        let stores = Stores::new(|_, _| Fate::Passes).await;
        let by_the_server = |time: Time| Event { time_given: false, ..event("e1", time) };
        stores.direct.erase(&user("ada"), at(9)).await.unwrap();
        stores.direct.load(&[by_the_server(at(1))]).await.unwrap();
        assert_eq!(puts(stores.direct.put(&[by_the_server(at(20))]).await), [Put::Erased]);
        assert_eq!(kept(stores.direct.as_ref()).await, []);
    });
}

#[test]
fn what_was_put_anew_under_the_id_of_an_erased_event_stays() {
    wait(async {
        let stores = Stores::new(|direct, call| {
            if !is(&call, "DeleteItem", 0) {
                return Fate::Passes;
            }
            Fate::PassesAfter(Box::pin(async move {
                direct.erase(&user("ada"), at(9)).await.unwrap();
                assert_eq!(puts(direct.put(&[event("e1", at(10))]).await), [Put::Accepted]);
            }))
        })
        .await;
        stores.direct.load(&[event("e1", at(1))]).await.unwrap();
        let erased = stores.proxied.erase(&user("ada"), at(9)).await.unwrap();
        assert_eq!(erased, Erased { events: 0, profiles: 0, until: at(9) });
        assert_eq!(kept(stores.direct.as_ref()).await, [event("e1", at(10))]);
    });
}

#[test]
fn without_a_look_at_the_tombstone_nothing_is_acknowledged() {
    wait(async {
        let stores = Stores::new(|_, call| match call.operation {
            "GetItem" => broken(),
            _ => Fate::Passes,
        })
        .await;
        let events = [event("e1", at(1)), event("e2", at(2))];
        for outcome in stores.proxied.put(&events).await {
            let error = outcome.unwrap_err().to_string();
            assert!(error.starts_with("GetItem: InternalServerError"), "{error}");
        }
        // It is in the table, which does no harm: sent again it is a duplicate.
        assert_eq!(kept(stores.direct.as_ref()).await, events);
        assert_eq!(puts(stores.direct.put(&events).await), [Put::Duplicate; 2]);
    });
}

#[test]
fn one_event_that_fails_fails_alone() {
    wait(async {
        let stores =
            Stores::new(
                |_, call| {
                    if call.body["Item"]["event_id"]["S"] == "e2" { broken() } else { Fate::Passes }
                },
            )
            .await;
        let events = ["e1", "e2", "e3"].map(|id| event(id, at(1)));
        let outcomes = stores.proxied.put(&events).await;
        assert_eq!(outcomes[0].clone().unwrap(), Put::Accepted);
        let error = outcomes[1].clone().unwrap_err().to_string();
        assert!(error.starts_with("PutItem of an event: InternalServerError"), "{error}");
        assert_eq!(outcomes[2].clone().unwrap(), Put::Accepted);
    });
}

/// Whose first put is done and said to have failed.
async fn losing_the_first_reply() -> Stores {
    let fate = |_, call: Call| if is(&call, "PutItem", 0) { Fate::IsDoneAndFails } else { Fate::Passes };
    Stores::new(fate).await
}

#[test]
fn an_event_whose_reply_is_lost_is_kept_once() {
    wait(async {
        let stores = losing_the_first_reply().await;
        let e1 = event("e1", at(1));
        assert_eq!(puts(stores.proxied.put(std::slice::from_ref(&e1)).await), [Put::Duplicate]);
        assert_eq!(kept(stores.direct.as_ref()).await, [e1]);
    });
}

#[test]
fn a_fold_whose_reply_is_lost_is_done() {
    wait(async {
        let stores = losing_the_first_reply().await;
        let events = [event("e1", at(1))];
        fold(&stores.proxied, &user("ada"), &events, &[], at(2)).await.unwrap();
        let profile = stores.direct.profile(&user("ada")).await.unwrap().unwrap().profile;
        assert_eq!(profile, Profile::of(&events));
    });
}

#[test]
fn what_is_left_unprocessed_is_asked_for_again() {
    wait(async {
        let stores = Stores::new(|_, call| match (call.operation, call.before) {
            ("BatchGetItem", 0..2) => Fate::Gets(
                StatusCode::OK,
                json!({"Responses": {}, "UnprocessedKeys": call.body["RequestItems"]}),
            ),
            ("BatchWriteItem", 0..2) => {
                Fate::Gets(StatusCode::OK, json!({"UnprocessedItems": call.body["RequestItems"]}))
            }
            ("BatchWriteItem", 2..8) => throttled(),
            _ => Fate::Passes,
        })
        .await;
        let events: Vec<Event> = (0..60).map(|i| event(&format!("e{i:02}"), at(i))).collect();
        stores.proxied.load(&events).await.unwrap();
        assert_eq!(kept(stores.direct.as_ref()).await, events);
        save(stores.direct.as_ref(), &Profile::of(&events)).await;
        assert!(stores.proxied.profile(&user("ada")).await.unwrap().is_some());
    });
}

#[test]
fn what_stays_unprocessed_is_an_error() {
    wait(async {
        let stores = Stores::new(|_, call| match call.operation {
            "BatchGetItem" => Fate::Gets(
                StatusCode::OK,
                json!({"Responses": {}, "UnprocessedKeys": call.body["RequestItems"]}),
            ),
            _ => Fate::Passes,
        })
        .await;
        let error = stores.proxied.profile(&user("ada")).await.unwrap_err();
        assert_eq!(error.to_string(), "BatchGetItem: keys were left unprocessed");
    });
}

#[test]
fn pages_are_put_together() {
    wait(async {
        let stores = Stores::new(|_, call| {
            let mut body = call.body.clone();
            if call.operation != "Query" {
                return Fate::Passes;
            }
            body["Limit"] = 7.into();
            Fate::PassesAs(body)
        })
        .await;
        let events: Vec<Event> = (0..40).map(|i| event(&format!("e{i:02}"), at(i))).collect();
        stores.direct.load(&events).await.unwrap();
        let page = stores.proxied.events(&user("ada"), Some(&events[2].event_id), 36).await.unwrap();
        assert_eq!((page.events.as_slice(), page.more), (&events[3..39], true));
        assert_eq!(kept(&stores.proxied).await, events);
        // The newest is on the last page.
        let erased = stores.proxied.erase(&user("ada"), at(0)).await.unwrap();
        assert_eq!(erased, Erased { events: 40, profiles: 0, until: at(39) });
        assert_eq!(kept(stores.direct.as_ref()).await, []);
    });
}

/// Whatever is asked of a store that can't be had, an error comes, and names neither people nor events.
async fn fails_in_every_way(store: &DynamoDb, words: &str) {
    let ada = user("ada");
    let events = [event("e-secret", at(1))];
    let profile = Profile::of(&events);
    let errors = [
        store.profile(&ada).await.unwrap_err(),
        store.put(&events).await.remove(0).unwrap_err(),
        store.events(&ada, None, 10).await.unwrap_err(),
        store.erase(&ada, at(2)).await.unwrap_err(),
        store.basis(&ada).await.unwrap_err(),
        store.erased_until(&ada).await.unwrap_err(),
        store.save(&ada, &profile, None, at(2)).await.unwrap_err(),
        store.remove(&ada, &events[0].event_id).await.unwrap_err(),
        store.load(&events).await.unwrap_err(),
        store.create_table().await.unwrap_err(),
    ];
    for error in errors {
        let error = error.to_string();
        assert!(error.contains(words), "{error}");
        assert!(!error.contains("ada") && !error.contains("secret") && !error.contains("alien"), "{error}");
    }
    store.warm_up().await;
}

#[test]
fn nobody_who_listens_is_an_error() {
    wait(async {
        // Its port was free a moment ago.
        let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let store = store_at(&format!("http://{closed}"), Server::moto().settings());
        fails_in_every_way(&store, "Connection refused").await;
    });
}

#[test]
fn a_service_that_refuses_is_an_error() {
    wait(async {
        let stores = Stores::new(|_, _| broken()).await;
        fails_in_every_way(&stores.proxied, "InternalServerError").await;
    });
}

#[test]
fn a_service_that_never_answers_is_an_error_for_every_event() {
    wait(async {
        let stores = Stores::new(|_, call| match call.operation {
            "PutItem" | "BatchGetItem" => Fate::Hangs,
            _ => Fate::Passes,
        })
        .await;
        // Sixteen at a time and 4 s each, these would take a minute.
        let events: Vec<Event> = (0..240).map(|i| event(&format!("e{i}"), at(i))).collect();
        // Whoever waits behind the gateway is gone after 30 s.
        let (outcomes, profile) = timeout(Duration::from_secs(30), async {
            join(stores.proxied.put(&events), stores.proxied.profile(&events[0].user_id)).await
        })
        .await
        .unwrap();
        assert_eq!(outcomes.len(), 240);
        assert!(outcomes.iter().all(Result::is_err));
        assert!(profile.is_err());
    });
}

#[test]
fn of_saves_at_the_same_time_one_is_kept() {
    wait(async {
        let stores = Stores::new(|_, _| Fate::Passes).await;
        let (store, ada) = (&stores.direct, user("ada"));
        let profiles: Vec<Profile> = (0..8).map(|i| Profile::of(&[event("e1", at(i))])).collect();
        for round in 0..3 {
            let revision = store.basis(&ada).await.unwrap().revision;
            assert_eq!(revision.is_some(), round > 0);
            let saves = profiles.iter().map(|profile| store.save(&ada, profile, revision.as_deref(), at(9)));
            let saved = join_all(saves).await;
            let winners: Vec<usize> =
                (0..8).filter(|i| matches!(saved[*i].as_ref().unwrap(), Saved::Kept)).collect();
            assert_eq!(winners.len(), 1, "{saved:?}");
            assert_eq!(store.basis(&ada).await.unwrap().profile, profiles[winners[0]]);
        }
    });
}

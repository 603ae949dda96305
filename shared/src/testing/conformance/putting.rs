//! Events are kept once, as they came, and read in order.

use futures_util::future::{join, join_all};

use super::{Person, accept, assert_profile, event_id, fold, kept, put, rating, user};
use crate::api::{EventType, ItemId};
use crate::store::{Event, Put, Store};

pub(super) async fn events_are_kept_as_they_came(store: &dyn Store) {
    let person = Person::new();
    let event = |(i, kind): (usize, EventType)| {
        let mut event = person.event(&format!("e{i}"), &format!("item:{i}@x_y.z-"), kind, -5_000 + i as i64);
        event.time_given = i % 2 == 0;
        event
    };
    let events: Vec<Event> = EventType::ALL.into_iter().enumerate().map(event).collect();
    accept(store, &events).await;
    assert_eq!(kept(store, &person.user).await, events);
    assert!(store.put(&[]).await.is_empty());
}

pub(super) async fn an_event_sent_again_is_a_duplicate(store: &dyn Store) {
    let person = Person::new();
    let first = person.event("e1", "alpha", EventType::Rating, -10);
    accept(store, std::slice::from_ref(&first)).await;
    let again = Event { received_at: person.at(50), ..first.clone() };
    let new = person.event("e2", "alpha", EventType::Like, -9);
    let outcomes = put(store, &[again, new.clone()]).await;
    assert_eq!(outcomes, [Put::Duplicate, Put::Accepted]);
    assert_eq!(kept(store, &person.user).await, [first, new]);
}

pub(super) async fn other_fields_under_one_id_are_a_conflict(store: &dyn Store) {
    let person = Person::new();
    let first = person.event("e1", "alpha", EventType::Rating, -10);
    accept(store, std::slice::from_ref(&first)).await;
    let bravo = ItemId::try_from("bravo".to_owned()).expect("a valid id");
    let others = [
        Event { item_id: bravo, ..first.clone() },
        Event { kind: EventType::Like, ..first.clone() },
        Event { value: Some(rating(1.5)), ..first.clone() },
        Event { value: None, ..first.clone() },
        Event { occurred_at: person.at(-11), ..first.clone() },
        Event { time_given: false, ..first.clone() },
    ];
    assert_eq!(put(store, &others).await, [Put::Conflict; 6]);
    assert_eq!(kept(store, &person.user).await, [first]);
}

pub(super) async fn a_time_that_the_server_gave_is_no_conflict_and_the_first_is_kept(store: &dyn Store) {
    let person = Person::new();
    let first = Event { time_given: false, ..person.event("e1", "alpha", EventType::Play, -10) };
    accept(store, std::slice::from_ref(&first)).await;
    let again = Event { occurred_at: person.at(3), received_at: person.at(3), ..first.clone() };
    assert_eq!(put(store, std::slice::from_ref(&again)).await, [Put::Duplicate]);
    let given = Event { time_given: true, ..first.clone() };
    assert_eq!(put(store, &[given]).await, [Put::Conflict]);
    assert_eq!(kept(store, &person.user).await, [first]);
}

pub(super) async fn one_id_twice_in_a_call_is_kept_once(store: &dyn Store) {
    let person = Person::new();
    let first = person.event("e1", "alpha", EventType::Play, -10);
    let other = person.event("e1", "bravo", EventType::Play, -10);
    let beside = person.event("e2", "charlie", EventType::Play, -10);
    let outcomes = put(store, &[first.clone(), first.clone(), beside.clone(), other]).await;
    assert_eq!(outcomes, [Put::Accepted, Put::Duplicate, Put::Accepted, Put::Conflict]);
    assert_eq!(kept(store, &person.user).await, [first, beside]);
}

pub(super) async fn one_id_at_the_same_time_is_kept_once(store: &dyn Store) {
    let person = Person::new();
    let event = |i: i64| person.event("e1", &format!("item{}", i % 2), EventType::Play, -10);
    let outcomes = join_all((0..8).map(|i| async move { put(store, &[event(i)]).await })).await;
    let count = |wanted: Put| outcomes.iter().filter(|outcome| ***outcome == [wanted]).count();
    assert_eq!((count(Put::Accepted), count(Put::Duplicate), count(Put::Conflict)), (1, 3, 4));
    assert_eq!(kept(store, &person.user).await.len(), 1);
}

pub(super) async fn people_do_not_share_ids(store: &dyn Store) {
    let one = Person::new();
    // The other's id begins with the first's: keys that run together would mix them.
    let other = Person { user: user(&format!("{}-e1", one.user)), now: one.now };
    let (first, second) =
        (one.event("e1", "alpha", EventType::Play, -10), other.event("e1", "bravo", EventType::Like, -9));
    let outcomes = put(store, &[first.clone(), second.clone()]).await;
    assert_eq!(outcomes, [Put::Accepted, Put::Accepted]);
    join(fold(store, std::slice::from_ref(&first)), fold(store, std::slice::from_ref(&second))).await;
    for (person, event) in [(one, first), (other, second)] {
        assert_eq!(kept(store, &person.user).await, std::slice::from_ref(&event));
        assert_profile(store, &person.user, &[event]).await;
    }
}

pub(super) async fn ids_may_be_as_long_as_the_contract_says(store: &dyn Store) {
    let person = Person::new();
    let long = |start: &str| format!("{start:x<128}");
    let person = Person { user: user(&long(person.user.as_str())), ..person };
    let event = person.event(&long("e"), &long("i"), EventType::Play, -10);
    accept(store, std::slice::from_ref(&event)).await;
    fold(store, std::slice::from_ref(&event)).await;
    assert_eq!(kept(store, &person.user).await, std::slice::from_ref(&event));
    assert_profile(store, &person.user, &[event]).await;
}

pub(super) async fn events_come_in_the_order_of_their_ids_page_by_page(store: &dyn Store) {
    let person = Person::new();
    // In the order of their bytes, as the ids of the contract are ASCII.
    let ids = ["0", "10", "9", "9-", "9.a", "9:a", "9@", "A", "B", "_"].map(|id| id.replace('_', "B_"));
    let mut events: Vec<Event> =
        ids.iter().rev().map(|id| person.event(id, "alpha", EventType::Play, -10)).collect();
    accept(store, &events).await;
    events.sort_by(|a, b| a.event_id.cmp(&b.event_id));

    let mut after = None;
    for (page, wanted) in events.chunks(4).enumerate() {
        let read = store.events(&person.user, after.as_ref(), 4).await.expect("the store reads events");
        assert_eq!((&*read.events, read.more), (wanted, page < 2));
        after = wanted.last().map(|event| event.event_id.clone());
    }
    for (after, limit, wanted, more) in [
        // Cursors whose events are not there.
        ("5", 100, &events[2..], false),
        ("00", 3, &events[1..4], true),
        ("Z", 100, &[], false),
        // A page that ends exactly with the last.
        ("9@", 3, &events[7..], false),
        ("9@", 2, &events[7..9], true),
    ] {
        let read = store.events(&person.user, Some(&event_id(after)), limit).await;
        let read = read.expect("the store reads events");
        assert_eq!((&*read.events, read.more), (wanted, more), "after {after}");
    }
    let nobody = store.events(&Person::new().user, None, 10).await.expect("the store reads events");
    assert_eq!((nobody.events.len(), nobody.more), (0, false));
}

pub(super) async fn loading_again_changes_nothing(store: &dyn Store) {
    let (one, other) = (Person::new(), Person::new());
    let events = [one.events(120), other.events(3)].concat();
    for _ in 0..2 {
        store.load(&events).await.expect("the store loads");
        // Where the profiles come by a change feed, this is what it does; where loading folds, it changes nothing.
        for (person, count) in [(&one, 120), (&other, 3)] {
            let mine = person.events(count);
            fold(store, &mine).await;
            assert_eq!(kept(store, &person.user).await, mine);
            assert_profile(store, &person.user, &mine).await;
        }
    }
    assert_eq!(put(store, &events[..1]).await, [Put::Duplicate]);
    // What is loaded replaces what is there.
    let replaced = [Event { kind: EventType::Purchase, ..other.events(1).remove(0) }];
    store.load(&replaced).await.expect("the store loads");
    assert_eq!(kept(store, &other.user).await[0], replaced[0]);
}

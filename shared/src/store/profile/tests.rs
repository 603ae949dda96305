//! The laws of joining profiles, and an independent model of what a profile is.

use std::collections::HashSet;

use proptest::prelude::*;
use proptest::sample::SizeRange;

use super::*;
use crate::api::UserId;

/// A moment so many milliseconds after the first of the tests.
fn time(ms: i64) -> Time {
    Time::from_millis(1_750_000_000_000 + ms).unwrap()
}

/// Events of few ids, items and times, so that all of them collide; also of one id with different fields, which two
/// regions may have taken.
fn events(
    ids: u32,
    items: u32,
    times: i64,
    count: impl Into<SizeRange>,
) -> impl Strategy<Value = Vec<Event>> {
    let kind = prop::sample::select(EventType::ALL.to_vec());
    let value = prop::option::of(prop::sample::select(vec![0.5, 3.5, 5.0]));
    let event = (0..ids, 0..items, 0..times, kind, value).prop_map(|(id, item, ms, kind, value)| Event {
        user_id: UserId::try_from("ada".to_owned()).unwrap(),
        event_id: EventId::try_from(format!("e{id}")).unwrap(),
        item_id: ItemId::try_from(format!("i{item}")).unwrap(),
        kind,
        value: value.map(|value| serde_json::from_value(serde_json::json!(value)).unwrap()),
        occurred_at: time(ms),
        received_at: time(ms),
        time_given: true,
    });
    prop::collection::vec(event, count)
}

fn few() -> impl Strategy<Value = Vec<Event>> {
    events(12, 5, 6, 0..25)
}

/// More items than a profile keeps.
fn many() -> impl Strategy<Value = Vec<Event>> {
    events(2_000, 800, 300, 700..1_400)
}

fn erasure() -> impl Strategy<Value = Option<Time>> {
    prop::option::of((-1_i64..7).prop_map(time))
}

fn profile() -> impl Strategy<Value = Profile> {
    (few(), erasure()).prop_map(|(events, until)| Profile::of(&events).forget(until))
}

fn large_profile() -> impl Strategy<Value = Profile> {
    let until = prop::option::of((0_i64..200).prop_map(time));
    (many(), until).prop_map(|(events, until)| Profile::of(&events).forget(until))
}

/// What a profile is, read off its definition: of all that was done after the erasure, newest first, whatever names an
/// item for the first time, until there are 500.
fn model(events: &[Event], until: Option<Time>) -> Vec<ProfileEntry> {
    let mut entries: Vec<ProfileEntry> = events.iter().map(ProfileEntry::from).collect();
    entries.retain(|entry| Some(entry.occurred_at) > until);
    entries.sort_by(|a, b| {
        let rest = |e: &ProfileEntry| (e.occurred_at, e.event_id.clone(), e.item_id.clone(), e.kind);
        let value = |e: &ProfileEntry| e.value.map(|value| value.get().to_bits());
        (rest(b), value(b)).cmp(&(rest(a), value(a)))
    });
    let mut seen = HashSet::new();
    entries.retain(|entry| seen.insert(entry.item_id.clone()));
    entries.truncate(500);
    entries.reverse();
    entries
}

fn laws(a: &Profile, b: &Profile, c: &Profile) -> Result<(), TestCaseError> {
    let join = |a: &Profile, b: &Profile| a.clone().join(b.clone());
    prop_assert_eq!(join(a, b), join(b, a), "commutative");
    prop_assert_eq!(join(&join(a, b), c), join(a, &join(b, c)), "associative");
    prop_assert_eq!(&join(a, a), a, "idempotent");
    prop_assert_eq!(&join(a, &Profile::default()), a, "nothing is neutral");
    let joined = join(a, b);
    prop_assert_eq!(&join(&joined, a), &joined, "what was joined is in it");
    Ok(())
}

/// The profile of events that came in another order, in parts that were folded apart, some of them several times, with
/// an erasure somewhere between.
fn folded(events: &[Event], how: &[(u8, u64)], until: Option<Time>) -> Profile {
    let mut parts: Vec<Vec<(u64, &Event)>> = vec![Vec::new(); 4];
    for (event, (part, order)) in events.iter().zip(how) {
        let part = usize::from(*part);
        parts[part % 4].push((*order, event));
        if part >= 4 {
            parts[(part + 1) % 4].push((order.rotate_left(17), event));
        }
    }
    let mut profile = Profile::default();
    for (index, mut part) in parts.into_iter().enumerate() {
        part.sort_by_key(|(order, _)| *order);
        let (whole, one_by_one) = part.split_at(part.len() / 2);
        profile = profile.join(Profile::of(whole.iter().map(|(_, event)| *event)));
        if index == 1 {
            profile = profile.forget(until);
        }
        for (_, event) in one_by_one.iter().take(40) {
            profile = Profile::of([*event]).join(profile);
        }
        profile = profile.join(Profile::of(one_by_one.iter().map(|(_, event)| *event)));
    }
    profile
}

fn is_as_the_model(events: &[Event], how: &[(u8, u64)], until: Option<Time>) -> Result<(), TestCaseError> {
    let (at_once, in_parts) = (Profile::of(events).forget(until), folded(events, how, until));
    prop_assert_eq!(at_once.entries(), model(events, until));
    prop_assert_eq!(at_once, in_parts);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn joining_is_commutative_associative_and_idempotent(a in profile(), b in profile(), c in profile()) {
        laws(&a, &b, &c)?;
    }

    #[test]
    fn order_duplicates_and_splits_of_events_make_no_difference(
        events in few(),
        how in prop::collection::vec(any::<(u8, u64)>(), 25),
        until in erasure(),
    ) {
        is_as_the_model(&events, &how, until)?;
    }

    #[test]
    fn an_erasure_is_one_in_whatever_order(a in few(), b in few(), one in erasure(), other in erasure()) {
        let last = one.max(other);
        let all = Profile::of(a.iter().chain(&b)).forget(last);
        prop_assert_eq!(&Profile::of(&a).forget(one).join(Profile::of(&b).forget(other)), &all);
        prop_assert_eq!(&Profile::of(&b).forget(other).join(Profile::of(&a)).forget(one), &all);
        prop_assert!(all.entries().iter().all(|entry| Some(entry.occurred_at) > last));
    }

    #[test]
    fn a_profile_comes_back_from_json_as_it_was(profile in profile()) {
        let json = serde_json::to_string(&profile).unwrap();
        prop_assert_eq!(serde_json::from_str::<Profile>(&json).unwrap(), profile);
    }

    #[test]
    fn profiles_of_regions_are_read_as_one(a in profile(), b in profile(), times in (0_i64..9, 0_i64..9)) {
        let stored = |profile: &Profile, ms| StoredProfile { profile: profile.clone(), changed_at: time(ms) };
        let joined = StoredProfile::joined([stored(&a, times.0), stored(&b, times.1)]);
        prop_assert_eq!(joined, Some(stored(&a.join(b), times.0.max(times.1))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(25))]
    #[test]
    fn the_laws_hold_for_more_items_than_are_kept(
        a in large_profile(),
        b in large_profile(),
        c in large_profile(),
    ) {
        laws(&a, &b, &c)?;
        prop_assert!(a.clone().join(b).join(c).entries().len() <= PROFILE_LIMIT);
    }

    #[test]
    fn order_duplicates_and_splits_of_many_events_make_no_difference(
        events in many(),
        how in prop::collection::vec(any::<(u8, u64)>(), 1_400),
        until in prop::option::of((0_i64..200).prop_map(time)),
    ) {
        is_as_the_model(&events, &how, until)?;
    }

    #[test]
    fn a_full_profile_comes_back_from_json_as_it_was(profile in large_profile()) {
        let json = serde_json::to_string(&profile).unwrap();
        prop_assert_eq!(serde_json::from_str::<Profile>(&json).unwrap(), profile);
    }
}

#[test]
fn json_that_is_no_profile_is_made_one() {
    let entry = |item: &str, event: &str, ms| serde_json::json!([item, "like", null, time(ms), event]);
    let json = serde_json::json!({"e": time(1), "i": [
        entry("alpha", "e3", 3), entry("bravo", "e1", 1), entry("alpha", "e2", 2), entry("charlie", "e0", 2),
    ]});
    let profile: Profile = serde_json::from_value(json).unwrap();
    let ids: Vec<&str> = profile.entries().iter().map(|entry| entry.event_id.as_str()).collect();
    assert_eq!(ids, ["e0", "e3"]);
}

#[test]
fn a_profile_that_was_kept_before_is_read() {
    let kept = r#"{"e":"2025-06-15T15:06:39.000Z","i":[["alien","rating",4.5,"2025-06-15T15:06:40.123Z","e1"],
        ["jaws","dislike",null,"2025-06-15T15:06:41.000Z","e2"]]}"#;
    let profile: Profile = serde_json::from_str(kept).unwrap();
    let history = profile.history();
    assert_eq!(history.iter().map(|entry| entry.item_id.as_str()).collect::<Vec<_>>(), ["alien", "jaws"]);
    assert_eq!(history[0].occurred_at, Time::from_millis(1_750_000_000_123));
    assert_eq!(profile.forget(Some(time(123))).entries().len(), 1);
}

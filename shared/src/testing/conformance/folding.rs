//! Events are folded into profiles, and nothing is lost when folds meet.

use futures_util::future::join_all;

use super::{Person, accept, assert_no_profile, assert_profile, fold, kept, profile_when, rating};
use crate::api::EventType;
use crate::api::history::Time;
use crate::store::{PROFILE_LIMIT, Profile, Saved, Store};

pub(super) async fn a_person_has_no_profile_before_the_first_fold(store: &dyn Store) {
    let person = Person::new();
    assert_eq!(store.profile(&person.user).await.expect("the store reads profiles"), None);
    let basis = store.basis(&person.user).await.expect("the store reads profiles");
    assert_eq!((basis.profile.is_empty(), basis.revision, basis.erased_until), (true, None, None));
    assert_eq!(store.erased_until(&person.user).await.expect("the store reads tombstones"), None);
    accept(store, &person.events(2)).await;
    let basis = store.basis(&person.user).await.expect("the store reads profiles");
    assert_eq!(basis.revision, None, "an event alone makes no profile");
}

pub(super) async fn folding_makes_the_profile_readable(store: &dyn Store) {
    let person = Person::new();
    let mut events = person.events(3);
    events[1].kind = EventType::Rating;
    events[1].value = Some(rating(2.5));
    accept(store, &events).await;
    let now = Time::now();
    let folded = crate::store::fold(store, &person.user, &events, &[], now).await;
    folded.expect("the store folds");
    let read = profile_when(store, &person.user, Option::is_some).await.expect("there is a profile");
    assert_eq!((&read.profile, read.changed_at), (&Profile::of(&events), now));
    let basis = store.basis(&person.user).await.expect("the store reads profiles");
    assert_eq!((basis.profile, basis.revision.is_some()), (read.profile, true));
}

pub(super) async fn folding_twice_is_folding_once(store: &dyn Store) {
    let person = Person::new();
    let events = person.events(5);
    accept(store, &events).await;
    fold(store, &events[2..]).await;
    fold(store, &events).await;
    let once = store.basis(&person.user).await.expect("the store reads profiles");
    for again in [&events[..], &events[..1], &events[3..]] {
        fold(store, again).await;
    }
    // Not even written again: the revision is the same.
    assert_eq!(store.basis(&person.user).await.expect("the store reads profiles"), once);
    assert_profile(store, &person.user, &events).await;
}

pub(super) async fn a_profile_keeps_the_newest_500_items(store: &dyn Store) {
    let person = Person::new();
    let events = person.events(PROFILE_LIMIT + 130);
    accept(store, &events).await;
    // The newest first: what is folded later is older, and falls out.
    for part in events.chunks(210).rev() {
        fold(store, part).await;
    }
    assert_profile(store, &person.user, &events[130..]).await;
    assert_eq!(kept(store, &person.user).await, events, "the events stay, all of them");
}

pub(super) async fn dislikes_are_kept(store: &dyn Store) {
    let person = Person::new();
    let events = [
        person.event("e1", "alpha", EventType::Like, -30),
        person.event("e2", "bravo", EventType::Play, -20),
        person.event("e3", "alpha", EventType::Dislike, -10),
    ];
    accept(store, &events).await;
    fold(store, &events).await;
    assert_profile(store, &person.user, &events[1..]).await;
    let read = store.profile(&person.user).await.expect("the store reads profiles");
    let kinds: Vec<EventType> =
        read.iter().flat_map(|stored| stored.profile.entries()).map(|entry| entry.kind).collect();
    assert_eq!(kinds, [EventType::Play, EventType::Dislike]);
}

pub(super) async fn a_stale_revision_saves_nothing(store: &dyn Store) {
    let person = Person::new();
    let events = person.events(3);
    let save = |count: usize, revision: Option<String>| {
        let (user, profile) = (person.user.clone(), Profile::of(&events[..count]));
        async move {
            let saved = store.save(&user, &profile, revision.as_deref(), Time::now()).await;
            saved.expect("the store saves profiles")
        }
    };
    let revision = || async { store.basis(&person.user).await.expect("the store reads profiles").revision };

    assert_eq!(save(1, Some("never".into())).await, Saved::Changed, "there is none yet");
    assert_eq!(save(1, None).await, Saved::Kept);
    let first = revision().await;
    assert_eq!(save(2, None).await, Saved::Changed, "there is one by now");
    assert_eq!(save(2, first.clone()).await, Saved::Kept);
    assert_ne!(revision().await, first);
    assert_eq!(save(3, first.clone()).await, Saved::Changed);
    assert_profile(store, &person.user, &events[..2]).await;
    assert_eq!(save(0, first.clone()).await, Saved::Changed, "removing needs the revision too");
    assert_eq!(save(0, revision().await).await, Saved::Kept);
    // Made anew it is not the old one, although it says the same.
    assert_eq!(save(1, None).await, Saved::Kept);
    assert_eq!(save(2, first).await, Saved::Changed);
    assert_profile(store, &person.user, &events[..1]).await;
}

pub(super) async fn folds_at_the_same_time_lose_nothing(store: &dyn Store) {
    let person = Person::new();
    let events = person.events(40);
    accept(store, &events).await;
    // Four, as more would make the loser of every turn give up and come again, which is the stream's business.
    join_all(events.chunks(10).map(|part| fold(store, part))).await;
    assert_profile(store, &person.user, &events).await;
}

pub(super) async fn an_empty_profile_is_removed(store: &dyn Store) {
    let person = Person::new();
    let events = person.events(2);
    fold(store, &events).await;
    assert_profile(store, &person.user, &events).await;
    let basis = store.basis(&person.user).await.expect("the store reads profiles");
    let empty = basis.profile.forget(Some(person.at(0)));
    let saved = store.save(&person.user, &empty, basis.revision.as_deref(), Time::now()).await;
    assert_eq!(saved.expect("the store saves profiles"), Saved::Kept);
    assert_no_profile(store, &person.user).await;
    let basis = store.basis(&person.user).await.expect("the store reads profiles");
    assert_eq!((basis.profile.is_empty(), basis.revision), (true, None));
}

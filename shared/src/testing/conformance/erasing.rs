//! Whoever is erased stays erased, whatever comes late.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures_util::future::join;

use super::{Person, accept, assert_no_profile, assert_profile, event_id, fold, kept, put, user};
use crate::api::history::Time;
use crate::api::{EventId, EventType, UserId};
use crate::store::{Basis, Erased, Event, FoldError, Folding, Profile, Put, Saved, Store, StoreError};

async fn erase(store: &dyn Store, person: &Person, ms: i64) -> Erased {
    store.erase(&person.user, person.at(ms)).await.expect("the store erases")
}

async fn erased_until(store: &dyn Store, person: &Person) -> Option<Time> {
    let until = store.erased_until(&person.user).await.expect("the store reads tombstones");
    let basis = store.basis(&person.user).await.expect("the store reads profiles");
    assert_eq!(basis.erased_until, until);
    until
}

pub(super) async fn erasing_removes_and_says_what(store: &dyn Store) {
    let person = Person::new();
    let events = person.events(230);
    accept(store, &events).await;
    fold(store, &events).await;
    let erased = erase(store, &person, 5).await;
    assert_eq!(erased, Erased { events: 230, profiles: 1, until: person.at(5) });
    assert_eq!(erased_until(store, &person).await, Some(person.at(5)));
    assert_eq!(kept(store, &person.user).await, []);
    assert_no_profile(store, &person.user).await;
}

pub(super) async fn the_tombstone_is_of_the_newest_event_when_that_is_later(store: &dyn Store) {
    let person = Person::new();
    // By the clock of the machine that took it, this one was done after the erasure.
    let event = person.event("e1", "alpha", EventType::Play, 700);
    accept(store, &[event]).await;
    let erased = erase(store, &person, 20).await;
    assert_eq!(erased, Erased { events: 1, profiles: 0, until: person.at(700) });
    assert_eq!(erased_until(store, &person).await, Some(person.at(700)));
}

pub(super) async fn only_what_was_done_later_is_taken_after_an_erasure(store: &dyn Store) {
    let person = Person::new();
    let events = person.events(3);
    accept(store, &events).await;
    erase(store, &person, 10).await;
    // What was there, what was under way, what was done in that millisecond; and what was done after.
    let before = person.event("e7", "alpha", EventType::Play, -4_000);
    let then = person.event("e8", "alpha", EventType::Play, 10);
    let after = person.event("e9", "alpha", EventType::Play, 11);
    let again = person.event("e000001", "bravo", EventType::Play, 12);
    let outcomes = put(store, &[events[0].clone(), before, then, after.clone(), again.clone()]).await;
    assert_eq!(outcomes, [Put::Erased, Put::Erased, Put::Erased, Put::Accepted, Put::Accepted]);
    assert_eq!(kept(store, &person.user).await, [again.clone(), after.clone()]);
    fold(store, &[events[1].clone(), after.clone(), again.clone()]).await;
    assert_profile(store, &person.user, &[after, again]).await;
}

pub(super) async fn erasing_again_never_goes_back(store: &dyn Store) {
    let person = Person::new();
    accept(store, &person.events(2)).await;
    erase(store, &person, 10).await;
    let earlier = erase(store, &person, -10).await;
    assert_eq!(earlier, Erased { events: 0, profiles: 0, until: person.at(10) });
    assert_eq!(erased_until(store, &person).await, Some(person.at(10)));
    let event = person.event("e9", "alpha", EventType::Play, 11);
    accept(store, std::slice::from_ref(&event)).await;
    fold(store, &[event]).await;
    let later = erase(store, &person, 30).await;
    assert_eq!(later, Erased { events: 1, profiles: 1, until: person.at(30) });
    assert_eq!(erased_until(store, &person).await, Some(person.at(30)));
    assert_eq!(kept(store, &person.user).await, []);
    assert_no_profile(store, &person.user).await;
}

pub(super) async fn somebody_unknown_can_be_erased(store: &dyn Store) {
    let person = Person::new();
    let erased = erase(store, &person, 0).await;
    assert_eq!(erased, Erased { events: 0, profiles: 0, until: person.at(0) });
    let before = person.event("e1", "alpha", EventType::Play, -1);
    assert_eq!(put(store, &[before]).await, [Put::Erased]);
}

pub(super) async fn nobody_else_is_erased(store: &dyn Store) {
    let person = Person::new();
    let others =
        ["-", "0", "zz"].map(|end| Person { user: user(&format!("{}{end}", person.user)), ..person });
    let shorter = person.user.as_str().len() - 1;
    let other = Person { user: user(&person.user.as_str()[..shorter]), ..person };
    let all: Vec<&Person> = others.iter().chain([&other, &person]).collect();
    for each in &all {
        accept(store, &each.events(2)).await;
        fold(store, &each.events(2)).await;
    }
    let erased = erase(store, &person, 0).await;
    assert_eq!(erased, Erased { events: 2, profiles: 1, until: person.at(0) });
    for each in &all[..4] {
        assert_eq!(erased_until(store, each).await, None);
        assert_eq!(kept(store, &each.user).await, each.events(2));
        assert_profile(store, &each.user, &each.events(2)).await;
    }
}

pub(super) async fn putting_while_erasing_leaves_nothing(store: &dyn Store) {
    for _ in 0..10 {
        let person = Person::new();
        let events = person.events(10);
        let puts = join(put(store, &events[..5]), put(store, &events[5..]));
        join(puts, erase(store, &person, 0)).await;
        assert_eq!(kept(store, &person.user).await, []);
    }
}

pub(super) async fn a_fold_removes_events_that_a_tombstone_covers(store: &dyn Store) {
    let person = Person::new();
    erase(store, &person, -2).await;
    let events = person.events(5);
    // As if replicated from a region that did not know yet. A store may also take none of the covered ones here.
    store.load(&events).await.expect("the store loads");
    fold(store, &events).await;
    assert_eq!(kept(store, &person.user).await, events[3..]);
    assert_profile(store, &person.user, &events[3..]).await;
    fold(store, &events[..3]).await;
    let (third, at) = (event_id("e000003"), events[3].occurred_at);
    store.remove(&person.user, &third, events[2].occurred_at).await.expect("what is newer stays");
    assert_eq!(kept(store, &person.user).await, events[3..]);
    store.remove(&person.user, &third, at).await.expect("the store removes events");
    store.remove(&person.user, &event_id("never"), at).await.expect("removing what isn't there does nothing");
    assert_eq!(kept(store, &person.user).await, events[4..]);
}

/// A store in which a person is erased in the very moment before a profile is saved, once.
#[derive(Debug)]
struct Overtaken<'a> {
    store: &'a dyn Store,
    until: Time,
    done: AtomicBool,
}

#[async_trait]
impl Folding for Overtaken<'_> {
    async fn basis(&self, user: &UserId) -> Result<Basis, StoreError> {
        self.store.basis(user).await
    }

    async fn erased_until(&self, user: &UserId) -> Result<Option<Time>, StoreError> {
        self.store.erased_until(user).await
    }

    async fn save(
        &self,
        user: &UserId,
        profile: &Profile,
        revision: Option<&str>,
        changed_at: Time,
    ) -> Result<Saved, StoreError> {
        if !self.done.swap(true, Ordering::Relaxed) {
            self.store.erase(user, self.until).await?;
        }
        self.store.save(user, profile, revision, changed_at).await
    }

    async fn remove(&self, user: &UserId, event: &EventId, until: Time) -> Result<(), StoreError> {
        self.store.remove(user, event, until).await
    }
}

async fn fold_overtaken(store: &dyn Store, person: &Person, events: &[Event]) {
    let overtaken = Overtaken { store, until: person.at(0), done: AtomicBool::new(false) };
    let folded = crate::store::fold(&overtaken, &person.user, events, &[], Time::now()).await;
    folded.expect("the store folds");
    assert!(overtaken.done.load(Ordering::Relaxed), "the fold saved something");
    assert_eq!(kept(store, &person.user).await, []);
    assert_no_profile(store, &person.user).await;
    assert_eq!(store.basis(&person.user).await.expect("the store reads profiles").revision, None);
}

pub(super) async fn a_fold_that_an_erasure_overtook_writes_nothing(store: &dyn Store) {
    let person = Person::new();
    let events = person.events(4);
    accept(store, &events).await;
    fold(store, &events[..2]).await;
    let basis = store.basis(&person.user).await.expect("the store reads profiles");
    erase(store, &person, -3_000).await;
    let saved = store.save(&person.user, &Profile::of(&events), basis.revision.as_deref(), Time::now()).await;
    assert_eq!(saved.expect("the store saves profiles"), Saved::Changed);
    assert_no_profile(store, &person.user).await;

    let person = Person::new();
    let events = person.events(4);
    accept(store, &events).await;
    fold(store, &events[..2]).await;
    fold_overtaken(store, &person, &events).await;
}

pub(super) async fn a_first_fold_that_an_erasure_overtook_leaves_nothing(store: &dyn Store) {
    let person = Person::new();
    let events = person.events(4);
    accept(store, &events).await;
    fold_overtaken(store, &person, &events).await;

    // The other way round: the erasure comes after the first save.
    let person = Person::new();
    let saved = store.save(&person.user, &Profile::of(&person.events(4)), None, Time::now()).await;
    assert_eq!(saved.expect("the store saves profiles"), Saved::Kept);
    assert_eq!(erase(store, &person, 0).await, Erased { events: 0, profiles: 1, until: person.at(0) });
    assert_no_profile(store, &person.user).await;
}

pub(super) async fn removed_events_wait_for_their_tombstone(store: &dyn Store) {
    let person = Person::new();
    let events = person.events(4);
    fold(store, &events).await;
    let fold_removed =
        async |removed: &[Event]| crate::store::fold(store, &person.user, &[], removed, Time::now()).await;
    let missing = fold_removed(&events[..2]).await;
    assert!(matches!(missing, Err(FoldError::TombstoneMissing)), "{missing:?}");
    assert_profile(store, &person.user, &events).await;
    erase(store, &person, -2).await;
    let missing = fold_removed(&events).await;
    assert!(matches!(missing, Err(FoldError::TombstoneMissing)), "the last two are newer: {missing:?}");
    fold_removed(&events[..2]).await.expect("the tombstone covers these");
    assert_no_profile(store, &person.user).await;
}

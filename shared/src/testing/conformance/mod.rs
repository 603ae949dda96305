//! What every store must do: one list of cases, run on each of them.
//!
//! Each case makes its own people, so that one store serves all cases, several runs and other users beside them.

mod batches;
mod erasing;
mod folding;
mod putting;

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::time::Duration;

use futures_util::FutureExt;

use crate::api::history::{RatingValue, Time};
use crate::api::{EventId, EventType, ItemId, UserId};
use crate::store::{Event, Put, Store, StoreError, StoredProfile};

/// What a case is made of: it panics when the store does otherwise.
pub type Case = for<'a> fn(&'a dyn Store) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

macro_rules! cases {
    ($($module:ident: $($name:ident)*;)*) => {
        /// Every case with its name.
        pub const CASES: &[(&str, Case)] = &[$($(
            (stringify!($name), |store| Box::pin($module::$name(store))),
        )*)*];
    };
}

cases! {
    putting:
        events_are_kept_as_they_came
        an_event_sent_again_is_a_duplicate
        other_fields_under_one_id_are_a_conflict
        a_time_that_the_server_gave_is_no_conflict_and_the_first_is_kept
        one_id_twice_in_a_call_is_kept_once
        one_id_at_the_same_time_is_kept_once
        people_do_not_share_ids
        ids_may_be_as_long_as_the_contract_says
        events_come_in_the_order_of_their_ids_page_by_page
        loading_again_changes_nothing;
    folding:
        a_person_has_no_profile_before_the_first_fold
        folding_makes_the_profile_readable
        folding_twice_is_folding_once
        a_profile_keeps_the_newest_500_items
        dislikes_are_kept
        a_stale_revision_saves_nothing
        folds_at_the_same_time_lose_nothing
        an_empty_profile_is_removed;
    erasing:
        erasing_removes_and_says_what
        the_tombstone_is_of_the_newest_event_when_that_is_later
        only_what_was_done_later_is_taken_after_an_erasure
        erasing_again_never_goes_back
        somebody_unknown_can_be_erased
        nobody_else_is_erased
        putting_while_erasing_leaves_nothing
        a_fold_removes_events_that_a_tombstone_covers
        a_fold_that_an_erasure_overtook_writes_nothing
        a_first_fold_that_an_erasure_overtook_leaves_nothing
        removed_events_wait_for_their_tombstone;
    batches:
        the_first_claim_of_a_name_stands
        a_batch_is_made_once_and_replaced_in_turn
        changes_of_a_batch_at_the_same_time_are_all_made
        batches_come_newest_first_page_by_page
        everybody_with_a_profile_is_in_one_segment;
}

/// Runs every case on a store.
///
/// # Panics
/// When the store fails a case; the message names all that it failed, and each said before what went wrong.
pub async fn all(store: &dyn Store) {
    let mut failed = Vec::new();
    for (name, case) in CASES {
        if AssertUnwindSafe(case(store)).catch_unwind().await.is_err() {
            failed.push(*name);
        }
    }
    assert!(failed.is_empty(), "{} of {} cases failed: {}", failed.len(), CASES.len(), failed.join(", "));
}

/// A person that nobody has heard of, and what they do.
struct Person {
    user: UserId,
    /// The moment that the case begins; times are given relative to it.
    now: Time,
}

impl Person {
    fn new() -> Self {
        let mut bytes = [0_u8; 12];
        getrandom::fill(&mut bytes).expect("the machine has randomness");
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { user: user(&format!("conformance-{hex}")), now: Time::now() }
    }

    /// The moment so many milliseconds from the case's begin.
    fn at(&self, ms: i64) -> Time {
        Time::from_millis(self.now.millis() + ms).expect("the clock is far from the ends")
    }

    /// An event of the time `ms`, given by the caller.
    fn event(&self, id: &str, item: &str, kind: EventType, ms: i64) -> Event {
        Event {
            user_id: self.user.clone(),
            event_id: event_id(id),
            item_id: ItemId::try_from(item.to_owned()).expect("cases use valid ids"),
            kind,
            value: (kind == EventType::Rating).then(|| rating(4.5)),
            occurred_at: self.at(ms),
            received_at: self.at(ms.max(0)),
            time_given: true,
        }
    }

    /// So many events about as many items, a millisecond apart, the last at the case's begin; ids in the order of time.
    fn events(&self, count: usize) -> Vec<Event> {
        let event = |i: usize| {
            let ms = i as i64 + 1 - count as i64;
            self.event(&format!("e{i:06}"), &format!("i{i:06}"), EventType::Play, ms)
        };
        (0..count).map(event).collect()
    }
}

fn user(id: &str) -> UserId {
    UserId::try_from(id.to_owned()).expect("cases use valid ids")
}

fn event_id(id: &str) -> EventId {
    EventId::try_from(id.to_owned()).expect("cases use valid ids")
}

fn rating(value: f64) -> RatingValue {
    serde_json::from_value(value.into()).expect("cases use valid ratings")
}

/// Puts events, as many a call as the contract allows.
async fn put(store: &dyn Store, events: &[Event]) -> Vec<Put> {
    let mut outcomes = Vec::new();
    for call in events.chunks(crate::api::events::EVENTS_LIMIT) {
        let puts: Result<Vec<Put>, StoreError> = store.put(call).await.into_iter().collect();
        outcomes.extend(puts.expect("the store takes events"));
    }
    assert_eq!(outcomes.len(), events.len(), "every event has its outcome");
    outcomes
}

/// Puts events that must all be new.
async fn accept(store: &dyn Store, events: &[Event]) {
    assert_eq!(put(store, events).await, vec![Put::Accepted; events.len()]);
}

/// Folds events into the profile.
async fn fold(store: &dyn Store, events: &[Event]) {
    let first = events.first().expect("cases fold something");
    crate::store::fold(store, &first.user_id, events, &[], Time::now()).await.expect("the store folds");
}

/// All events of a person that are kept.
async fn kept(store: &dyn Store, user: &UserId) -> Vec<Event> {
    let page = store.events(user, None, 10_000).await.expect("the store reads events");
    assert!(!page.more);
    page.events
}

/// How often a read that may be a moment old is done again.
const READS: u32 = 100;
/// And how long to wait between two.
const BETWEEN_READS: Duration = Duration::from_millis(10);

/// The profile, as soon as it is so; what was read last, when it never is.
async fn profile_when(
    store: &dyn Store,
    user: &UserId,
    so: impl Fn(&Option<StoredProfile>) -> bool,
) -> Option<StoredProfile> {
    let mut read = None;
    for turn in 0..READS {
        if turn > 0 {
            tokio::time::sleep(BETWEEN_READS).await;
        }
        read = store.profile(user).await.expect("the store reads profiles");
        if so(&read) {
            break;
        }
    }
    read
}

/// Holds when the profile comes to consist of these events' items, in this order.
async fn assert_profile(store: &dyn Store, user: &UserId, events: &[Event]) {
    let wanted: Vec<_> = events.iter().map(|event| (&event.item_id, &event.event_id)).collect();
    let same = |read: &Option<StoredProfile>| {
        let entries = read.as_ref().map_or(&[][..], |stored| stored.profile.entries());
        entries.iter().map(|entry| (&entry.item_id, &entry.event_id)).eq(wanted.iter().copied())
    };
    let read = profile_when(store, user, same).await;
    assert!(same(&read), "the profile is {read:?}");
}

/// Holds when the person comes to have no profile.
async fn assert_no_profile(store: &dyn Store, user: &UserId) {
    let read = profile_when(store, user, Option::is_none).await;
    assert_eq!(read, None);
}

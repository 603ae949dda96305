//! People and what they do.

use shared::api::history::Time;
use shared::api::{EventId, EventType, ItemId, UserId};
use shared::store::{Event, Folding, People, Profile, Put, StoreError};

pub(crate) fn user(id: &str) -> UserId {
    UserId::try_from(id.to_owned()).unwrap()
}

pub(crate) fn event_id(id: &str) -> EventId {
    EventId::try_from(id.to_owned()).unwrap()
}

/// So many seconds after the first of January 2026.
pub(crate) fn at(seconds: i64) -> Time {
    Time::from_millis(1_767_225_600_000 + seconds * 1_000).unwrap()
}

/// A play of `alien` by ada at this time.
pub(crate) fn event(id: &str, occurred_at: Time) -> Event {
    Event {
        user_id: user("ada"),
        event_id: event_id(id),
        item_id: ItemId::try_from("alien".to_owned()).unwrap(),
        kind: EventType::Play,
        value: None,
        occurred_at,
        received_at: occurred_at,
        time_given: true,
    }
}

/// What became of each, none of which failed.
pub(crate) fn puts(outcomes: Vec<Result<Put, StoreError>>) -> Vec<Put> {
    outcomes.into_iter().map(Result::unwrap).collect()
}

/// The events of ada that are kept.
pub(crate) async fn kept(store: &dyn People) -> Vec<Event> {
    let page = store.events(&user("ada"), None, 10_000).await.unwrap();
    assert!(!page.more);
    page.events
}

pub(crate) async fn save(store: &dyn Folding, profile: &Profile) {
    store.save(&user("ada"), profile, None, at(0)).await.unwrap();
}

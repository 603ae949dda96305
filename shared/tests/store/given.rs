//! People and events of the tests.

use shared::api::history::Time;
use shared::api::{EventId, EventType, ItemId, UserId};
use shared::store::Event;

pub(crate) fn user(id: &str) -> UserId {
    UserId::try_from(id.to_owned()).unwrap()
}

pub(crate) fn event(user_id: &str, id: &str) -> Event {
    let time = Time::from_millis(1_750_000_000_000).unwrap();
    Event {
        user_id: user(user_id),
        event_id: EventId::try_from(id.to_owned()).unwrap(),
        item_id: ItemId::try_from(format!("item-of-{id}")).unwrap(),
        kind: EventType::Like,
        value: None,
        occurred_at: time,
        received_at: time,
        time_given: true,
    }
}

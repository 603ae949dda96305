//! The stores from outside.

mod feed;
mod killed;

use shared::api::history::Time;
use shared::api::{EventId, EventType, ItemId, UserId};
use shared::store::Event;
use shared::store::embedded::Embedded;
use shared::testing::conformance;

#[tokio::test]
async fn the_embedded_store_does_what_every_store_must() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(&folder.path().join("state.redb")).unwrap();
    conformance::all(&store).await;
}

fn user(id: &str) -> UserId {
    UserId::try_from(id.to_owned()).unwrap()
}

fn event(user_id: &str, id: &str) -> Event {
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

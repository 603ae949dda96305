//! Training interactions as events, so that whoever is in the data is known to the store.

use sha2::{Digest, Sha256};
use shared::api::history::{RatingValue, Time};
use shared::api::{EventType, ItemId};
use shared::model::manifest;
use shared::store::Event;
use training::data::{self, Dataset, NO_KIND};

/// What became of a data set's interactions.
pub(crate) struct Interactions {
    /// As events.
    pub(crate) events: Vec<Event>,
    /// Those of users or items whose ids are none here.
    pub(crate) skipped: usize,
}

/// The interactions as events. An event's id follows from what it says: loading the same data again, or more of them,
/// keeps nothing twice.
pub(crate) fn of(data: &Dataset) -> Interactions {
    let now = Time::now();
    let events: Vec<_> = data.events.iter().filter_map(|interaction| event(data, interaction, now)).collect();
    let skipped = data.events.len() - events.len();
    Interactions { events, skipped }
}

fn event(data: &Dataset, interaction: &data::Event, now: Time) -> Option<Event> {
    let user_id = data.users[interaction.user as usize].clone().try_into().ok()?;
    let item_id = ItemId::try_from(data.items[interaction.item as usize].id.clone()).ok()?;
    let (kind, value) = said(data, interaction);
    let occurred_at = time(data.timed, interaction.time).min(now);
    let said = format!("{item_id}\n{}\n{:?}\n{occurred_at}", kind.name(), value.map(RatingValue::get));
    let digest = manifest::hex(&Sha256::digest(said));
    let event_id = format!("load-{}", &digest[..24]).try_into().ok()?;
    Some(Event {
        user_id,
        event_id,
        item_id,
        kind,
        value,
        occurred_at,
        received_at: occurred_at,
        time_given: true,
    })
}

/// A named type is taken by its name; what has none and a value from 0.5 to 5 is a rating, anything else a like.
fn said(data: &Dataset, interaction: &data::Event) -> (EventType, Option<RatingValue>) {
    let value = RatingValue::new(f64::from(interaction.value));
    if interaction.kind == NO_KIND {
        return value.map_or((EventType::Like, None), |value| (EventType::Rating, Some(value)));
    }
    let name = data.event_types[usize::from(interaction.kind)].to_lowercase();
    let kind = EventType::ALL.into_iter().find(|kind| kind.name() == name).unwrap_or(EventType::Like);
    if kind == EventType::Rating && value.is_none() { (EventType::Like, None) } else { (kind, value) }
}

/// Data without times keep their order, in milliseconds from the earliest time there is.
fn time(timed: bool, time: i64) -> Time {
    let given = timed.then(|| Time::from_millis(time)).flatten();
    given
        .or_else(|| Time::from_millis(Time::EARLIEST.millis() + time.clamp(0, i64::from(u32::MAX))))
        .unwrap_or(Time::EARLIEST)
}

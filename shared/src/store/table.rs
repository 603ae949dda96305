//! The shape of items in the single table, and of the stream's records about them: keys and attributes, written down in
//! `docs/state.md`. No SDK: the local change feed speaks the same.

use aws_lambda_events::dynamodb::{EventRecord, StreamRecord};
use serde::{Deserialize, Serialize};
use serde_dynamo::Item;

use super::{Event, LinkNote, Profile, Pseudonym, StoreError};
use crate::api::history::Time;
use crate::api::{BatchId, EventId, UserId};

/// Name of the partition key's attribute.
pub const PARTITION_KEY: &str = "pk";
/// Name of the sort key's attribute.
pub const SORT_KEY: &str = "sk";
/// Name of the attribute whose time ends an item, in seconds since the epoch.
pub const EXPIRES_AT: &str = "expires_at";
/// What the sort keys of events begin with.
pub const EVENT: &str = "EVENT#";
/// What the sort keys of profiles begin with.
pub const PROFILE: &str = "PROFILE#";
/// The sort key of a tombstone.
pub const TOMBSTONE: &str = "TOMBSTONE";

/// The partition key of batches.
pub const BATCHES: &str = "BATCHES";
/// What the sort keys of batches begin with.
pub const BATCH: &str = "BATCH#";
/// The sort key of a claim.
pub const CLAIM: &str = "CLAIM";

/// What the partition keys of people begin with.
const USER: &str = "USER#";

/// Partition key of a person's events and profiles.
#[must_use]
pub fn user_partition(user: &UserId) -> String {
    format!("{USER}{user}")
}

/// The person of a partition.
#[must_use]
pub fn user_of(partition: &str) -> Option<UserId> {
    UserId::try_from(partition.strip_prefix(USER)?.to_owned()).ok()
}

/// Partition key of what was made of one request or object, by the digest of what names that.
#[must_use]
pub fn claim_partition(digest: &str) -> String {
    format!("CLAIM#{digest}")
}

/// Sort key of a batch.
#[must_use]
pub fn batch_sort(batch: &BatchId) -> String {
    format!("{BATCH}{batch}")
}

/// Partition key of a person's tombstone.
#[must_use]
pub fn tombstone_partition(pseudonym: &Pseudonym) -> String {
    format!("ERASED#{pseudonym}")
}

/// Partition key of a region's notes of its links; the sort key is the accelerator's name.
#[must_use]
pub fn link_partition(region: &str) -> String {
    format!("LINK#{region}")
}

/// Sort key of an event.
#[must_use]
pub fn event_sort(event: &EventId) -> String {
    format!("{EVENT}{event}")
}

/// Sort key of a region's profile.
#[must_use]
pub fn profile_sort(region: &str) -> String {
    format!("{PROFILE}{region}")
}

/// An event in the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EventItem {
    pk: String,
    sk: String,
    #[serde(flatten)]
    event: Event,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
}

impl EventItem {
    /// The item of an event, which expires so many days after it came; never, without a number.
    #[must_use]
    pub fn new(event: &Event, retention_days: Option<u32>) -> Self {
        let expires = |days: u32| event.received_at.millis() / 1_000 + i64::from(days) * 86_400;
        Self {
            pk: user_partition(&event.user_id),
            sk: event_sort(&event.event_id),
            event: event.clone(),
            expires_at: retention_days.map(expires),
        }
    }

    /// Whether its time has come.
    #[must_use]
    pub fn expired(&self, now: Time) -> bool {
        self.expires_at.is_some_and(|end| end <= now.millis() / 1_000)
    }

    /// The event.
    #[must_use]
    pub fn into_event(self) -> Event {
        self.event
    }

    /// The item as the table has it.
    ///
    /// # Errors
    /// When it can't be written as one.
    pub fn to_item(&self) -> Result<Item, StoreError> {
        serde_dynamo::to_item(self).map_err(StoreError::new)
    }

    /// Reads an item of the table.
    ///
    /// # Errors
    /// When it is no event.
    pub fn from_item(item: Item) -> Result<Self, StoreError> {
        // The message names attributes and their types, and no value.
        serde_dynamo::from_item(item)
            .map_err(|error| StoreError::new(format!("an item is no event: {error}")))
    }
}

/// A region's profile in the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProfileItem {
    /// Partition key.
    pub pk: String,
    /// Sort key.
    pub sk: String,
    /// Names this very state of it: random, so that a profile made anew after an erasure is never taken for the old one.
    pub revision: String,
    /// When it was written.
    pub changed_at: Time,
    /// The profile as JSON text: one attribute is read faster than a thousand.
    profile: String,
}

impl ProfileItem {
    /// The item of a profile.
    ///
    /// # Errors
    /// When it can't be written as one.
    pub fn new(
        user: &UserId,
        region: &str,
        profile: &Profile,
        revision: String,
        changed_at: Time,
    ) -> Result<Self, StoreError> {
        let profile = serde_json::to_string(profile).map_err(StoreError::new)?;
        Ok(Self { pk: user_partition(user), sk: profile_sort(region), revision, changed_at, profile })
    }

    /// The profile.
    ///
    /// # Errors
    /// When it is none.
    pub fn profile(&self) -> Result<Profile, StoreError> {
        let fault = |error: serde_json::Error| {
            StoreError::new(format!(
                "an item is no profile: {:?} in column {}",
                error.classify(),
                error.column()
            ))
        };
        serde_json::from_str(&self.profile).map_err(fault)
    }
}

/// A tombstone in the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TombstoneItem {
    /// Partition key.
    pub pk: String,
    /// Sort key.
    pub sk: String,
    /// Events at or before this time are taken no more.
    pub erased_until: Time,
}

impl TombstoneItem {
    /// The tombstone of a person.
    #[must_use]
    pub fn new(pseudonym: &Pseudonym, erased_until: Time) -> Self {
        Self { pk: tombstone_partition(pseudonym), sk: TOMBSTONE.into(), erased_until }
    }
}

/// A note of a link in the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LinkItem {
    pk: String,
    sk: String,
    #[serde(flatten)]
    note: LinkNote,
    expires_at: i64,
}

impl LinkItem {
    /// The item of a note in a region. It expires a day later: an accelerator that nobody asks any more leaves nothing.
    #[must_use]
    pub fn new(region: &str, note: &LinkNote) -> Self {
        Self {
            pk: link_partition(region),
            sk: note.accelerator.clone(),
            note: note.clone(),
            expires_at: note.checked_at.millis() / 1_000 + 86_400,
        }
    }

    /// The note.
    #[must_use]
    pub fn into_note(self) -> LinkNote {
        self.note
    }
}

/// What happened to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was put.
    Inserted,
    /// It was taken away.
    Removed,
}

/// The stream's record of a change to an event.
///
/// # Errors
/// When the event can't be written as an item.
pub fn record(sequence_number: u64, change: Change, item: &EventItem) -> Result<EventRecord, StoreError> {
    let image = item.to_item()?;
    let mut stream = StreamRecord::default();
    let key = |name: &str| image.get(name).map(|value| (name.to_owned(), value.clone()));
    stream.keys = [PARTITION_KEY, SORT_KEY]
        .into_iter()
        .filter_map(key)
        .collect::<std::collections::HashMap<_, _>>()
        .into();
    stream.sequence_number = Some(format!("{sequence_number:021}"));
    match change {
        Change::Inserted => stream.new_image = image,
        Change::Removed => stream.old_image = image,
    }
    let mut record = EventRecord::default();
    record.event_id = format!("{sequence_number:032x}");
    record.event_name = match change {
        Change::Inserted => "INSERT",
        Change::Removed => "REMOVE",
    }
    .into();
    record.event_source = Some("aws:dynamodb".into());
    record.change = stream;
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        let json = r#"{"user_id": "ada", "event_id": "e1", "item_id": "alien", "type": "rating", "value": 4.3,
            "occurred_at": "2024-05-06T07:08:09.123Z", "received_at": 1715000000000, "time_given": true}"#;
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn an_event_comes_back_from_its_item_as_it_was() {
        let item = EventItem::new(&event(), Some(30));
        let read = EventItem::from_item(item.to_item().unwrap()).unwrap();
        assert_eq!(read.expires_at, Some(1_715_000_000 + 30 * 86_400));
        assert_eq!(read.into_event(), event());
    }

    #[test]
    fn a_record_survives_the_wire_and_names_the_event() {
        let record = record(7, Change::Inserted, &EventItem::new(&event(), None)).unwrap();
        let wire = serde_json::to_string(&record).unwrap();
        assert!(wire.contains(r#""sk":{"S":"EVENT#e1"}"#), "{wire}");
        let read: EventRecord = serde_json::from_str(&wire).unwrap();
        assert_eq!(read.change.sequence_number.as_deref(), Some("000000000000000000007"));
        assert_eq!(EventItem::from_item(read.change.new_image).unwrap().into_event(), event());
    }

    #[test]
    fn a_profile_comes_back_from_its_item_as_it_was() {
        let (user, profile) =
            (event().user_id, Profile::of(&[event()]).forget(Time::from_millis(1_600_000_000_000)));
        let item = ProfileItem::new(&user, "local", &profile, "r1".into(), Time::now()).unwrap();
        let item: Item = serde_dynamo::to_item(item).unwrap();
        let read: ProfileItem = serde_dynamo::from_item(item).unwrap();
        assert_eq!(read.profile().unwrap(), profile);
    }

    #[test]
    fn a_note_of_a_link_comes_back_from_its_item_as_it_was() {
        let accelerator = "https://gpu.office.example:443".to_owned();
        let note =
            LinkNote { accelerator, up: true, checked_at: Time::from_millis(1_715_000_000_123).unwrap() };
        let item: Item = serde_dynamo::to_item(LinkItem::new("eu-west-1", &note)).unwrap();
        assert_eq!(item["pk"], serde_dynamo::AttributeValue::S("LINK#eu-west-1".into()));
        assert_eq!(item["expires_at"], serde_dynamo::AttributeValue::N("1715086400".into()));
        assert_eq!(serde_dynamo::from_item::<_, LinkItem>(item).unwrap().into_note(), note);
    }
}

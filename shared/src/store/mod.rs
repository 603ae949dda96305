//! People's state: the events they sent, the profiles folded from them, and who was erased.
//!
//! Two stores keep it: a DynamoDB table (feature `dynamodb`) and one file on this machine (feature `embedded`). Callers
//! see narrow traits; one conformance suite (`shared::testing::conformance`) runs on both.
//!
//! The rules that make it safe without a transaction across items:
//! - An event is put on the condition that its id is new, and only *afterwards* is the person's tombstone read: an
//!   erasure writes the tombstone first and then removes, so one of the two always sees the other.
//! - A profile is replaced on the condition that it is still the one that was folded onto, and afterwards the tombstone
//!   is read, for the same reason.

#[cfg(feature = "dynamodb")]
mod dynamodb;
#[cfg(feature = "embedded")]
pub mod embedded;
mod fold;
pub mod jobs;
mod links;
mod profile;
mod pseudonym;
pub mod table;

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::api::history::{RatingValue, Time};
use crate::api::{EventId, EventType, ItemId, UserId};

#[cfg(feature = "dynamodb")]
pub use dynamodb::DynamoDb;
pub use fold::{FoldError, fold};
pub use jobs::{Everyone, Jobs};
pub use links::{LinkNote, LinkNotes, NotingLinks};
pub use profile::{PROFILE_LIMIT, Profile, ProfileEntry, StoredProfile};
pub use pseudonym::{Pseudonym, PseudonymKey};

/// One interaction, as it is kept. It never changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Whose it is.
    pub user_id: UserId,
    /// Names it among the user's events.
    pub event_id: EventId,
    /// What it is about.
    pub item_id: ItemId,
    /// What was done.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// The rating's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<RatingValue>,
    /// When it was done; no later than `received_at`.
    pub occurred_at: Time,
    /// When it came.
    pub received_at: Time,
    /// Whether the caller said when it was done; else that is when it came.
    pub time_given: bool,
}

impl Event {
    /// Whether the caller gave the same fields: the same event sent again, and not another one under its id.
    #[must_use]
    pub fn same_as_given(&self, other: &Self) -> bool {
        let time = |event: &Self| event.time_given.then_some(event.occurred_at);
        (&self.user_id, &self.event_id, &self.item_id, self.kind, self.value, time(self))
            == (&other.user_id, &other.event_id, &other.item_id, other.kind, other.value, time(other))
    }
}

/// What became of an event that was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is kept.
    Accepted,
    /// It was kept before.
    Duplicate,
    /// Another event is kept under its id.
    Conflict,
    /// Its person was erased, and it was done before that.
    Erased,
}

/// A store can't do what it was asked for: it can't be reached, is overloaded, or holds what it should not.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{detail}")]
pub struct StoreError {
    /// What happened, for the log. Holds no id of a person.
    pub detail: String,
}

impl StoreError {
    /// An error with these words.
    pub fn new(detail: impl fmt::Display) -> Self {
        Self { detail: detail.to_string() }
    }
}

/// Reading profiles: what answering needs.
#[async_trait]
pub trait Profiles: Send + Sync + fmt::Debug {
    /// What is known of a person, the profiles of all regions joined; `None` when there is none. May be a moment old.
    async fn profile(&self, user: &UserId) -> Result<Option<StoredProfile>, StoreError>;
}

/// Taking events.
#[async_trait]
pub trait Events: Send + Sync + fmt::Debug {
    /// Keeps events; what became of each, in their order. [`Put::Accepted`] is said only of what survives a crash at
    /// any later instant.
    async fn put(&self, events: &[Event]) -> Vec<Result<Put, StoreError>>;

    /// Opens the connection that the next call will use, so that no caller waits for it.
    async fn warm_up(&self) {}
}

/// A page of a person's events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventPage {
    /// In the order of their ids.
    pub events: Vec<Event>,
    /// Whether there are more after the last of these.
    pub more: bool,
}

/// What was removed by an erasure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erased {
    /// Events.
    pub events: u64,
    /// Profiles, one for each region that had one.
    pub profiles: u64,
    /// Events at or before this time are taken no more.
    pub until: Time,
}

/// What a person may see and have removed.
#[async_trait]
pub trait People: Profiles {
    /// At most `limit` of a person's events, in the order of their ids, those after `after`. Sees everything that was
    /// acknowledged.
    async fn events(
        &self,
        user: &UserId,
        after: Option<&EventId>,
        limit: usize,
    ) -> Result<EventPage, StoreError>;

    /// Writes the tombstone, of the time `now` or of the newest event held, whichever is later; then removes events and
    /// profiles. When it fails half-way, calling again finishes it.
    async fn erase(&self, user: &UserId, now: Time) -> Result<Erased, StoreError>;
}

/// A person's profile in this region, as a fold finds it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Basis {
    /// The profile; empty when there is none.
    pub profile: Profile,
    /// Names this very state of it; `None` when there is none.
    pub revision: Option<String>,
    /// Until when the person was erased, if they were.
    pub erased_until: Option<Time>,
}

/// Whether a profile was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// It is kept.
    Kept,
    /// Somebody else changed it since it was read: nothing was written.
    Changed,
}

/// Folding events into profiles: what `update-profiles` needs. Every read sees everything that was written before.
#[async_trait]
pub trait Folding: Send + Sync + fmt::Debug {
    /// This region's profile of a person, and their tombstone.
    async fn basis(&self, user: &UserId) -> Result<Basis, StoreError>;

    /// Until when a person was erased, if they were.
    async fn erased_until(&self, user: &UserId) -> Result<Option<Time>, StoreError>;

    /// Replaces this region's profile, if it is still the one of `revision`; an empty one is removed.
    async fn save(
        &self,
        user: &UserId,
        profile: &Profile,
        revision: Option<&str>,
        changed_at: Time,
    ) -> Result<Saved, StoreError>;

    /// Removes an event that is there in spite of its person's erasure, where it still is and was done at or before
    /// `until`: by now another one may be kept under its id.
    async fn remove(&self, user: &UserId, event: &EventId, until: Time) -> Result<(), StoreError>;
}

/// Bringing in interactions that were recorded elsewhere.
#[async_trait]
pub trait Loading: Send + Sync + fmt::Debug {
    /// Keeps these events whatever is there under their ids; the caller makes them so that loading again makes the same.
    async fn load(&self, events: &[Event]) -> Result<(), StoreError>;
}

/// Everything that a store does.
pub trait Store: Events + People + Folding + Loading + Jobs + Everyone {}

impl<T: Events + People + Folding + Loading + Jobs + Everyone> Store for T {}

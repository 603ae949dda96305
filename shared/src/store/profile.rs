//! What is known of a person: a fold of their events.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Event;
use crate::api::history::{HISTORY_LIMIT, RatingValue, Time};
use crate::api::{EventId, EventType, HistoryEntry, ItemId};

/// Distinct items that a profile keeps: the newest, as many as a history may hold.
pub const PROFILE_LIMIT: usize = HISTORY_LIMIT;

/// Per item the latest event, of these the newest [`PROFILE_LIMIT`], and none at or before an erasure.
///
/// Folding is joining with the profile of one event. [`join`](Self::join) is commutative, associative and idempotent
/// (profiles are a join-semilattice, as in Shapiro et al., *Conflict-free replicated data types*, 2011, §2.2), because
/// all of its parts choose greatest elements of one total order, [`ProfileEntry`]'s: the latest per item; the newest
/// 500, where what is dropped is older than 500 others and stays so; the later of two erasures. So events may come in
/// any order, any number of times, in any split.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// Oldest first; items are distinct.
    entries: Vec<ProfileEntry>,
    erased_until: Option<Time>,
}

/// A profile as a store has it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredProfile {
    /// What it says.
    pub profile: Profile,
    /// When it was last written.
    pub changed_at: Time,
}

impl StoredProfile {
    /// The profiles of several regions as one; `None` of none.
    #[must_use]
    pub fn joined(regions: impl IntoIterator<Item = Self>) -> Option<Self> {
        regions.into_iter().reduce(|one, other| Self {
            profile: one.profile.join(other.profile),
            changed_at: one.changed_at.max(other.changed_at),
        })
    }
}

/// The latest that a person did with an item. The order is that of time; equal times are ordered by event id, and the
/// other fields follow for the case that two regions took different events under one id.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub struct ProfileEntry {
    /// When it was done.
    pub occurred_at: Time,
    /// Which event said so.
    pub event_id: EventId,
    /// With what.
    pub item_id: ItemId,
    /// What was done.
    pub kind: EventType,
    /// The rating's value.
    pub value: Option<RatingValue>,
}

impl ProfileEntry {
    fn newer_than(&self, other: &Self) -> bool {
        self > other
    }
}

impl From<&Event> for ProfileEntry {
    fn from(event: &Event) -> Self {
        Self {
            occurred_at: event.occurred_at,
            event_id: event.event_id.clone(),
            item_id: event.item_id.clone(),
            kind: event.kind,
            value: event.value,
        }
    }
}

impl From<&ProfileEntry> for HistoryEntry {
    fn from(entry: &ProfileEntry) -> Self {
        Self {
            item_id: entry.item_id.clone(),
            kind: entry.kind,
            value: entry.value,
            occurred_at: Some(entry.occurred_at),
        }
    }
}

impl Profile {
    /// The profile of these events.
    #[must_use]
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        Self::made(events.into_iter().map(ProfileEntry::from), None)
    }

    /// What was done, oldest first, items distinct.
    #[must_use]
    pub fn entries(&self) -> &[ProfileEntry] {
        &self.entries
    }

    /// Whether it says nothing of the person.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The same as a history, newest last.
    #[must_use]
    pub fn history(&self) -> Vec<HistoryEntry> {
        self.entries.iter().map(HistoryEntry::from).collect()
    }

    /// What both know together.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        let erased_until = self.erased_until.max(other.erased_until);
        Self::made(self.entries.into_iter().chain(other.entries), erased_until)
    }

    /// Without what was done until then, now and in every later fold.
    #[must_use]
    pub fn forget(self, until: Option<Time>) -> Self {
        let erased_until = self.erased_until.max(until);
        Self::made(self.entries, erased_until)
    }

    fn made(entries: impl IntoIterator<Item = ProfileEntry>, erased_until: Option<Time>) -> Self {
        let mut latest: HashMap<ItemId, ProfileEntry> = HashMap::new();
        for entry in entries {
            if erased_until.is_some_and(|until| entry.occurred_at <= until) {
                continue;
            }
            match latest.get_mut(&entry.item_id) {
                Some(kept) if entry.newer_than(kept) => *kept = entry,
                Some(_) => {}
                None => drop(latest.insert(entry.item_id.clone(), entry)),
            }
        }
        let mut entries: Vec<_> = latest.into_values().collect();
        // Ratings are finite, so the order is total; the event id tells apart all that one store ever held.
        entries.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        entries.drain(..entries.len().saturating_sub(PROFILE_LIMIT));
        Self { entries, erased_until }
    }

    /// Whether it is as [`made`](Self::made) would make it.
    fn is_made(&self) -> bool {
        let mut items = HashSet::with_capacity(self.entries.len());
        self.entries.len() <= PROFILE_LIMIT
            && self.entries.is_sorted()
            && self.entries.iter().all(|entry| items.insert(&entry.item_id))
            && self.entries.first().is_none_or(|oldest| Some(oldest.occurred_at) > self.erased_until)
    }
}

/// How a profile is kept: short, and read fast, since every answer to a known person reads it.
#[derive(Serialize, Deserialize)]
struct Kept<Item, Event> {
    #[serde(default, rename = "e", skip_serializing_if = "Option::is_none")]
    erased_until: Option<Millis>,
    /// Item, type, value, time, event; oldest first.
    #[serde(rename = "i")]
    entries: Vec<(Item, EventType, Option<RatingValue>, Millis, Event)>,
}

/// A time that is written as epoch milliseconds.
#[derive(Deserialize)]
#[serde(transparent)]
struct Millis(Time);

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0.millis())
    }
}

impl Serialize for Profile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entries = self.entries.iter().map(|entry| {
            let ProfileEntry { occurred_at, event_id, item_id, kind, value } = entry;
            (item_id, *kind, *value, Millis(*occurred_at), event_id)
        });
        Kept { erased_until: self.erased_until.map(Millis), entries: entries.collect() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Profile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kept = Kept::<ItemId, EventId>::deserialize(deserializer)?;
        let entries =
            kept.entries.into_iter().map(|(item_id, kind, value, Millis(occurred_at), event_id)| {
                ProfileEntry { occurred_at, event_id, item_id, kind, value }
            });
        let read =
            Self { entries: entries.collect(), erased_until: kept.erased_until.map(|Millis(until)| until) };
        // Whatever was kept, what comes out is a profile.
        Ok(if read.is_made() { read } else { Self::made(read.entries, read.erased_until) })
    }
}

#[cfg(test)]
mod tests;

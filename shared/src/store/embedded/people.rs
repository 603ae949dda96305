//! What is read and written about people, each in one transaction of the file.

use std::collections::BTreeMap;
use std::ops::Bound;

use redb::{ReadTransaction, ReadableTable, Table, WriteTransaction};
use serde::de::DeserializeOwned;

use super::Fault;
use super::tables::{DEAD_LETTERS, ERASING, EVENTS, FEED, NUMBERS, Numbering, PROFILES, TOMBSTONES};
use crate::api::history::Time;
use crate::api::{EventId, UserId};
use crate::store::{Basis, Erased, Event, EventPage, Profile, Pseudonym, Put, Saved, StoredProfile};

/// The key of pseudonyms.
pub(super) struct PersonKey([u8; 32]);

impl PersonKey {
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    fn pseudonym(&self, user: &UserId) -> Pseudonym {
        Pseudonym::of(user, &self.0)
    }
}

/// Takes events: what became of each.
pub(super) fn put(file: &WriteTransaction, key: &PersonKey, events: &[Event]) -> Result<Vec<Put>, Fault> {
    let (mut kept, mut feed) = (file.open_table(EVENTS)?, file.open_table(FEED)?);
    let tombstones = file.open_table(TOMBSTONES)?;
    let mut numbering = Numbering::open(file)?;
    let mut put = |event: &Event| {
        if covered(&tombstones, key, event)? {
            return Ok(Put::Erased);
        }
        let at = (event.user_id.as_str(), event.event_id.as_str());
        if let Some(before) = kept.get(at)? {
            let same = read_event(before.value())?.same_as_given(event);
            return Ok(if same { Put::Duplicate } else { Put::Conflict });
        }
        let json = to_json(event)?;
        kept.insert(at, json.as_str())?;
        feed.insert(numbering.give(), (event.user_id.as_str(), json.as_str()))?;
        Ok(Put::Accepted)
    };
    let outcomes = events.iter().map(&mut put).collect::<Result<_, Fault>>()?;
    numbering.close()?;
    Ok(outcomes)
}

/// Takes events that were recorded elsewhere, and folds them.
pub(super) fn load(
    file: &WriteTransaction,
    key: &PersonKey,
    events: &[Event],
    now: Time,
) -> Result<(), Fault> {
    let mut people: BTreeMap<&UserId, Vec<&Event>> = BTreeMap::new();
    for event in events {
        people.entry(&event.user_id).or_default().push(event);
    }
    let (mut kept, mut profiles) = (file.open_table(EVENTS)?, file.open_table(PROFILES)?);
    let tombstones = file.open_table(TOMBSTONES)?;
    let mut numbering = Numbering::open(file)?;
    for (user, mut events) in people {
        let until = erased_until(&tombstones, key, user)?;
        events.retain(|event| until.is_none_or(|until| event.occurred_at > until));
        // In the order of the table, which fills its pages; of one id the last given stays, as the sort is stable.
        events.sort_by(|a, b| a.event_id.cmp(&b.event_id));
        for event in &events {
            kept.insert((user.as_str(), event.event_id.as_str()), to_json(event)?.as_str())?;
        }
        let before = profile(&profiles, user)?.map(|(_, stored)| stored.profile).unwrap_or_default();
        let folded = before.clone().join(Profile::of(events)).forget(until);
        if folded != before && !folded.is_empty() {
            profiles.insert(user.as_str(), (numbering.give(), now.millis(), to_json(&folded)?.as_str()))?;
        }
    }
    numbering.close()
}

/// A page of a person's events.
pub(super) fn events(
    file: &ReadTransaction,
    user: &UserId,
    after: Option<&EventId>,
    limit: usize,
) -> Result<EventPage, Fault> {
    let from = (user.as_str(), after.map_or("", EventId::as_str));
    let next_user = next(user);
    let range = (Bound::Excluded(from), Bound::Excluded((next_user.as_str(), "")));
    let mut page = EventPage::default();
    for entry in file.open_table(EVENTS)?.range::<(&str, &str)>(range)? {
        if page.events.len() == limit {
            page.more = true;
            break;
        }
        page.events.push(read_event(entry?.1.value())?);
    }
    Ok(page)
}

/// A person's profile and its revision.
pub(super) fn profile(
    profiles: &impl ReadableTable<&'static str, (u64, i64, &'static str)>,
    user: &UserId,
) -> Result<Option<(u64, StoredProfile)>, Fault> {
    let Some(stored) = profiles.get(user.as_str())? else { return Ok(None) };
    let (revision, changed_at, json) = stored.value();
    let stored = StoredProfile { profile: from_json("a profile", json)?, changed_at: time(changed_at)? };
    Ok(Some((revision, stored)))
}

/// A person's profile and tombstone.
pub(super) fn basis(file: &ReadTransaction, key: &PersonKey, user: &UserId) -> Result<Basis, Fault> {
    let erased_until = erased_until(&file.open_table(TOMBSTONES)?, key, user)?;
    let Some((revision, stored)) = profile(&file.open_table(PROFILES)?, user)? else {
        return Ok(Basis { erased_until, ..Basis::default() });
    };
    Ok(Basis { profile: stored.profile, revision: Some(revision.to_string()), erased_until })
}

/// Replaces a profile, if it is still the one of `revision`, and the fold knew of every erasure: nothing of an erased
/// person ever comes into the file again.
pub(super) fn save(
    file: &WriteTransaction,
    key: &PersonKey,
    user: &UserId,
    profile: &Profile,
    revision: Option<&str>,
    changed_at: Time,
) -> Result<Saved, Fault> {
    let mut profiles = file.open_table(PROFILES)?;
    let until = erased_until(&file.open_table(TOMBSTONES)?, key, user)?;
    let now = profiles.get(user.as_str())?.map(|stored| stored.value().0.to_string());
    let overtaken =
        profile.entries().iter().any(|entry| until.is_some_and(|until| entry.occurred_at <= until));
    if now.as_deref() != revision || overtaken {
        return Ok(Saved::Changed);
    }
    if profile.is_empty() {
        profiles.remove(user.as_str())?;
    } else {
        let mut numbering = Numbering::open(file)?;
        let stored = (numbering.give(), changed_at.millis(), &*to_json(profile)?);
        profiles.insert(user.as_str(), stored)?;
        numbering.close()?;
    }
    Ok(Saved::Kept)
}

/// Writes the tombstone, takes everything of the person away, and notes that the file is to be rewritten.
pub(super) fn erase(
    file: &WriteTransaction,
    key: &PersonKey,
    user: &UserId,
    now: Time,
) -> Result<Erased, Fault> {
    let (mut tombstones, mut kept) = (file.open_table(TOMBSTONES)?, file.open_table(EVENTS)?);
    let (from, next_user) = ((user.as_str(), ""), next(user));
    let range = || from..(next_user.as_str(), "");
    let mut until = erased_until(&tombstones, key, user)?.max(Some(now)).unwrap_or(now);
    let mut events = 0;
    for entry in kept.range::<(&str, &str)>(range())? {
        until = until.max(read_event(entry?.1.value())?.occurred_at);
        events += 1;
    }
    tombstones.insert(key.pseudonym(user).as_bytes(), until.millis())?;
    kept.retain_in::<(&str, &str), _>(range(), |_, _| false)?;
    let profiles = file.open_table(PROFILES)?.remove(user.as_str())?.is_some().into();
    file.open_table(FEED)?.retain(|_, (of, _)| of != user.as_str())?;
    file.open_table(DEAD_LETTERS)?.retain(|_, (of, _, _)| of != user.as_str())?;
    file.open_table(NUMBERS)?.insert(ERASING, 1)?;
    Ok(Erased { events, profiles, until })
}

/// Until when a person was erased.
pub(super) fn erased_until(
    tombstones: &impl ReadableTable<&'static [u8; 32], i64>,
    key: &PersonKey,
    user: &UserId,
) -> Result<Option<Time>, Fault> {
    let until = tombstones.get(key.pseudonym(user).as_bytes())?;
    until.map(|until| time(until.value())).transpose()
}

fn covered(
    tombstones: &Table<'_, &'static [u8; 32], i64>,
    key: &PersonKey,
    event: &Event,
) -> Result<bool, Fault> {
    Ok(erased_until(tombstones, key, &event.user_id)?.is_some_and(|until| event.occurred_at <= until))
}

/// The text that follows a user's id in the order of texts; no id is between the two.
fn next(user: &UserId) -> String {
    format!("{user}\0")
}

fn time(millis: i64) -> Result<Time, Fault> {
    Time::from_millis(millis).ok_or(Fault::Time)
}

/// Reads an event as the file has it.
/// Removes an event that was done at or before `until`.
pub(super) fn remove(
    file: &WriteTransaction,
    user: &UserId,
    event: &EventId,
    until: Time,
) -> Result<(), Fault> {
    let mut kept = file.open_table(EVENTS)?;
    let key = (user.as_str(), event.as_str());
    let held = kept.get(key)?.map(|json| read_event(json.value())).transpose()?;
    if held.is_some_and(|held| held.occurred_at <= until) {
        kept.remove(key)?;
    }
    Ok(())
}

pub(super) fn read_event(json: &str) -> Result<Event, Fault> {
    from_json("an event", json)
}

pub(super) fn from_json<T: DeserializeOwned>(what: &'static str, json: &str) -> Result<T, Fault> {
    let fault =
        |error: serde_json::Error| Fault::Json { what, category: error.classify(), column: error.column() };
    serde_json::from_str(json).map_err(fault)
}

pub(super) fn to_json(value: &impl serde::Serialize) -> Result<String, Fault> {
    let fault = |error: serde_json::Error| Fault::Json {
        what: "JSON",
        category: error.classify(),
        column: error.column(),
    };
    serde_json::to_string(value).map_err(fault)
}

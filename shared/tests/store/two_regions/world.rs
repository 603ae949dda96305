//! Two tables that replicate to each other as a global table of DynamoDB does (last writer wins, item by item, each
//! item in its own time), and the clients that work on them, step by step, as the DynamoDB store does.

use std::collections::BTreeMap;

use shared::api::history::Time;
use shared::api::{EventId, UserId};
use shared::store::{Event, Profile};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Event(UserId, EventId),
    /// Of a person, by a region.
    Profile(UserId, usize),
    Tombstone(UserId, usize),
}

impl Key {
    fn of(event: &Event) -> Self {
        Self::Event(event.user_id.clone(), event.event_id.clone())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Event(Event),
    /// With its revision.
    Profile(Profile, String),
    Tombstone(Time),
}

/// What a table holds under a key, deletions too, and when and where that was written.
#[derive(Clone, Debug, PartialEq)]
struct Item {
    value: Option<Value>,
    written: (u64, usize),
}

/// A record of a stream: an event was put, or taken away.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) event: Event,
    pub(crate) put: bool,
}

#[derive(Debug, Default)]
struct Table {
    items: BTreeMap<Key, Item>,
    /// Changes from the other region that are on their way.
    arriving: Vec<(Key, Item)>,
    stream: Vec<Record>,
}

/// Something that goes on in several steps, between which anything else may happen.
#[derive(Clone, Debug)]
pub(crate) enum Client {
    /// Puts an event; then, reads the tombstone.
    Put { region: usize, event: Event, there: bool },
    /// Finds the newest event, and decides on the time of the tombstone.
    Erase { region: usize, user: UserId },
    /// Writes the tombstone.
    Bury { region: usize, user: UserId, until: Time },
    /// Removes what was found, one by one; then looks again, until nothing is found.
    Look { region: usize, user: UserId, until: Time, found: Vec<Key>, first: bool },
    /// Folds what is newer than the tombstone. Done by the caller.
    FoldAgain { region: usize, user: UserId },
}

#[derive(Debug)]
pub(crate) struct World {
    tables: [Table; 2],
    pub(crate) clients: Vec<Client>,
    /// Every event that ever was in a table.
    pub(crate) put: Vec<Event>,
    /// Whether both regions write one profile item.
    pub(crate) one_profile: bool,
    /// Whether each region writes a tombstone of its own, and the latest holds. Else there is one item for both, which
    /// is right only as long as the later one to be written is of the later time.
    pub(crate) own_tombstones: bool,
    /// In a hundred steps, so many fail or are cut off.
    pub(crate) faults: u64,
    clock: u64,
    random: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let (tables, clients, put) = Default::default();
        Self {
            tables,
            clients,
            put,
            one_profile: false,
            own_tombstones: false,
            faults: 0,
            clock: 0,
            random: seed,
        }
    }

    /// A number below `end`: SplitMix64.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    pub(crate) fn fails(&mut self) -> bool {
        (self.below(100) as u64) < self.faults
    }

    /// Now: the regions' clocks agree.
    pub(crate) fn now(&self) -> Time {
        Time::from_millis(1_750_000_000_000 + self.clock as i64).unwrap()
    }

    pub(crate) fn profile_key(&self, user: &UserId, region: usize) -> Key {
        Key::Profile(user.clone(), if self.one_profile { 0 } else { region })
    }

    pub(crate) fn get(&self, region: usize, key: &Key) -> Option<&Value> {
        self.tables[region].items.get(key)?.value.as_ref()
    }

    pub(crate) fn tombstone(&self, region: usize, user: &UserId) -> Option<Time> {
        let of = |writer| match self.get(region, &Key::Tombstone(user.clone(), writer)) {
            Some(Value::Tombstone(until)) => Some(*until),
            _ => None,
        };
        of(0).max(of(1))
    }

    /// Everything that a region holds of a person, without the tombstone.
    pub(crate) fn held(&self, region: usize, user: &UserId) -> Vec<(&Key, &Value)> {
        let of_user = |key: &Key| matches!(key, Key::Event(of, _) | Key::Profile(of, _) if of == user);
        let items = self.tables[region].items.iter().filter(|(key, _)| of_user(key));
        items.filter_map(|(key, item)| Some((key, item.value.as_ref()?))).collect()
    }

    pub(crate) fn events(&self, region: usize, user: &UserId) -> Vec<Event> {
        let event = |(_, value): (_, &Value)| match value {
            Value::Event(event) => Some(event.clone()),
            _ => None,
        };
        self.held(region, user).into_iter().filter_map(event).collect()
    }

    /// Writes or deletes in one region; the other learns of it some time later.
    pub(crate) fn write(&mut self, region: usize, key: Key, value: Option<Value>) {
        if value.is_none() && self.get(region, &key).is_none() {
            return;
        }
        self.clock += 1;
        let item = Item { value, written: (self.clock, region) };
        self.tables[1 - region].arriving.push((key.clone(), item.clone()));
        self.tables[region].apply(key, item);
    }

    /// Something happens that is not a fold: a change arrives in the other region, or a client takes a step.
    pub(crate) fn happen(&mut self) {
        let region = self.below(2);
        if self.below(2) == 0 && !self.tables[region].arriving.is_empty() {
            let which = self.below(self.tables[region].arriving.len());
            let (key, item) = self.tables[region].arriving.swap_remove(which);
            self.tables[region].apply(key, item);
        } else {
            self.take_a_step();
        }
    }

    /// A client takes a step.
    pub(crate) fn take_a_step(&mut self) {
        if !self.clients.is_empty() {
            let which = self.below(self.clients.len());
            let client = self.clients.swap_remove(which);
            let next = self.step(client);
            self.clients.extend(next);
        }
    }

    /// Records of a region's stream about one person, in any order; they stay until they are [`done`](Self::done).
    pub(crate) fn batch(&mut self, region: usize) -> Vec<Record> {
        let stream = std::mem::take(&mut self.tables[region].stream);
        let user = stream.get(self.below(stream.len().max(1))).map(|record| record.event.user_id.clone());
        let (mut batch, mut rest) = (Vec::new(), Vec::new());
        for record in stream {
            let taken = Some(&record.event.user_id) == user.as_ref() && self.below(3) > 0;
            let records = if taken { &mut batch } else { &mut rest };
            let at = self.below(records.len() + 1);
            records.insert(at, record);
        }
        self.tables[region].stream = rest;
        batch
    }

    /// Records come again.
    pub(crate) fn again(&mut self, region: usize, batch: Vec<Record>) {
        self.tables[region].stream.extend(batch);
    }

    /// Whether nothing is under way.
    pub(crate) fn rests(&self) -> bool {
        self.clients.is_empty()
            && self.tables.iter().all(|table| table.arriving.is_empty() && table.stream.is_empty())
    }

    fn step(&mut self, client: Client) -> Option<Client> {
        if self.fails() {
            return match client {
                // The process is gone between the two, and nobody was told anything.
                Client::Put { .. } => None,
                // Whoever asked for the erasure asks again until it is done.
                Client::Erase { region, user }
                | Client::Bury { region, user, .. }
                | Client::Look { region, user, .. }
                | Client::FoldAgain { region, user } => Some(Client::Erase { region, user }),
            };
        }
        match client {
            Client::Put { region, event, there: false } => {
                let key = Key::of(&event);
                if self.get(region, &key).is_none() {
                    self.put.push(event.clone());
                    self.write(region, key, Some(Value::Event(event.clone())));
                }
                Some(Client::Put { region, event, there: true })
            }
            Client::Put { region, event, there: true } => {
                if self.tombstone(region, &event.user_id).is_some_and(|until| event.occurred_at <= until) {
                    self.write(region, Key::of(&event), None);
                }
                None
            }
            Client::Erase { region, user } => {
                self.clock += 1;
                let newest = self.events(region, &user).iter().map(|event| event.occurred_at).max();
                let until = newest.max(Some(self.now()))?;
                let bury = Client::Bury { region, user, until };
                if self.own_tombstones { Some(bury) } else { self.step(bury) }
            }
            Client::Bury { region, user, until } => {
                let before = self.tombstone(region, &user);
                if before < Some(until) {
                    let writer = if self.own_tombstones { region } else { 0 };
                    self.write(region, Key::Tombstone(user.clone(), writer), Some(Value::Tombstone(until)));
                }
                let until = before.max(Some(until))?;
                let found = self.look(region, &user, until, true);
                Some(Client::Look { region, user, until, found, first: true })
            }
            Client::Look { region, user, until, mut found, first } => {
                if let Some(key) = found.pop() {
                    let gone = |value: &Value| !matches!(value, Value::Event(e) if e.occurred_at > until);
                    if self.get(region, &key).is_some_and(gone) {
                        self.write(region, key, None);
                    }
                    return Some(Client::Look { region, user, until, found, first });
                }
                let found = self.look(region, &user, until, false);
                let done = found.is_empty();
                let again = Client::Look { region, user: user.clone(), until, found, first: false };
                Some(if done { Client::FoldAgain { region, user } } else { again })
            }
            waits @ Client::FoldAgain { .. } => Some(waits),
        }
    }

    /// What an erasure has to remove: at first each profile, later those that say something covered.
    fn look(&self, region: usize, user: &UserId, until: Time, first: bool) -> Vec<Key> {
        let goes = |value: &Value| match value {
            Value::Event(event) => event.occurred_at <= until,
            Value::Profile(profile, _) => {
                first || profile.entries().iter().any(|entry| entry.occurred_at <= until)
            }
            Value::Tombstone(_) => false,
        };
        let held = self.held(region, user).into_iter();
        held.filter(|(_, value)| goes(value)).map(|(key, _)| key.clone()).collect()
    }
}

impl Table {
    /// Takes a change, unless a later one of the same item came before it.
    fn apply(&mut self, key: Key, item: Item) {
        let before = self.items.get(&key);
        if before.is_some_and(|before| before.written >= item.written) {
            return;
        }
        let was = before.and_then(|before| before.value.clone());
        match (was, &item.value) {
            (_, Some(Value::Event(event))) => self.stream.push(Record { event: event.clone(), put: true }),
            (Some(Value::Event(event)), None) => self.stream.push(Record { event, put: false }),
            _ => {}
        }
        self.items.insert(key, item);
    }
}

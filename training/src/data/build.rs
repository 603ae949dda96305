//! Puts a [`Dataset`] together, row by row.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::parse::Fault;
use super::{Dataset, Event, ItemMeta, NO_KIND};

/// Gives each id its index, without holding the ids: they stay where they are needed anyway.
#[derive(Debug, Default)]
struct Index {
    table: HashTable<Entry>,
    hasher: DefaultHashBuilder,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    key: u64,
    index: u32,
}

/// Marks the key of an id that does not fit into its key. An ASCII byte leaves this bit clear.
const LONG: u64 = 1 << 63;

impl Index {
    /// An ASCII id of up to eight bytes is its own key, which spares the look at the id itself: most ids in data sets
    /// are such numbers, and that look was two thirds of the time to read ten million ratings. Of a longer id it is a hash.
    fn key(&self, id: &str) -> u64 {
        let mut bytes = [0; 8];
        match bytes.get_mut(..id.len()) {
            Some(start) if id.is_ascii() && !id.ends_with('\0') => {
                start.copy_from_slice(id.as_bytes());
                u64::from_le_bytes(bytes)
            }
            _ => self.hasher.hash_one(id) | LONG,
        }
    }

    /// The index of `id` in `known`, appended with `make` if it is new; None if `known` is full.
    fn of<T>(
        &mut self,
        id: &str,
        known: &mut Vec<T>,
        limit: u32,
        id_of: impl Fn(&T) -> &str,
        make: impl FnOnce() -> T,
    ) -> Option<u32> {
        let key = self.key(id);
        let is_it = |entry: &Entry| {
            entry.key == key && (key & LONG == 0 || id_of(&known[entry.index as usize]) == id)
        };
        let hash = self.hasher.hash_one(key);
        if let Some(entry) = self.table.find(hash, is_it) {
            return Some(entry.index);
        }
        let index = u32::try_from(known.len()).ok().filter(|&index| index < limit)?;
        known.push(make());
        self.table.insert_unique(hash, Entry { key, index }, |entry| self.hasher.hash_one(entry.key));
        Some(index)
    }
}

/// The [`Dataset`] so far, and the indices by which it grows.
#[derive(Debug)]
pub(super) struct Builder {
    /// Whether bad rows are counted instead of ending the reading.
    pub(super) skip: bool,
    data: Dataset,
    users: Index,
    items: Index,
    genres: Index,
    event_types: Index,
}

/// One row of interactions, ids checked.
pub(super) struct NewEvent<'a> {
    pub(super) user: &'a str,
    pub(super) item: &'a str,
    pub(super) value: f32,
    pub(super) kind: u16,
    /// None where the source has no times.
    pub(super) time: Option<i64>,
}

impl Builder {
    pub(super) fn new(skip: bool) -> Self {
        let (users, items) = (Index::default(), Index::default());
        let (genres, event_types) = (Index::default(), Index::default());
        Self { skip, data: Dataset::default(), users, items, genres, event_types }
    }

    pub(super) fn finish(mut self, source: String) -> Dataset {
        self.data.source = source;
        self.data.events.shrink_to_fit();
        self.data
    }

    /// Says that the source has times.
    pub(super) fn set_timed(&mut self, timed: bool) {
        self.data.timed = timed;
    }

    pub(super) fn add_skipped(&mut self, rows: u64) {
        self.data.skipped += rows;
    }

    /// A user's index. Rows mostly come user by user, so the one before is tried first.
    pub(super) fn user(&mut self, id: &str) -> Result<u32, Fault> {
        if let Some(event) = self.data.events.last()
            && self.data.users[event.user as usize] == id
        {
            return Ok(event.user);
        }
        let index = self.users.of(id, &mut self.data.users, u32::MAX, String::as_str, || id.to_owned());
        index.ok_or(Fault::TooMany { what: "users", limit: u32::MAX.into() })
    }

    fn item(&mut self, id: &str) -> Result<u32, Fault> {
        let make = || ItemMeta { id: id.to_owned(), ..ItemMeta::default() };
        let index = self.items.of(id, &mut self.data.items, u32::MAX, |item| &item.id, make);
        index.ok_or(Fault::TooMany { what: "items", limit: u32::MAX.into() })
    }

    /// Adds one interaction.
    pub(super) fn event(&mut self, new: &NewEvent<'_>) -> Result<(), Fault> {
        let place = self.data.events.len();
        if place >= u32::MAX as usize {
            return Err(Fault::TooMany { what: "events", limit: u32::MAX.into() });
        }
        let (user, item) = (self.user(new.user)?, self.item(new.item)?);
        let time = new.time.unwrap_or(place as i64);
        self.data.events.push(Event { user, item, value: new.value, kind: new.kind, time });
        Ok(())
    }

    /// Adds what an items file says of an item. Said again, what is new and not empty replaces what was.
    pub(super) fn describe(
        &mut self,
        id: &str,
        title: String,
        year: u16,
        genres: Vec<u16>,
    ) -> Result<(), Fault> {
        let index = self.item(id)?;
        let item = &mut self.data.items[index as usize];
        if !title.is_empty() {
            item.title = title;
        }
        if year != 0 {
            item.year = year;
        }
        if !genres.is_empty() {
            item.genres = genres;
        }
        Ok(())
    }

    /// Indices of genre names; empty names and MovieLens' "(no genres listed)" are none.
    pub(super) fn genres<'a>(
        &mut self,
        names: impl Iterator<Item = &'a str>,
        column: &str,
    ) -> Result<Vec<u16>, Fault> {
        let mut found = Vec::new();
        for name in names.map(str::trim).filter(|name| !matches!(*name, "" | "(no genres listed)")) {
            let genre = small(&mut self.genres, &mut self.data.genres, name)
                .ok_or_else(|| Fault::column(column, format!("there are more than {NO_KIND} genres")))?;
            if !found.contains(&genre) {
                found.push(genre);
            }
        }
        Ok(found)
    }

    /// The index of an event type's name.
    pub(super) fn kind(&mut self, name: &str, column: &str) -> Result<u16, Fault> {
        small(&mut self.event_types, &mut self.data.event_types, name)
            .ok_or_else(|| Fault::column(column, format!("there are more than {NO_KIND} event types")))
    }
}

/// An index below [`NO_KIND`], or None if those are used up.
fn small(index: &mut Index, names: &mut Vec<String>, name: &str) -> Option<u16> {
    let found = index.of(name, names, NO_KIND.into(), String::as_str, || name.to_owned())?;
    u16::try_from(found).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn index_all(ids: &[&str]) -> (Vec<u32>, Vec<String>) {
        let (mut index, mut known) = (Index::default(), Vec::new());
        let of = |id: &&str| index.of(id, &mut known, u32::MAX, String::as_str, || (*id).to_owned()).unwrap();
        (ids.iter().map(of).collect(), known)
    }

    #[test]
    fn an_id_is_found_by_all_of_it_whether_short_or_long() {
        let ids =
            ["1", "12345678", "123456789", "1234567890", "12345678", "", "\0", "ü", "ü", "1234567ü", "1"];
        let (found, known) = index_all(&ids);
        assert_eq!(found, [0, 1, 2, 3, 1, 4, 5, 6, 6, 7, 0]);
        assert_eq!(known.len(), 8);
    }

    #[test]
    fn a_full_table_takes_no_more_but_still_finds() {
        let (mut index, mut known) = (Index::default(), Vec::new());
        let mut of = |id: &str| index.of(id, &mut known, 2, String::as_str, || id.to_owned());
        assert_eq!([of("a"), of("b"), of("c"), of("b"), of("c")], [Some(0), Some(1), None, Some(1), None]);
    }

    #[test]
    fn what_is_said_of_an_item_later_fills_and_replaces_but_never_empties() {
        let mut builder = Builder::new(false);
        builder.describe("1", "One".to_owned(), 2001, vec![0]).unwrap();
        builder.describe("2", String::new(), 0, Vec::new()).unwrap();
        builder.describe("1", String::new(), 2002, Vec::new()).unwrap();
        let data = builder.finish("x".to_owned());
        assert_eq!(data.items.len(), 2);
        assert_eq!(
            data.items[0],
            ItemMeta { id: "1".to_owned(), title: "One".to_owned(), year: 2002, genres: vec![0] }
        );
    }

    #[test]
    fn genres_are_numbered_once_and_none_is_none() {
        let mut builder = Builder::new(false);
        let mut genres = |text: &'static str| builder.genres(text.split('|'), "genres").unwrap();
        assert_eq!(genres("Drama|Comedy|Drama"), [0, 1]);
        assert!(genres("(no genres listed)").is_empty());
        assert_eq!(genres(" Comedy ||War"), [1, 2]);
    }

    proptest! {
        #[test]
        fn indices_are_those_of_first_appearance(ids in prop::collection::vec("[ab\0é]{0,10}", 0..60)) {
            let ids: Vec<_> = ids.iter().map(String::as_str).collect();
            let (found, known) = index_all(&ids);
            let mut want: Vec<&str> = Vec::new();
            for id in &ids {
                if !want.contains(id) {
                    want.push(id);
                }
            }
            prop_assert_eq!(&known, &want);
            for (id, index) in ids.iter().zip(found) {
                prop_assert_eq!(&known[index as usize], id);
            }
        }
    }
}

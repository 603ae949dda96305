//! What is in the file.

use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};

use super::Fault;

/// The form of the file that is written here.
pub(super) const FORMAT: u64 = 1;

/// User and event id -> the event as JSON.
pub(super) const EVENTS: TableDefinition<(&str, &str), &str> = TableDefinition::new("events");
/// User -> the profile's revision, when it was written (epoch ms), and the profile as JSON.
pub(super) const PROFILES: TableDefinition<&str, (u64, i64, &str)> = TableDefinition::new("profiles");
/// Pseudonym -> until when that person was erased (epoch ms).
pub(super) const TOMBSTONES: TableDefinition<&[u8; 32], i64> = TableDefinition::new("tombstones");
/// Sequence number -> user, and the event that was taken, as JSON. Here until it is folded.
pub(super) const FEED: TableDefinition<u64, (&str, &str)> = TableDefinition::new("feed");
/// Sequence number -> user, event, and why it could not be folded.
pub(super) const DEAD_LETTERS: TableDefinition<u64, (&str, &str, &str)> =
    TableDefinition::new("dead_letters");
/// Names of data that were loaded to the end.
pub(super) const SEEDED: TableDefinition<&str, ()> = TableDefinition::new("seeded");
/// Batch -> its revision, and the batch as JSON. Files of before lack it.
pub(super) const BATCHES: TableDefinition<&str, (u64, &str)> = TableDefinition::new("batches");
/// What a batch was made of -> the claim as JSON. Files of before lack it.
pub(super) const CLAIMS: TableDefinition<&str, &str> = TableDefinition::new("claims");
/// The key of pseudonyms, under its own name.
pub(super) const KEY: TableDefinition<&str, &[u8; 32]> = TableDefinition::new("key");
/// Numbers of the file itself.
pub(super) const NUMBERS: TableDefinition<&str, u64> = TableDefinition::new("numbers");

/// In [`KEY`].
pub(super) const PSEUDONYMS: &str = "pseudonyms";
/// In [`NUMBERS`]: [`FORMAT`].
pub(super) const FORMAT_NUMBER: &str = "format";
/// In [`NUMBERS`]: the next number that was given to no record and no revision.
const NEXT: &str = "next";
/// In [`NUMBERS`]: there, when somebody was erased and the file not yet rewritten.
pub(super) const ERASING: &str = "erasing";

/// Makes the tables, empty.
pub(super) fn create(file: &WriteTransaction, key: &[u8; 32]) -> Result<(), Fault> {
    file.open_table(EVENTS)?;
    file.open_table(PROFILES)?;
    file.open_table(TOMBSTONES)?;
    file.open_table(FEED)?;
    file.open_table(DEAD_LETTERS)?;
    file.open_table(SEEDED)?;
    file.open_table(KEY)?.insert(PSEUDONYMS, key)?;
    file.open_table(NUMBERS)?.insert(FORMAT_NUMBER, FORMAT)?;
    Ok(())
}

/// Gives numbers that were never given before and grow.
pub(super) struct Numbering<'a> {
    numbers: Table<'a, &'static str, u64>,
    next: u64,
}

impl<'a> Numbering<'a> {
    pub(super) fn open(file: &'a WriteTransaction) -> Result<Self, Fault> {
        let numbers = file.open_table(NUMBERS)?;
        let next = numbers.get(NEXT)?.map_or(1, |next| next.value());
        Ok(Self { numbers, next })
    }

    pub(super) fn give(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// Notes what was given.
    pub(super) fn close(mut self) -> Result<(), Fault> {
        self.numbers.insert(NEXT, self.next)?;
        Ok(())
    }
}

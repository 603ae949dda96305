//! Readers: files of interactions and of item metadata, as people already have them, into one [`Dataset`].
//!
//! ```no_run
//! use std::path::Path;
//! use training::data::{ReadOptions, read};
//!
//! let data = read(Path::new("ml-latest-small.zip"), &ReadOptions::default())?;
//! println!("{} events by {} users over {} items", data.events.len(), data.users.len(), data.items.len());
//! # Ok::<(), training::data::DataError>(())
//! ```
//!
//! [`read`] takes a folder, a file or a zip and recognises the format by names and content:
//!
//! | format | interactions | items |
//! |---|---|---|
//! | MovieLens csv (latest-small, 20m, 25m, 32m) | `ratings.csv` | `movies.csv` |
//! | MovieLens dat (1m, 10m) | `ratings.dat` | `movies.dat` |
//! | MovieLens 100k | `u.data` | `u.item` |
//! | Amazon Personalize | csv with `USER_ID`, `ITEM_ID`, `TIMESTAMP` | csv with `ITEM_ID` |
//! | RecBole | `*.inter` | `*.item` |
//! | NCF | `*.train.rating` (tests: [`read_ncf_test`]) | |
//! | LightGCN, NGCF | `train.txt` | |
//!
//! Every row is either an event, an item, or a fault that names file, line and column; no row is dropped in
//! silence and none is merged with another. Files are streamed: what is held in memory is the result, never the
//! text.

mod build;
mod detect;
mod error;
pub mod fetch;
mod fields;
mod header;
mod lightgcn;
mod lines;
mod movielens_csv;
mod movielens_dat;
mod ncf;
mod parse;
mod personalize;
mod recbole;
mod source;
#[cfg(test)]
mod testing;
mod title;

use std::path::{Path, PathBuf};

use build::Builder;
use detect::{EventFormat, ItemFormat};
use lines::Lines;
use source::Source;

pub use error::DataError;
pub use ncf::{NcfCase, read_ncf_test};

/// [`Event::kind`] of an event whose source names no type.
pub const NO_KIND: u16 = u16::MAX;

/// One interaction, ids replaced by dense indices into [`Dataset::users`] and [`Dataset::items`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event {
    /// Index into [`Dataset::users`].
    pub user: u32,
    /// Index into [`Dataset::items`].
    pub item: u32,
    /// The rating or event value as the source gives it, finite; NaN when it gives none.
    pub value: f32,
    /// Index into [`Dataset::event_types`], or [`NO_KIND`].
    pub kind: u16,
    /// Epoch milliseconds, in years 1 to 9999; or, when [`Dataset::timed`] is false, the event's place in the
    /// file from 0.
    pub time: i64,
}

/// What is known about one item.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ItemMeta {
    /// The source's own id.
    pub id: String,
    /// Title without its year and with its article in front; empty if unknown.
    pub title: String,
    /// Year of release, 0 if unknown.
    pub year: u16,
    /// Indices into [`Dataset::genres`], in the source's order, each once.
    pub genres: Vec<u16>,
}

/// Everything read from one source.
#[derive(Debug, Clone, Default)]
pub struct Dataset {
    /// User ids in order of first appearance.
    pub users: Vec<String>,
    /// Items in order of the items file (those without any event too), then those only seen in interactions in
    /// order of first appearance.
    pub items: Vec<ItemMeta>,
    /// Genre names in order of first appearance.
    pub genres: Vec<String>,
    /// Event type names in order of first appearance (Personalize's `EVENT_TYPE`).
    pub event_types: Vec<String>,
    /// Events in file order; a repeated (user, item) is kept.
    pub events: Vec<Event>,
    /// The last component of the path that was read, e.g. `ml-latest-small.zip`.
    pub source: String,
    /// Bad rows skipped, items' and interactions'; 0 unless [`ReadOptions::skip_bad_rows`].
    pub skipped: u64,
    /// Whether the source has real times; otherwise [`Event::time`] is the order in the file.
    pub timed: bool,
}

/// How to read.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// Count bad rows in [`Dataset::skipped`] and go on, instead of failing at the first.
    pub skip_bad_rows: bool,
    /// A further file of item metadata, in any of the item formats. Where it and the source's own items file both
    /// say something about an item, this one is right.
    pub items: Option<PathBuf>,
}

/// Reads a folder, a file (also gzipped) or a zip of interactions, with its items file if there is one.
///
/// Beside a single file its companion is read too where the format fixes its name: `movies.csv`, `movies.dat`,
/// `u.item`, or the `.item` of the same stem.
///
/// # Errors
///
/// [`DataError`], each a sentence that names the file: what is missing, damaged, not recognised, empty, or the
/// first bad row unless those are skipped.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Dataset, DataError> {
    let mut source = Source::open(path)?;
    let found = detect::find(&mut source)?;
    let mut builder = Builder::new(options.skip_bad_rows);
    if let Some((format, member)) = &found.items {
        read_items(*format, &mut source.lines(member)?, &mut builder)?;
    }
    if let Some(path) = &options.items {
        let mut extra = Source::open(path)?;
        let (format, member) = detect::find_items(&mut extra)?;
        read_items(format, &mut extra.lines(&member)?, &mut builder)?;
    }
    let (format, member) = &found.events;
    read_events(*format, &mut source.lines(member)?, &mut builder)?;
    Ok(builder.finish(source.name()))
}

/// Reads a file of item metadata alone, in any of the item formats: a [`Dataset`] without users and events, its items
/// in file order.
///
/// # Errors
///
/// As [`read`].
pub fn read_items_file(path: &Path, options: &ReadOptions) -> Result<Dataset, DataError> {
    let mut source = Source::open(path)?;
    let (format, member) = detect::find_items(&mut source)?;
    let mut builder = Builder::new(options.skip_bad_rows);
    read_items(format, &mut source.lines(&member)?, &mut builder)?;
    Ok(builder.finish(source.name()))
}

fn read_items(format: ItemFormat, lines: &mut Lines<'_>, builder: &mut Builder) -> Result<(), DataError> {
    match format {
        ItemFormat::MovieLensCsv => movielens_csv::movies(lines, builder),
        ItemFormat::MovieLensDat => movielens_dat::movies(lines, builder),
        ItemFormat::MovieLens100k => movielens_dat::u_item(lines, builder),
        ItemFormat::Personalize => personalize::items(lines, builder),
        ItemFormat::RecBole => recbole::items(lines, builder),
    }
}

fn read_events(format: EventFormat, lines: &mut Lines<'_>, builder: &mut Builder) -> Result<(), DataError> {
    match format {
        EventFormat::MovieLensCsv => movielens_csv::ratings(lines, builder),
        EventFormat::MovieLensDat => movielens_dat::ratings(lines, builder),
        EventFormat::Rating => ncf::ratings(lines, builder),
        EventFormat::Personalize => personalize::interactions(lines, builder),
        EventFormat::LightGcn => lightgcn::events(lines, builder),
        EventFormat::RecBole => recbole::events(lines, builder),
    }
}

impl Dataset {
    /// Each user's events, as indices into [`Dataset::events`], oldest first; equal times keep file order.
    #[must_use]
    pub fn by_user(&self) -> Vec<Vec<u32>> {
        let mut counts = vec![0usize; self.users.len()];
        for event in &self.events {
            counts[event.user as usize] += 1;
        }
        let mut of: Vec<Vec<u32>> = counts.into_iter().map(Vec::with_capacity).collect();
        for (index, event) in (0u32..).zip(&self.events) {
            of[event.user as usize].push(index);
        }
        for events in &mut of {
            // Stable, and linear where the file is in order already.
            events.sort_by_key(|&index| self.events[index as usize].time);
        }
        of
    }
}

#[cfg(test)]
mod tests;

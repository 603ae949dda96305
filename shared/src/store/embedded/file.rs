//! The file itself: opening, making and rewriting it, such that it is whole whenever the process dies.
//!
//! A new file is made under another name beside it, locked from its first moment, synced, and then renamed. Whoever has
//! the lock of the file that the path leads to has the store.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{
    Builder, Database, DatabaseError, Key, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition,
    TableError, Value, WriteTransaction,
};

use super::Fault;
use super::tables::{
    self, BATCHES, CLAIMS, DEAD_LETTERS, ERASING, EVENTS, FEED, FORMAT, FORMAT_NUMBER, KEY, NUMBERS,
    PROFILES, PSEUDONYMS, SEEDED, TOMBSTONES,
};

/// Bytes of the file that are kept in memory: the profiles of some ten thousand people. The system caches the rest.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// How often opening starts again because the file was exchanged in that very moment.
const TRIES: u32 = 3;

/// The store's file can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or this one, has it open.
    #[error("{} is in use: a store's file is open in one process at a time", .0.display())]
    InUse(PathBuf),
    /// It is not a store's file.
    #[error("{} is not a Marquee store: {detail}", path.display())]
    NotAStore {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        detail: String,
    },
    /// It was written by another version of this program.
    #[error("{} has format {format}; this program reads format {FORMAT}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The number in it.
        format: u64,
    },
    /// It can't be read or written, or is damaged.
    #[error("{}: {detail}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
}

impl OpenError {
    fn broken(path: &Path, detail: impl Display) -> Self {
        Self::Broken { path: path.to_owned(), detail: detail.to_string() }
    }

    fn of(path: &Path, error: DatabaseError) -> Self {
        let damaged = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
        match error {
            DatabaseError::DatabaseAlreadyOpen => Self::InUse(path.to_owned()),
            DatabaseError::Storage(redb::StorageError::Io(error))
                if error.kind() == io::ErrorKind::InvalidData =>
            {
                Self::NotAStore { path: path.to_owned(), detail: error.to_string() }
            }
            DatabaseError::Storage(redb::StorageError::Io(error)) if damaged(&error) => {
                Self::broken(path, "the file is damaged: its end is missing")
            }
            other => Self::broken(path, format_args!("the file can't be opened: {other}")),
        }
    }
}

/// Opens the store's file or makes it, and finishes an erasure that was interrupted: the file and the key of pseudonyms.
pub(super) fn open(path: &Path) -> Result<(Database, [u8; 32]), OpenError> {
    for _ in 0..TRIES {
        let opened = if is_there(path)? { open_existing(path)? } else { create(path)? };
        let Some(database) = opened else { continue };
        // Only now, with the lock: before, it could be another process's that is at work.
        match fs::remove_file(beside(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(OpenError::broken(path, error));
            }
            _ => {}
        }
        let (key, erasing) = contents(&database, path)?;
        if !erasing {
            return Ok((database, key));
        }
        let rewritten = rewrite(&database, path);
        return Ok((rewritten.map_err(|fault| OpenError::broken(path, fault))?, key));
    }
    Err(OpenError::InUse(path.to_owned()))
}

/// Whether there is a file with something in it; an empty one is made anew.
fn is_there(path: &Path) -> Result<bool, OpenError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(!metadata.is_file() || metadata.len() > 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(OpenError::broken(path, error)),
    }
}

/// The name under which a new file is made.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

/// `None` when another file took its place before it was locked.
fn open_existing(path: &Path) -> Result<Option<Database>, OpenError> {
    let file = OpenOptions::new().read(true).write(true).open(path);
    let file = file.map_err(|error| OpenError::broken(path, error))?;
    let identity = |metadata: io::Result<fs::Metadata>| metadata.map(|m| (m.dev(), m.ino())).ok();
    let opened = identity(file.metadata());
    let database = database(file).map_err(|error| OpenError::of(path, error))?;
    Ok((identity(fs::metadata(path)) == opened).then_some(database))
}

fn database(file: File) -> Result<Database, DatabaseError> {
    // A damaged file is an error and not a panic later: the check reads each page once.
    Builder::new()
        .set_cache_size(CACHE_BYTES)
        .set_check_integrity_on_open(true)
        .create_with_backend(FileBackend::new(file)?)
}

/// The key of pseudonyms, and whether the file is to be rewritten.
fn contents(database: &Database, path: &Path) -> Result<([u8; 32], bool), OpenError> {
    let read = || {
        let file = database.begin_read()?;
        let numbers = match file.open_table(NUMBERS) {
            Err(TableError::TableDoesNotExist(_) | TableError::TableTypeMismatch { .. }) => return Ok(None),
            numbers => numbers?,
        };
        let format = numbers.get(FORMAT_NUMBER)?.map(|format| format.value());
        let key = file.open_table(KEY)?.get(PSEUDONYMS)?.map(|key| *key.value());
        Ok::<_, Fault>(Some((format, key, numbers.get(ERASING)?.is_some())))
    };
    let not_ours =
        || OpenError::NotAStore { path: path.to_owned(), detail: "it is another program's redb file".into() };
    match read().map_err(|fault| OpenError::broken(path, fault))?.ok_or_else(not_ours)? {
        (Some(format), _, _) if format != FORMAT => Err(OpenError::Format { path: path.to_owned(), format }),
        (Some(_), Some(key), erasing) => Ok((key, erasing)),
        _ => Err(not_ours()),
    }
}

/// Makes a file with empty tables and a new key. `None` when there is a file by now.
fn create(path: &Path) -> Result<Option<Database>, OpenError> {
    let fault = |fault: Fault| match fault {
        Fault::Open(error) => error,
        other => OpenError::broken(path, other),
    };
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| OpenError::broken(path, error))?;
    let file = lock_new(path).map_err(fault)?;
    if is_there(path)? {
        return Ok(None);
    }
    let database = replace(path, file, |new| tables::create(new, &key)).map_err(fault)?;
    Ok(Some(database))
}

/// Writes everything that is in the file into a new one, and puts that in its place: what was removed is gone, whose
/// bytes a database leaves in its free pages. The caller sees to it that nobody writes to the old one.
pub(super) fn rewrite(old: &Database, path: &Path) -> Result<Database, Fault> {
    let old = old.begin_read()?;
    replace(path, lock_new(path)?, |new| {
        copy(&old, new, EVENTS)?;
        copy(&old, new, PROFILES)?;
        copy(&old, new, TOMBSTONES)?;
        copy(&old, new, FEED)?;
        copy(&old, new, DEAD_LETTERS)?;
        copy(&old, new, SEEDED)?;
        copy(&old, new, BATCHES)?;
        copy(&old, new, CLAIMS)?;
        copy(&old, new, KEY)?;
        copy(&old, new, NUMBERS)?;
        new.open_table(NUMBERS)?.remove(ERASING)?;
        Ok(())
    })
}

fn copy<K: Key, V: Value>(
    old: &ReadTransaction,
    new: &WriteTransaction,
    definition: TableDefinition<K, V>,
) -> Result<(), Fault> {
    let old = match old.open_table(definition) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(()),
        table => table?,
    };
    let mut table = new.open_table(definition)?;
    for entry in old.iter()? {
        let (key, value) = entry?;
        table.insert(key.value(), value.value())?;
    }
    Ok(())
}

/// Opens the file beside it and locks it. A file that was left there by a crash is used again.
fn lock_new(path: &Path) -> Result<File, Fault> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(beside(path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned()).into()),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Fills the new file, and puts it in the old one's place when it is on disk.
fn replace(
    path: &Path,
    file: File,
    fill: impl FnOnce(&WriteTransaction) -> Result<(), Fault>,
) -> Result<Database, Fault> {
    file.set_len(0)?;
    let new = database(file)?;
    let transaction = new.begin_write()?;
    fill(&transaction)?;
    transaction.commit()?;
    fs::rename(beside(path), path)?;
    // The rename is on disk when its directory is.
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()?;
    Ok(new)
}

//! A store in one file on this machine (redb): everything that the table in DynamoDB keeps, and a feed of changes in
//! place of its stream.
//!
//! One process at a time has the file open. What is acknowledged is on disk: calls that write at the same time share one
//! transaction and its sync. An erasure writes what is left into a new file and puts it in the old one's place, so that
//! no byte of the person stays behind; whenever the process dies, opening the file again finishes it.

pub mod feed;
mod file;
mod jobs;
mod people;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use redb::{Database, ReadTransaction, ReadableDatabase, WriteTransaction};
use tokio::sync::Notify;

use super::{
    Basis, Erased, Event, EventPage, Events, Folding, Loading, People, Profile, Profiles, Put, Saved,
    StoreError, StoredProfile,
};
use crate::api::history::Time;
use crate::api::{EventId, UserId};
use people::PersonKey;
use writer::Writer;

pub use file::OpenError;

/// The store. Clones are the same one.
#[derive(Clone)]
pub struct Embedded(Arc<Inner>);

struct Inner {
    path: PathBuf,
    /// Exchanged by an erasure.
    file: RwLock<Database>,
    key: PersonKey,
    writer: Writer,
    /// Somebody is told when the feed has grown.
    grown: Notify,
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("path", &self.0.path).finish_non_exhaustive()
    }
}

/// Why something was not done to the file.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("the store's file: {0}")]
    File(redb::Error),
    /// The message has neither names nor values.
    #[error("the store's file holds what can't be read as {what}: {category:?} in column {column}")]
    Json { what: &'static str, category: serde_json::error::Category, column: usize },
    #[error("the store's file holds a time out of range")]
    Time,
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Record(#[from] StoreError),
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::File(error.into())
    }
}

impl Embedded {
    /// Opens the store's file, and makes it where there is none; finishes what a crash left behind. Its directory must
    /// be there. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// Names the file; when another process has it open, or it is no store's, or damaged.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let (database, key) = file::open(path)?;
        Ok(Self(Arc::new(Inner {
            path: path.to_owned(),
            file: RwLock::new(database),
            key: PersonKey::new(key),
            writer: Writer::default(),
            grown: Notify::new(),
        })))
    }

    /// Whether the data of this name were loaded to the end before.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn seeded(&self, mark: &str) -> Result<bool, StoreError> {
        let mark = mark.to_owned();
        self.read(move |file| Ok(file.open_table(tables::SEEDED)?.get(mark.as_str())?.is_some())).await
    }

    /// Notes that the data of this name were loaded to the end.
    ///
    /// # Errors
    /// When the file can't be written.
    pub async fn mark_seeded(&self, mark: &str) -> Result<(), StoreError> {
        let mark = mark.to_owned();
        self.write(move |file, _| {
            file.open_table(tables::SEEDED)?.insert(mark.as_str(), ())?;
            Ok(())
        })
        .await
    }

    /// Reads a page or two of one state of the file, here: that takes microseconds, mostly without the disk, and never
    /// waits for a sync; a thread for it would cost ten times as much.
    fn read_here<T>(&self, work: impl FnOnce(&ReadTransaction) -> Result<T, Fault>) -> Result<T, StoreError> {
        self.0.read(work).map_err(StoreError::new)
    }

    /// Reads one state of the file, off the threads that answer.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ReadTransaction) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.0);
        off_thread(move || inner.read(work)).await
    }

    /// Does work in a transaction that may be shared with others', and waits until it is on disk. Where the others' work
    /// fails, this is done again alone.
    async fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&WriteTransaction, &PersonKey) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        writer::write(&self.0, work).await
    }
}

/// Runs blocking work on a thread for it.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| StoreError::new("the store's work broke off"))?.map_err(StoreError::new)
}

#[async_trait]
impl Profiles for Embedded {
    async fn profile(&self, user: &UserId) -> Result<Option<StoredProfile>, StoreError> {
        let user = user.clone();
        let stored =
            self.read(move |file| people::profile(&file.open_table(tables::PROFILES)?, &user)).await?;
        Ok(stored.map(|(_, stored)| stored))
    }
}

#[async_trait]
impl Events for Embedded {
    async fn put(&self, events: &[Event]) -> Vec<Result<Put, StoreError>> {
        let given = events.to_vec();
        match self.write(move |file, key| people::put(file, key, &given)).await {
            Ok(outcomes) => {
                if outcomes.contains(&Put::Accepted) {
                    self.0.grown.notify_one();
                }
                outcomes.into_iter().map(Ok).collect()
            }
            Err(error) => vec![Err(error); events.len()],
        }
    }
}

#[async_trait]
impl People for Embedded {
    async fn events(
        &self,
        user: &UserId,
        after: Option<&EventId>,
        limit: usize,
    ) -> Result<EventPage, StoreError> {
        let (user, after) = (user.clone(), after.cloned());
        self.read(move |file| people::events(file, &user, after.as_ref(), limit)).await
    }

    async fn erase(&self, user: &UserId, now: Time) -> Result<Erased, StoreError> {
        let (inner, user) = (Arc::clone(&self.0), user.clone());
        off_thread(move || inner.erase(&user, now)).await
    }
}

impl Inner {
    fn read<T>(&self, work: impl FnOnce(&ReadTransaction) -> Result<T, Fault>) -> Result<T, Fault> {
        work(&self.file.read().unwrap_or_else(PoisonError::into_inner).begin_read()?)
    }

    fn erase(&self, user: &UserId, now: Time) -> Result<Erased, Fault> {
        let turn = self.writer.turn();
        let erased = {
            let file = self.file.read().unwrap_or_else(PoisonError::into_inner);
            let transaction = file.begin_write()?;
            let erased = people::erase(&transaction, &self.key, user, now)?;
            transaction.commit()?;
            erased
        };
        self.rewrite()?;
        drop(turn);
        Ok(erased)
    }

    /// Puts a file without what was erased in the old one's place. Nobody writes meanwhile.
    fn rewrite(&self) -> Result<(), Fault> {
        let written = file::rewrite(&self.file.read().unwrap_or_else(PoisonError::into_inner), &self.path)?;
        // From here on the path leads to the new file, and readers of the old one finish first.
        *self.file.write().unwrap_or_else(PoisonError::into_inner) = written;
        Ok(())
    }
}

#[async_trait]
impl Folding for Embedded {
    async fn basis(&self, user: &UserId) -> Result<Basis, StoreError> {
        self.read_here(|file| people::basis(file, &self.0.key, user))
    }

    async fn erased_until(&self, user: &UserId) -> Result<Option<Time>, StoreError> {
        self.read_here(|file| people::erased_until(&file.open_table(tables::TOMBSTONES)?, &self.0.key, user))
    }

    async fn save(
        &self,
        user: &UserId,
        profile: &Profile,
        revision: Option<&str>,
        changed_at: Time,
    ) -> Result<Saved, StoreError> {
        let (user, profile, revision) = (user.clone(), profile.clone(), revision.map(str::to_owned));
        self.write(move |file, key| people::save(file, key, &user, &profile, revision.as_deref(), changed_at))
            .await
    }

    async fn remove(&self, user: &UserId, event: &EventId, until: Time) -> Result<(), StoreError> {
        let (user, event) = (user.clone(), event.clone());
        self.write(move |file, _| people::remove(file, &user, &event, until)).await
    }
}

/// Events that are loaded in one transaction: a second's worth at most, in which nobody else writes, and each sync is
/// for many.
const LOADED_AT_ONCE: usize = 50_000;

#[async_trait]
impl Loading for Embedded {
    /// Folds the events into the profiles as well, past the feed.
    async fn load(&self, events: &[Event]) -> Result<(), StoreError> {
        let now = Time::now();
        for part in events.chunks(LOADED_AT_ONCE) {
            let part = part.to_vec();
            self.write(move |file, key| people::load(file, key, &part, now)).await?;
        }
        Ok(())
    }
}

//! The store in a DynamoDB table: one table, plain gets, conditional puts and queries, no transactions and no indexes.
//! The only place that sees the SDK. Keys, attributes and what each operation costs are in `docs/state.md`.

mod batch;
mod connection;
mod erasing;
mod failure;
mod folding;
mod item;
mod jobs;
mod links;
mod loading;
mod making;
mod putting;
mod reading;
mod tombstone;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use connection::Connection;

use super::{PseudonymKey, StoreError};
use crate::config::TableSettings;

/// How many calls wait for the table at a time, of one call of a caller. A connection each, as the protocol is
/// HTTP/1.1: sixteen are opened in the time of one, and 100 events then take seven turns of a few milliseconds.
const AT_A_TIME: usize = 16;

/// A table, and the key of its tombstones. Opened at first use; see [`Events::warm_up`](super::Events::warm_up).
pub struct DynamoDb {
    settings: TableSettings,
    pseudonym_key: Arc<dyn PseudonymKey>,
    connection: Connection,
}

impl DynamoDb {
    /// The table of these settings, where the SDK's own variables, files and endpoints say that AWS is.
    #[must_use]
    pub fn new(settings: TableSettings, pseudonym_key: Arc<dyn PseudonymKey>) -> Self {
        Self { settings, pseudonym_key, connection: Connection::of_environment() }
    }

    /// The same for reading profiles, which needs no key; whatever does fails.
    #[must_use]
    pub fn without_key(settings: TableSettings) -> Self {
        Self::new(settings, Arc::new(NoKey))
    }

    /// The table of these settings in an emulator that listens at `endpoint` (such as `http://127.0.0.1:8000`) and
    /// believes every key. Nothing of the environment is read.
    #[must_use]
    pub fn emulated(settings: TableSettings, pseudonym_key: Arc<dyn PseudonymKey>, endpoint: &str) -> Self {
        Self { settings, pseudonym_key, connection: Connection::of_emulator(endpoint) }
    }
}

/// The key of a function that has none.
#[derive(Debug)]
struct NoKey;

#[async_trait]
impl PseudonymKey for NoKey {
    async fn key(&self) -> Result<Vec<u8>, StoreError> {
        Err(StoreError::new("no key of tombstones is configured here"))
    }
}

/// The key is left out.
impl fmt::Debug for DynamoDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDb").field("settings", &self.settings).finish_non_exhaustive()
    }
}

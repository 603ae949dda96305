//! The feed of changes: events that were taken and not yet folded, and the loop that hands them to the function which
//! folds, as Lambda hands it the table's stream.

use std::collections::HashMap;
use std::fmt::Display;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use aws_lambda_events::dynamodb::{self, EventRecord};
use aws_lambda_events::streams::DynamoDbEventResponse;
use futures_util::FutureExt;
use redb::{ReadableTable, ReadableTableMetadata};

use super::tables::{DEAD_LETTERS, FEED};
use super::{Embedded, people};
use crate::store::StoreError;
use crate::store::table::{self, Change, EventItem};

/// Most records that are handed over at once: what an event source mapping for a stream does by default.
pub const BATCH: usize = 100;
/// How often a record is tried before it is put among the dead letters.
pub const ATTEMPTS: u32 = 5;
/// The first wait after a failure; it doubles with each in a row.
const WAIT: Duration = Duration::from_millis(20);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_millis(200);

impl Embedded {
    /// At most `limit` changes that are not done, oldest first, with their sequence numbers: records as the table's
    /// stream has them.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn changes(&self, limit: usize) -> Result<Vec<(u64, EventRecord)>, StoreError> {
        self.read(move |file| {
            let feed = file.open_table(FEED)?;
            let records = feed.iter()?.take(limit).map(|entry| {
                let (sequence, change) = entry?;
                let event = people::read_event(change.value().1)?;
                let item = EventItem::new(&event, None);
                Ok((sequence.value(), table::record(sequence.value(), Change::Inserted, &item)?))
            });
            records.collect()
        })
        .await
    }

    /// Waits until an event was taken since this was waited for last; returns at once when one was. For one task.
    pub async fn changed(&self) {
        self.0.grown.notified().await;
    }

    /// Takes changes out of the feed: all up to this sequence number.
    ///
    /// # Errors
    /// When the file can't be written.
    pub async fn done(&self, up_to: u64) -> Result<(), StoreError> {
        self.write(move |file, _| Ok(file.open_table(FEED)?.retain_in(..=up_to, |_, _| false)?)).await
    }

    /// Puts a change among the dead letters; does nothing when it is not in the feed. `reason` is kept and holds no id of
    /// a person.
    ///
    /// # Errors
    /// When the file can't be written.
    pub async fn dead_letter(&self, sequence: u64, reason: &str) -> Result<(), StoreError> {
        let reason = reason.to_owned();
        self.write(move |file, _| {
            let mut feed = file.open_table(FEED)?;
            if let Some(change) = feed.remove(sequence)? {
                let (user, event) = change.value();
                file.open_table(DEAD_LETTERS)?.insert(sequence, (user, event, &*reason))?;
            }
            Ok(())
        })
        .await
    }

    /// How many changes are among the dead letters.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn dead_letters(&self) -> Result<u64, StoreError> {
        self.read(|file| Ok(file.open_table(DEAD_LETTERS)?.len()?)).await
    }
}

/// Hands the store's changes to a function until `shutdown`, after the batch that is under way. One such loop a store.
///
/// It does what Lambda does for a stream whose function reports failed items, and with the batch bisected on errors: it
/// goes on from the lowest sequence number that failed; where the whole batch failed, it hands over half of it. What
/// failed [`ATTEMPTS`] times, by its own name or alone in its batch, becomes a dead letter. Handing over again what was
/// done before must do no harm.
pub async fn run<H, F, E>(store: &Embedded, handle: H, shutdown: impl Future<Output = ()>)
where
    H: Fn(dynamodb::Event) -> F,
    F: Future<Output = Result<DynamoDbEventResponse, E>>,
    E: Display,
{
    let mut shutdown = pin!(shutdown);
    let mut mapping = Mapping { store, handle, size: BATCH, attempts: HashMap::new() };
    let mut failures = 0;
    loop {
        let turn = mapping.turn().await.unwrap_or_else(|error| {
            tracing::error!(%error, "the change feed can't be read or written");
            Turn::Failed
        });
        let next = async {
            match turn {
                Turn::Done => {}
                Turn::Nothing => store.changed().await,
                Turn::Failed => {
                    tokio::time::sleep(LONGEST_WAIT.min(WAIT * 2_u32.saturating_pow(failures))).await;
                }
            }
        };
        tokio::select! {
            biased;
            () = &mut shutdown => return,
            () = next => {}
        }
        failures = if matches!(turn, Turn::Failed) { failures + 1 } else { 0 };
    }
}

/// What came of one turn.
enum Turn {
    Done,
    Nothing,
    Failed,
}

struct Mapping<'a, H> {
    store: &'a Embedded,
    handle: H,
    /// Records of the next batch.
    size: usize,
    /// How often records failed that are still in the feed.
    attempts: HashMap<u64, u32>,
}

impl<H, F, E> Mapping<'_, H>
where
    H: Fn(dynamodb::Event) -> F,
    F: Future<Output = Result<DynamoDbEventResponse, E>>,
    E: Display,
{
    async fn turn(&mut self) -> Result<Turn, StoreError> {
        let changes = self.store.changes(self.size).await?;
        let Some(&(last, _)) = changes.last() else { return Ok(Turn::Nothing) };
        let (sequences, records): (Vec<u64>, Vec<EventRecord>) = changes.into_iter().unzip();
        let named: HashMap<String, u64> = records
            .iter()
            .zip(&sequences)
            .filter_map(|(record, sequence)| Some((record.change.sequence_number.clone()?, *sequence)))
            .collect();
        let mut event = dynamodb::Event::default();
        event.records = records;

        let (failed, reason) = match AssertUnwindSafe((self.handle)(event)).catch_unwind().await {
            Ok(Ok(response)) => (failed(&response, &named), "it was reported as failed".to_owned()),
            Ok(Err(error)) => (None, error.to_string()),
            Err(_) => (None, "the function panicked".to_owned()),
        };
        match failed {
            Some(failed) if failed.is_empty() => {
                self.size = BATCH.min(self.size * 2);
                self.done(last).await?;
                Ok(Turn::Done)
            }
            Some(failed) => {
                let lowest = failed.iter().copied().min().unwrap_or(last);
                if let Some(before) = sequences.iter().copied().take_while(|s| *s < lowest).last() {
                    self.done(before).await?;
                }
                for sequence in failed {
                    self.count(sequence, &reason).await?;
                }
                Ok(Turn::Failed)
            }
            None if sequences.len() == 1 => {
                self.count(last, &reason).await?;
                Ok(Turn::Failed)
            }
            None => {
                self.size = sequences.len().div_ceil(2);
                tracing::warn!(records = sequences.len(), reason, "a batch of changes failed");
                Ok(Turn::Failed)
            }
        }
    }

    async fn done(&mut self, up_to: u64) -> Result<(), StoreError> {
        self.store.done(up_to).await?;
        self.attempts.retain(|sequence, _| *sequence > up_to);
        Ok(())
    }

    /// Counts a failure of one record.
    async fn count(&mut self, sequence: u64, reason: &str) -> Result<(), StoreError> {
        let attempts = self.attempts.entry(sequence).or_default();
        *attempts += 1;
        if *attempts >= ATTEMPTS {
            tracing::error!(sequence, attempts, reason, "a change could not be folded and is a dead letter");
            self.store.dead_letter(sequence, reason).await?;
            self.attempts.remove(&sequence);
        }
        Ok(())
    }
}

/// The sequence numbers that a response names; `None` when it names none of this batch's, which Lambda takes for a
/// failure of all.
fn failed(response: &DynamoDbEventResponse, named: &HashMap<String, u64>) -> Option<Vec<u64>> {
    let sequence = |identifier: &Option<String>| named.get(identifier.as_deref()?).copied();
    response.batch_item_failures.iter().map(|failure| sequence(&failure.item_identifier)).collect()
}

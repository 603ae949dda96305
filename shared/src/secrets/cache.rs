//! A secret that is read once and used for a while.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::telemetry::{self, Dependency};

/// After a failure the next attempt is not made before this: an outage costs one call in five seconds its time, and the
/// end of one is noticed by anybody who looks.
pub const RETRY_WAIT: Duration = Duration::from_secs(5);
/// Least time between two reads that were asked for because something was not found: whoever sends keys that don't
/// exist, however many, makes each environment read 12 times a minute.
pub const EARLY_WAIT: Duration = Duration::from_secs(5);

/// A secret can't be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret {detail}")]
pub struct SecretError {
    detail: String,
}

impl SecretError {
    /// An error of these words, which begin with the secret's name and hold nothing of its text.
    pub fn new(detail: impl Into<String>) -> Self {
        Self { detail: detail.into() }
    }
}

/// Where the text of a secret comes from.
#[async_trait]
pub trait Source: Send + Sync + fmt::Debug {
    /// The text, as it is there now.
    async fn fetch(&self) -> Result<String, SecretError>;

    /// The secret's name, for the log.
    fn name(&self) -> &str;
}

/// What a secret says, read again when it is older than its time to live.
///
/// One caller at a time reads, and meanwhile the others use the copy there is. A copy stays in use for as long as nothing
/// newer can be had, however old it is: an outage of the source changes nothing for whoever had a copy before.
pub struct Cached<T> {
    source: Box<dyn Source>,
    ttl: Duration,
    read: fn(&str) -> Result<T, String>,
    state: Mutex<State<T>>,
    /// Held by whoever reads.
    reading: tokio::sync::Mutex<()>,
}

struct State<T> {
    copy: Option<Copy<T>>,
    /// The last attempt, where it failed.
    failure: Option<(SecretError, Instant)>,
}

struct Copy<T> {
    value: Arc<T>,
    read_at: Instant,
}

/// What is there, without asking the source.
enum Found<T> {
    Fresh(Arc<T>),
    /// Read too long ago.
    Stale(Arc<T>),
    /// Read too long ago, and just now nothing newer could be had.
    Kept(Arc<T>),
    Nothing,
    /// Nothing yet, and just now nothing could be had.
    Failed(SecretError),
}

impl<T> fmt::Debug for Cached<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached")
            .field("secret", &self.source.name())
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

impl<T> Cached<T> {
    /// A secret of this source, used for `ttl` before it is read again. `read` makes sense of its text; its errors hold
    /// nothing of the text.
    pub fn new(source: impl Source + 'static, ttl: Duration, read: fn(&str) -> Result<T, String>) -> Self {
        let state = Mutex::new(State { copy: None, failure: None });
        Self { source: Box::new(source), ttl, read, state, reading: tokio::sync::Mutex::default() }
    }

    /// What the secret says. May wait for the source, for as long as that takes to answer or to fail.
    ///
    /// # Errors
    /// When it was never read and can't be read now.
    pub async fn get(&self) -> Result<Arc<T>, SecretError> {
        let reading = match self.find() {
            Found::Fresh(value) | Found::Kept(value) => return Ok(value),
            Found::Failed(error) => return Err(error),
            Found::Stale(value) => match self.reading.try_lock() {
                Ok(reading) => reading,
                Err(_) => return Ok(value),
            },
            Found::Nothing => self.reading.lock().await,
        };
        // Somebody else may have read it before the lock was had.
        match self.find() {
            Found::Fresh(value) | Found::Kept(value) => Ok(value),
            Found::Failed(error) => Err(error),
            Found::Stale(_) | Found::Nothing => self.read(&reading).await,
        }
    }

    /// What the secret says, without waiting where there is a copy: one that is due is read anew beside the caller.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn get_beside(self: &Arc<Self>) -> Result<Arc<T>, SecretError>
    where
        T: Send + Sync + 'static,
    {
        let Found::Stale(value) = self.find() else { return self.get().await };
        let cached = Arc::clone(self);
        tokio::spawn(async move { cached.warm_up().await });
        Ok(value)
    }

    /// What the secret says now, for whoever misses something in the copy: reads it again, unless that was tried less
    /// than [`EARLY_WAIT`] ago. Callers at the same time wait for one read.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn get_newer(&self) -> Result<Arc<T>, SecretError> {
        let reading = self.reading.lock().await;
        if self.was_tried_within(EARLY_WAIT) {
            drop(reading);
            return self.get().await;
        }
        self.read(&reading).await
    }

    /// Reads it ahead of its first use. When that fails, the log says so and the first use tries again.
    pub async fn warm_up(&self) {
        // `read` has logged it.
        let _ = self.get().await;
    }

    fn find(&self) -> Found<T> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let failure = state.failure.as_ref().filter(|(_, at)| at.elapsed() < RETRY_WAIT);
        match (&state.copy, failure) {
            (Some(copy), _) if copy.read_at.elapsed() < self.ttl => Found::Fresh(Arc::clone(&copy.value)),
            (Some(copy), None) => Found::Stale(Arc::clone(&copy.value)),
            (Some(copy), Some(_)) => Found::Kept(Arc::clone(&copy.value)),
            (None, None) => Found::Nothing,
            (None, Some((error, _))) => Found::Failed(error.clone()),
        }
    }

    fn was_tried_within(&self, wait: Duration) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let tried = [state.copy.as_ref().map(|copy| copy.read_at), state.failure.as_ref().map(|(_, at)| *at)];
        tried.into_iter().flatten().any(|at| at.elapsed() < wait)
    }

    /// Asks the source. `_reading` shows that nobody else does.
    async fn read(&self, _reading: &tokio::sync::MutexGuard<'_, ()>) -> Result<Arc<T>, SecretError> {
        let name = self.source.name();
        let read = self.source.fetch().await.and_then(|text| {
            (self.read)(&text).map_err(|error| SecretError::new(format!("{name} is of no use: {error}")))
        });
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(value) => {
                let value = Arc::new(value);
                let copy = Copy { value: Arc::clone(&value), read_at: Instant::now() };
                *state = State { copy: Some(copy), failure: None };
                Ok(value)
            }
            Err(error) => {
                state.failure = Some((error.clone(), Instant::now()));
                let Some(copy) = &state.copy else {
                    telemetry::failed(Dependency::Secrets, "get", &error);
                    return Err(error);
                };
                let age = copy.read_at.elapsed().as_secs();
                let words = format!("{error}; the copy of {age} s ago stays in use");
                telemetry::failed(Dependency::Secrets, "get", &words);
                Ok(Arc::clone(&copy.value))
            }
        }
    }
}

#[cfg(test)]
mod tests;

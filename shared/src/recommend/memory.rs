//! What is remembered of the person that a request names.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

use crate::api::recommendation::DeadlineMs;
use crate::api::{HistoryEntry, UserId};
use crate::store::Profiles;

/// The part of a request's deadline that its profile may take: what is left is many times what answering takes.
const SLICE: f64 = 0.4;
/// How many people's last-seen profiles are kept for the case that the store fails: 500 entries of a hundred bytes each
/// make 12 MB of them, a quarter of what a function should need.
const LAST_SEEN: NonZeroUsize = NonZeroUsize::new(256).expect("256 is not 0");
/// How long such a profile may stand in: an outage of minutes is bridged, and what was erased is gone after it.
const LAST_SEEN_FOR: Duration = Duration::from_secs(300);

/// What a store says of the person of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Remembered {
    /// Their history, newest last; empty when nothing is known.
    pub history: Arc<[HistoryEntry]>,
    /// Whether the store failed to say: the history is then the one last seen here, or empty.
    pub unavailable: bool,
}

/// Recalls profiles from a store, and for a while from itself where that fails.
#[derive(Debug)]
pub struct Memory {
    profiles: Option<Arc<dyn Profiles>>,
    last_seen: Arc<LastSeen>,
}

impl Memory {
    /// A memory over a store; without one nobody is known.
    #[must_use]
    pub fn new(profiles: Option<Arc<dyn Profiles>>) -> Self {
        Self { profiles, last_seen: Arc::default() }
    }

    /// What is known of a person. Never takes longer than a slice of the deadline; a read that does is not abandoned: it
    /// goes on beside the answer, opens the connection that the next one uses, and what it brings is kept for then.
    pub async fn recall(&self, user: Option<&UserId>, deadline: DeadlineMs) -> Remembered {
        let (Some(profiles), Some(user)) = (&self.profiles, user) else { return Remembered::default() };
        let budget = Duration::from_millis(deadline.get()).mul_f64(SLICE);
        let (profiles, last_seen, person) = (Arc::clone(profiles), Arc::clone(&self.last_seen), user.clone());
        let read = tokio::spawn(async move {
            let read = profiles.profile(&person).await;
            read.map(|stored| {
                let history = stored.map(|stored| stored.profile.history()).unwrap_or_default();
                last_seen.keep(person, history)
            })
        });
        let failure = match tokio::time::timeout(budget, read).await {
            Ok(Ok(Ok(history))) => return Remembered { history, unavailable: false },
            Ok(Ok(Err(error))) => error.to_string(),
            Ok(Err(_)) => "the read ended without a result".to_owned(),
            Err(_) => format!("no profile within {} ms", budget.as_millis()),
        };
        tracing::warn!(error = failure, "a profile is not available");
        Remembered { history: self.last_seen.of(user), unavailable: true }
    }
}

/// The profiles that this process read last.
#[derive(Debug)]
struct LastSeen(Mutex<LruCache<UserId, (Instant, Arc<[HistoryEntry]>)>>);

impl Default for LastSeen {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(LAST_SEEN)))
    }
}

impl LastSeen {
    fn keep(&self, user: UserId, history: Vec<HistoryEntry>) -> Arc<[HistoryEntry]> {
        let history: Arc<[_]> = history.into();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.put(user, (Instant::now(), Arc::clone(&history)));
        history
    }

    fn of(&self, user: &UserId) -> Arc<[HistoryEntry]> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = kept.get(user).filter(|(seen, _)| seen.elapsed() < LAST_SEEN_FOR);
        recent.map(|(_, history)| Arc::clone(history)).unwrap_or_default()
    }
}

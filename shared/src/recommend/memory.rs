//! What is remembered of the person that a request names.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

use crate::api::recommendation::DeadlineMs;
use crate::api::{HistoryEntry, UserId};
use crate::store::Profiles;
use crate::telemetry::{self, Dependency};

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
        telemetry::failed(Dependency::Store, "profile", &failure);
        Remembered { history: self.last_seen.of(user), unavailable: true }
    }
}

/// The profiles that this process read last.
#[derive(Debug)]
struct LastSeen(Mutex<LruCache<UserId, Seen>>);

/// When a history was read, and what it was.
type Seen = (Instant, Arc<[HistoryEntry]>);

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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use async_trait::async_trait;

    use super::*;
    use crate::api::history::Time;
    use crate::store::{Profile, StoreError, StoredProfile};

    const ANSWERS: u8 = 0;
    const FAILS: u8 = 1;
    const HANGS: u8 = 2;

    /// Knows one film of everybody, or fails, or never answers.
    #[derive(Debug, Default)]
    struct Store {
        mood: AtomicU8,
    }

    #[async_trait]
    impl Profiles for Store {
        async fn profile(&self, _: &UserId) -> Result<Option<StoredProfile>, StoreError> {
            match self.mood.load(Ordering::Relaxed) {
                ANSWERS => {
                    let profile: Profile = serde_json::from_str(
                        r#"{"i": [["alpha", "like", null, "2020-01-01T00:00:00Z", "e1"]]}"#,
                    )
                    .unwrap();
                    Ok(Some(StoredProfile { profile, changed_at: Time::now() }))
                }
                FAILS => Err(StoreError::new("gone")),
                _ => std::future::pending().await,
            }
        }
    }

    fn user(id: &str) -> UserId {
        UserId::try_from(id.to_owned()).unwrap()
    }

    async fn recall(memory: &Memory, id: &str) -> (usize, bool) {
        let remembered = memory.recall(Some(&user(id)), DeadlineMs::clamped(20)).await;
        (remembered.history.len(), remembered.unavailable)
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_fails_or_hangs_leaves_what_was_last_seen_and_says_so() {
        let store = Arc::new(Store::default());
        let memory = Memory::new(Some(Arc::clone(&store) as _));
        assert_eq!(recall(&memory, "ada").await, (1, false));
        for mood in [FAILS, HANGS] {
            store.mood.store(mood, Ordering::Relaxed);
            assert_eq!(recall(&memory, "ada").await, (1, true), "last seen");
            assert_eq!(recall(&memory, "bob").await, (0, true), "never seen");
        }
        store.mood.store(ANSWERS, Ordering::Relaxed);
        assert_eq!(recall(&memory, "bob").await, (1, false));
    }

    #[tokio::test]
    async fn without_a_store_or_a_name_nothing_is_known_and_nothing_is_wrong() {
        let memory = Memory::new(None);
        assert_eq!(recall(&memory, "ada").await, (0, false));
        let memory = Memory::new(Some(Arc::new(Store { mood: AtomicU8::new(FAILS) })));
        let remembered = memory.recall(None, DeadlineMs::clamped(20)).await;
        assert_eq!(remembered, Remembered::default());
    }

    #[test]
    fn no_more_people_are_kept_than_fit() {
        let last_seen = LastSeen::default();
        for number in 0..=LAST_SEEN.get() {
            last_seen.keep(user(&format!("u{number}")), Vec::new());
        }
        assert_eq!(last_seen.0.lock().unwrap().len(), LAST_SEEN.get());
    }
}

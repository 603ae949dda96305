//! What was found of the links to the accelerators, for environments that are new and know nothing yet.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::api::history::Time;

/// For how long a note is believed. The links are looked at each minute: after three, nobody looks any more.
const FRESH: Duration = Duration::from_secs(180);

/// What was found when the link to an accelerator was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkNote {
    /// The accelerator, by the name that its [`Link`](crate::accelerator::Link) has.
    pub accelerator: String,
    /// Whether it answered as it should.
    pub up: bool,
    /// When.
    pub checked_at: Time,
}

impl LinkNote {
    /// Whether it is recent enough to be believed.
    #[must_use]
    pub fn is_fresh(&self, now: Time) -> bool {
        let age = now.millis().saturating_sub(self.checked_at.millis());
        u128::try_from(age).unwrap_or(0) <= FRESH.as_millis()
    }
}

/// Reading the notes of the links of this region: each region has its own ways to the same accelerator.
#[async_trait]
pub trait LinkNotes: Send + Sync + std::fmt::Debug {
    /// What was noted last of each of these accelerators; those of which nothing is are left out. May be a moment old.
    async fn links(&self, accelerators: &[&str]) -> Result<Vec<LinkNote>, StoreError>;
}

/// Noting the links of this region.
#[async_trait]
pub trait NotingLinks: Send + Sync + std::fmt::Debug {
    /// Keeps a note in place of the one before.
    async fn note(&self, note: &LinkNote) -> Result<(), StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_believed_for_three_minutes() {
        let note = |checked_at| LinkNote { accelerator: "http://gpu:80".into(), up: false, checked_at };
        let now = Time::from_millis(1_700_001_000_000).unwrap();
        for (checked_at, fresh) in [
            (1_700_001_000_000, true),
            (1_700_000_820_000, true),
            (1_700_000_819_999, false),
            (1_700_001_000_500, true),
        ] {
            assert_eq!(note(Time::from_millis(checked_at).unwrap()).is_fresh(now), fresh, "{checked_at}");
        }
    }
}

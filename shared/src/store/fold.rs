//! Folding events into the profile that a store keeps.

use std::time::Duration;

use super::{Event, Folding, Profile, Saved, StoreError};
use crate::api::UserId;
use crate::api::history::Time;

/// How often a fold starts again because another one was faster. Two folds that meet cost each other one turn; eight in
/// a row mean that something else is wrong, and the stream tries again later anyway.
const TURNS: u32 = 8;
/// The longest wait before the second turn; it doubles with each.
const WAIT: Duration = Duration::from_millis(4);

/// A fold was not done and has to be tried again.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FoldError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Other folds were faster each time.
    #[error("the profile changed {TURNS} times while events were folded into it")]
    Contended,
    /// Events were removed, and the tombstone that says so can't be seen here yet.
    #[error("events were removed and no tombstone covers them yet")]
    TombstoneMissing,
}

/// Folds a person's events into this region's profile: those of `put` are joined to it; those of `removed` were taken
/// away by an erasure, here or in another region, and the tombstone must cover them. Events that a tombstone covers are
/// removed where they still are. Doing it again changes nothing.
///
/// # Errors
/// When it has to be tried again; what was done until then does no harm.
pub async fn fold(
    store: &dyn Folding,
    user: &UserId,
    put: &[Event],
    removed: &[Event],
    now: Time,
) -> Result<(), FoldError> {
    for turn in 0..TURNS {
        if turn > 0 {
            tokio::time::sleep(jittered(WAIT * 2_u32.pow(turn - 1))).await;
        }
        let basis = store.basis(user).await?;
        let covered = |event: &Event| basis.erased_until.is_some_and(|until| event.occurred_at <= until);
        if !removed.iter().all(covered) {
            return Err(FoldError::TombstoneMissing);
        }
        let folded = basis.profile.clone().join(Profile::of(put)).forget(basis.erased_until);
        let nothing_to_write = folded == basis.profile || (folded.is_empty() && basis.revision.is_none());
        if !nothing_to_write {
            if store.save(user, &folded, basis.revision.as_deref(), now).await? == Saved::Changed {
                continue;
            }
            // An erasure that began since the tombstone was read may have looked for the profile before it was there.
            if store.erased_until(user).await? != basis.erased_until {
                continue;
            }
        }
        if let Some(until) = basis.erased_until {
            for event in put.iter().filter(|event| covered(event)) {
                store.remove(user, &event.event_id, until).await?;
            }
        }
        return Ok(());
    }
    Err(FoldError::Contended)
}

/// Between nothing and `most`, so that two that met don't meet again.
pub(super) fn jittered(most: Duration) -> Duration {
    let mut byte = [0_u8; 1];
    // Without randomness both wait for the whole time, and one of them was first anyway.
    let part = getrandom::fill(&mut byte).map_or(255, |()| byte[0]);
    most.mul_f64(f64::from(part) / 255.0)
}

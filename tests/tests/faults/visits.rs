//! Requests to infer that come to a proxy, and which of them are there at the same time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A client who gives up on one connection asks again over another, and closes the first one meanwhile: within this the
/// two are one.
const GIVING_UP: Duration = Duration::from_millis(200);

#[derive(Default)]
pub(crate) struct Visits(Mutex<State>);

#[derive(Default)]
struct State {
    all: usize,
    overlaps: usize,
    /// Those that are there, by their number, and when another came while they were.
    there: HashMap<usize, Option<Instant>>,
}

/// One of them, until its reply is delivered or its client is gone.
pub(crate) struct Visit<'a> {
    visits: &'a Visits,
    number: usize,
    is_answered: bool,
}

impl Visits {
    pub(crate) fn begin(&self) -> Visit<'_> {
        let mut state = self.state();
        let now = Instant::now();
        state.there.values_mut().for_each(|met| _ = met.get_or_insert(now));
        state.all += 1;
        let number = state.all;
        state.there.insert(number, None);
        Visit { visits: self, number, is_answered: false }
    }

    /// How many came so far.
    pub(crate) fn all(&self) -> usize {
        self.state().all
    }

    /// How many are there at this moment.
    pub(crate) fn now(&self) -> usize {
        self.state().there.len()
    }

    /// How many that have ended were there together with a later one, except to ask once more.
    pub(crate) fn overlaps(&self) -> usize {
        self.state().overlaps
    }

    /// Forgets what overlapped so far.
    pub(crate) fn forget_overlaps(&self) {
        self.state().overlaps = 0;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visit<'_> {
    /// Ends it with its reply delivered.
    pub(crate) fn answered(mut self) {
        self.is_answered = true;
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let mut state = self.visits.state();
        let Some(met) = state.there.remove(&self.number).flatten() else { return };
        if self.is_answered || met.elapsed() > GIVING_UP {
            state.overlaps += 1;
        }
    }
}

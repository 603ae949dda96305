//! One process for all the tests that run at the same moment.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use anyhow::Result;

/// What tests use in common, for as long as one of them does.
#[derive(Debug)]
pub(crate) struct InCommon<T>(Mutex<Weak<T>>);

impl<T> InCommon<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Weak::new()))
    }

    /// The one that runs, else a new one.
    ///
    /// # Panics
    /// When it does not start.
    pub(crate) fn get(&self, start: impl FnOnce() -> Result<T>) -> Arc<T> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        running.upgrade().unwrap_or_else(|| {
            let started = Arc::new(start().unwrap_or_else(|error| panic!("{error:#}")));
            *running = Arc::downgrade(&started);
            started
        })
    }
}

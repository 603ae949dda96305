//! A few tests at a time: a server in Python answers some hundred calls a second, whatever the number of cores, and the
//! store gives a call up after two seconds.

use std::sync::{Condvar, Mutex};

const AT_A_TIME: u32 = 2;

static RUNNING: Mutex<u32> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

/// A test's turn, until it is dropped. A test that took two at once could wait for itself.
pub(crate) struct Turn(());

impl Turn {
    pub(crate) fn wait() -> Self {
        let running = RUNNING.lock().unwrap();
        *ENDED.wait_while(running, |running| *running >= AT_A_TIME).unwrap() += 1;
        Self(())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *RUNNING.lock().unwrap() -= 1;
        ENDED.notify_one();
    }
}

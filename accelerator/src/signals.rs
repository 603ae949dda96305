//! What the process is told by signals.

use std::io;

use tokio::signal::unix::{self, SignalKind};

/// A signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// SIGHUP: read again what can have changed.
    Reload,
    /// SIGINT or SIGTERM: stop. What a shell says of a process that the signal ended, 128 and its number.
    Stop(i32),
}

/// Takes signals from [`Signals::register`] on; before it they end the process.
#[derive(Debug)]
pub(crate) struct Signals {
    hangup: unix::Signal,
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Signals {
    /// Takes them from now on.
    pub(crate) fn register() -> io::Result<Self> {
        Ok(Self {
            hangup: unix::signal(SignalKind::hangup())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
        })
    }

    /// The next one; it may have come before this is called.
    pub(crate) async fn next(&mut self) -> Told {
        let stop = |kind: SignalKind| Told::Stop(128 + kind.as_raw_value());
        tokio::select! {
            _ = self.hangup.recv() => Told::Reload,
            _ = self.interrupt.recv() => stop(SignalKind::interrupt()),
            _ = self.terminate.recv() => stop(SignalKind::terminate()),
        }
    }
}

//! The log: on Lambda JSON lines that are CloudWatch metrics too, else lines for people. Never bodies, keys or ids of
//! people. What the lines and metrics mean is in `docs/operations.md`.

mod emf;
mod requests;
mod work;

use std::io::{self, IsTerminal};
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::SubscriberBuilder;
use tracing_subscriber::fmt::format::{DefaultFields, Format, Json, JsonFields};

use crate::config::{self, ConfigError};
use emf::Emitter;

pub use requests::logged;
pub use work::{Dependency, Folding, authorized, breaker, failed, folded, link};

/// Lines as flat as those of [`Emitter`], with the request that they are about.
fn json<F, W>(
    log: SubscriberBuilder<DefaultFields, Format, F, W>,
) -> SubscriberBuilder<JsonFields, Format<Json>, F, W> {
    log.json().flatten_event(true).with_span_list(false)
}

#[cfg(test)]
mod tests;

/// Who reads the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// CloudWatch, or whatever collects the lines of a container: one JSON object a line, on standard output.
    Machines,
    /// A person at a terminal: on standard error, out of the way of results.
    People,
}

/// Where records become lines with metrics in them; nowhere when people read the log. Lines are written at once and
/// without a thread of their own: Lambda freezes the process as soon as the answer is out.
static EMITTER: OnceLock<Emitter> = OnceLock::new();

/// Starts logging; a second call changes nothing.
///
/// # Errors
/// When `RUST_LOG` can't be read, or `MARQUEE_SERVICE` where machines read the log.
pub fn start(audience: Audience) -> Result<(), ConfigError> {
    let filter = config::log_filter()?;
    let filter = EnvFilter::builder().parse_lossy(filter.as_deref().unwrap_or("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter);
    // Only a second call fails, and the first one's choice stands.
    let _ = match audience {
        Audience::Machines => {
            let service = config::service_name()?;
            let started = json(log).try_init();
            started.map(|()| _ = EMITTER.set(Emitter::new(&service, io::stdout())))
        }
        Audience::People => {
            let color = io::stderr().is_terminal();
            log.compact().with_target(false).with_ansi(color).with_writer(io::stderr).try_init()
        }
    };
    Ok(())
}

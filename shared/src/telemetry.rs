//! The log: JSON lines on Lambda, for people on a terminal. Never bodies, keys or ids of people.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::api::Problem;
use crate::api::http::RequestId;
use crate::api::recommendation::{Reason, Receipt};
use crate::config::{self, ConfigError};

/// Who reads the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// CloudWatch: one JSON object a line, on standard output.
    Machines,
    /// A person at a terminal: on standard error, out of the way of results.
    People,
}

/// Starts logging; a second call changes nothing.
///
/// # Errors
/// When `RUST_LOG` can't be read.
pub fn start(audience: Audience) -> Result<(), ConfigError> {
    let filter = config::log_filter()?;
    let filter = EnvFilter::builder().parse_lossy(filter.as_deref().unwrap_or("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter);
    // Only a second call fails, and the first one's choice stands.
    let _ = match audience {
        Audience::Machines => log.json().flatten_event(true).with_current_span(false).try_init(),
        Audience::People => {
            let color = std::io::stderr().is_terminal();
            log.compact().with_target(false).with_ansi(color).with_writer(std::io::stderr).try_init()
        }
    };
    Ok(())
}

/// One line a request: its route as the gateway names it, how it ended and, where there is one, the receipt. Never bodies
/// or ids of people.
pub fn request(route: &str, id: &RequestId, outcome: Result<Option<&Receipt>, &Problem>) {
    let request_id = id.0.as_str();
    match outcome {
        Ok(Some(receipt)) => tracing::info!(
            route,
            request_id,
            status = 200,
            rung = receipt.rung.name(),
            reason = receipt.reason.map(Reason::name),
            model_version = receipt.model.version,
            elapsed_ms = receipt.elapsed_ms,
            "answered"
        ),
        Ok(None) => tracing::info!(route, request_id, status = 200, "answered"),
        Err(problem) => {
            tracing::info!(
                route,
                request_id,
                status = problem.status(),
                code = problem.code.name(),
                "refused"
            );
        }
    }
}

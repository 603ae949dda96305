//! Looks, each minute, at the link to each accelerator: whether it says that the model is ready, and answers a query as it
//! should. What it finds is a metric, and is noted in the table, where a new environment of `recommend` reads it.

use std::sync::Arc;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use futures_util::future::join_all;
use serde::Serialize;
use shared::accelerator::Link;
use shared::api::history::Time;
use shared::recommend::Recommending;
use shared::store::{LinkNote, NotingLinks, StoreError};
use shared::telemetry::{self, Dependency};
use tokio::time::Instant;

/// What was found, for whoever invokes the function by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The links, in the order in which the accelerators are asked.
    pub links: Vec<LinkReport>,
}

/// What was found of one link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LinkReport {
    /// The accelerator's name.
    pub accelerator: String,
    /// Whether it answered as it should.
    pub up: bool,
    /// Why it is not up.
    pub error: Option<String>,
}

/// What was found could not be noted; it was measured all the same.
#[derive(Debug, thiserror::Error)]
#[error("the state of {unnoted} of {links} links could not be noted: {last}")]
pub struct NotNoted {
    unnoted: usize,
    links: usize,
    last: StoreError,
}

/// What the function stands on.
#[derive(Debug)]
pub struct State {
    /// The model, whose catalogue says which model is asked for, and the links.
    pub recommending: Recommending,
    /// Where the links' state is noted.
    pub notes: Arc<dyn NotingLinks>,
}

/// Looks at every link at once; what the event says makes no difference.
///
/// # Errors
/// When something could not be noted, after everything was tried.
pub async fn handle(_: EventBridgeEvent, state: &State) -> Result<Report, NotNoted> {
    let links = join_all(state.recommending.links().iter().map(|link| look(link))).await;
    let notes = links.iter().map(|LinkReport { accelerator, up, .. }| async move {
        let note = LinkNote { accelerator: accelerator.clone(), up: *up, checked_at: Time::now() };
        state.notes.note(&note).await
    });
    let failures: Vec<StoreError> = join_all(notes).await.into_iter().filter_map(Result::err).collect();
    for error in &failures {
        telemetry::failed(Dependency::Store, "note", error);
    }
    match failures.last() {
        Some(last) => Err(NotNoted { unnoted: failures.len(), links: links.len(), last: last.clone() }),
        None => Ok(Report { links }),
    }
}

async fn look(link: &Link) -> LinkReport {
    let started = Instant::now();
    let outcome = link.check().await;
    telemetry::link(link.name(), outcome.is_ok(), started.elapsed());
    let error = outcome.err().map(|error| error.to_string());
    if let Some(error) = &error {
        telemetry::failed(Dependency::Accelerator, "check", &format!("{}: {error}", link.name()));
    }
    LinkReport { accelerator: link.name().to_owned(), up: error.is_none(), error }
}

#[cfg(test)]
mod tests;

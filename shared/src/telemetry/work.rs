//! Lines about what is no request of a client: folding, authorizing, and dependencies that fail.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use metrique::emf::{EntryDimensions, SetEntryDimensions};
use metrique::writer::Entry;
use metrique::writer::unit::AsCount;
use tracing::Level;

use super::EMITTER;
use super::emf::{Emitter, Record, count};

/// What became of a batch of records from the table's stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Folding {
    /// Records in the batch.
    pub records: usize,
    /// Events that are now in a profile; those that were there before among them.
    pub folded: usize,
    /// Records that the stream will bring again.
    pub failed: usize,
    /// From the batch's arrival to its end.
    pub elapsed: Duration,
}

/// Logs what became of a batch of records.
pub fn folded(folding: &Folding) {
    match EMITTER.get() {
        Some(emitter) => folding.emit(emitter),
        None => folding.tell(),
    }
}

impl Folding {
    pub(super) fn emit(&self, emitter: &Emitter) {
        emitter.emit(&FoldingLine {
            records: count(self.records),
            folded: count(self.folded),
            failed: count(self.failed),
            latency: self.elapsed,
        });
    }

    fn tell(&self) {
        let Self { records, folded, failed, elapsed } = self;
        if *failed > 0 {
            tracing::warn!(records, folded, failed, ?elapsed, "not every record was folded");
        } else {
            tracing::debug!(records, folded, ?elapsed, "folded");
        }
    }
}

#[derive(Entry)]
struct FoldingLine {
    #[entry(name = "StreamRecords")]
    records: AsCount<u64>,
    #[entry(name = "FoldedEvents")]
    folded: AsCount<u64>,
    #[entry(name = "FailedRecords")]
    failed: AsCount<u64>,
    #[entry(name = "FoldLatency")]
    latency: Duration,
}

impl Record for FoldingLine {
    fn message(&self) -> &'static str {
        "folded"
    }

    fn level(&self) -> Level {
        if *self.failed > 0 { Level::WARN } else { Level::INFO }
    }
}

/// Logs whether a caller may use a route, as the gateway names it. `key_id` is the name of the caller's key, where it
/// has a known one, never the key; `reason` says why not.
pub fn authorized(route: &str, allowed: bool, key_id: Option<&str>, reason: Option<&'static str>) {
    let verdict = Verdict { route, allowed, key_id, reason };
    match EMITTER.get() {
        Some(emitter) => verdict.emit(emitter),
        None => verdict.tell(),
    }
}

pub(super) struct Verdict<'a> {
    pub(super) route: &'a str,
    pub(super) allowed: bool,
    pub(super) key_id: Option<&'a str>,
    pub(super) reason: Option<&'static str>,
}

impl Verdict<'_> {
    pub(super) fn emit(&self, emitter: &Emitter) {
        emitter.emit(&AuthorizationLine {
            route: self.route,
            key_id: self.key_id,
            reason: self.reason,
            authorizations: count(1),
            denials: count((!self.allowed).into()),
        });
    }

    fn tell(&self) {
        let Self { route, allowed, key_id, reason } = *self;
        if allowed {
            tracing::debug!(route, key_id, "allowed");
        } else {
            tracing::info!(route, key_id, reason, "denied");
        }
    }
}

#[derive(Entry)]
struct AuthorizationLine<'r> {
    route: &'r str,
    key_id: Option<&'r str>,
    reason: Option<&'static str>,
    #[entry(name = "Authorizations")]
    authorizations: AsCount<u64>,
    #[entry(name = "Denials")]
    denials: AsCount<u64>,
}

impl Record for AuthorizationLine<'_> {
    fn message(&self) -> &'static str {
        if *self.denials > 0 { "denied" } else { "allowed" }
    }

    fn level(&self) -> Level {
        Level::INFO
    }
}

/// What a function leans on and can answer without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependency {
    /// People's state.
    Store,
    /// Secrets Manager.
    Secrets,
    /// The accelerator.
    Accelerator,
}

impl Dependency {
    /// The name in logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Secrets => "secrets",
            Self::Accelerator => "accelerator",
        }
    }
}

/// Logs that a dependency failed in what it was asked for: `operation` names that in one word, `error` says what
/// happened and holds no id of a person, no body and no key.
pub fn failed(dependency: Dependency, operation: &'static str, error: &dyn fmt::Display) {
    let failure = Failure { dependency, operation, error: error.to_string() };
    match EMITTER.get() {
        Some(emitter) => failure.emit(emitter),
        None => failure.tell(),
    }
}

pub(super) struct Failure {
    pub(super) dependency: Dependency,
    pub(super) operation: &'static str,
    pub(super) error: String,
}

impl Failure {
    pub(super) fn emit(&self, emitter: &Emitter) {
        emitter.emit(&FailureLine {
            dimensions: SetEntryDimensions { dimensions: BY_DEPENDENCY },
            dependency: self.dependency.name(),
            operation: self.operation,
            error: &self.error,
            failures: count(1),
        });
    }

    fn tell(&self) {
        let Self { dependency, operation, error } = self;
        tracing::warn!(dependency = dependency.name(), operation, error, "a dependency failed");
    }
}

const BY_DEPENDENCY: EntryDimensions =
    EntryDimensions::new_static(&[Cow::Borrowed(&[Cow::Borrowed("dependency")])]);

#[derive(Entry)]
struct FailureLine<'r> {
    #[entry(flatten)]
    dimensions: SetEntryDimensions,
    dependency: &'static str,
    operation: &'static str,
    error: &'r str,
    #[entry(name = "DependencyFailures")]
    failures: AsCount<u64>,
}

impl Record for FailureLine<'_> {
    fn message(&self) -> &'static str {
        "a dependency failed"
    }

    fn level(&self) -> Level {
        Level::WARN
    }
}

/// Logs that the breaker of an accelerator opened, or closed again.
pub fn breaker(accelerator: &str, opened: bool) {
    let change = BreakerChange { accelerator, opened };
    match EMITTER.get() {
        Some(emitter) => change.emit(emitter),
        None => change.tell(),
    }
}

pub(super) struct BreakerChange<'a> {
    pub(super) accelerator: &'a str,
    pub(super) opened: bool,
}

impl BreakerChange<'_> {
    pub(super) fn emit(&self, emitter: &Emitter) {
        let Self { accelerator, opened } = *self;
        emitter.emit(&BreakerLine {
            accelerator,
            opened: count(opened.into()),
            closed: count((!opened).into()),
        });
    }

    fn tell(&self) {
        let Self { accelerator, opened } = *self;
        if opened {
            tracing::warn!(accelerator, "the breaker opened: answers come from the function");
        } else {
            tracing::info!(accelerator, "the breaker closed: the accelerator answers again");
        }
    }
}

#[derive(Entry)]
struct BreakerLine<'r> {
    accelerator: &'r str,
    #[entry(name = "BreakerOpened")]
    opened: AsCount<u64>,
    #[entry(name = "BreakerClosed")]
    closed: AsCount<u64>,
}

impl Record for BreakerLine<'_> {
    fn message(&self) -> &'static str {
        if *self.opened > 0 { "the breaker opened" } else { "the breaker closed" }
    }

    fn level(&self) -> Level {
        if *self.opened > 0 { Level::WARN } else { Level::INFO }
    }
}

/// Logs what was found when the link to an accelerator was looked at, and how long that took.
pub fn link(accelerator: &str, up: bool, elapsed: Duration) {
    let check = LinkCheck { accelerator, up, elapsed };
    match EMITTER.get() {
        Some(emitter) => check.emit(emitter),
        None => check.tell(),
    }
}

pub(super) struct LinkCheck<'a> {
    pub(super) accelerator: &'a str,
    pub(super) up: bool,
    pub(super) elapsed: Duration,
}

impl LinkCheck<'_> {
    pub(super) fn emit(&self, emitter: &Emitter) {
        let Self { accelerator, up, elapsed } = *self;
        emitter.emit(&LinkLine { accelerator, up: count(up.into()), latency: elapsed });
    }

    fn tell(&self) {
        let Self { accelerator, up, elapsed } = *self;
        if up {
            tracing::info!(accelerator, ?elapsed, "the link is up");
        } else {
            tracing::warn!(accelerator, ?elapsed, "the link is down");
        }
    }
}

#[derive(Entry)]
struct LinkLine<'r> {
    accelerator: &'r str,
    #[entry(name = "LinkUp")]
    up: AsCount<u64>,
    #[entry(name = "LinkLatency")]
    latency: Duration,
}

impl Record for LinkLine<'_> {
    fn message(&self) -> &'static str {
        if *self.up > 0 { "the link is up" } else { "the link is down" }
    }

    fn level(&self) -> Level {
        if *self.up > 0 { Level::INFO } else { Level::WARN }
    }
}

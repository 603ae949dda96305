//! The course of a fault, from before it begins to when all is well again.

use std::time::Instant;

use anyhow::{Result, ensure};

use super::proxy::Manner;
use super::stage::{CALLERS, Setting, Stage};
use super::wishes::{Outcome, Store};
use super::{HUNG, until};

/// Requests that are answered under each fault, beside those that meet its beginning and its end.
pub(crate) const REQUESTS: usize = 2_000;
/// Requests around a fault's beginning: a third before it, and after it many times more than it takes to open the breaker.
pub(crate) const AROUND: usize = 150;
/// Requests that show that all is well.
pub(crate) const WELL: usize = 200;
/// Failures in a row that open the breaker.
pub(crate) const OPENING: usize = 3;
/// Answers that may tell of the fault before the breaker is open: a success that was on its way when it began lets two
/// failures before it be forgotten, and whoever waits when it opens tells of the fault too.
pub(crate) const TELLING: usize = (OPENING - 1) * CALLERS + (OPENING - 1) + CALLERS;
pub(crate) const TOP: Outcome = Outcome::Accelerator;
pub(crate) const OPEN: Outcome = Outcome::Function("accelerator_open");
pub(crate) const TIMEOUT: Outcome = Outcome::Function("accelerator_timeout");
pub(crate) const UNREACHABLE: Outcome = Outcome::Function("accelerator_unreachable");
pub(crate) const REJECTED: Outcome = Outcome::Function("accelerator_rejected");
pub(crate) const INVALID_OUTPUT: Outcome = Outcome::Function("accelerator_invalid_output");
pub(crate) const INSUFFICIENT: Outcome = Outcome::Function("accelerator_insufficient");

/// A fault that lasts.
pub(crate) struct Fault<'a> {
    /// What answers say while the breaker hasn't opened.
    pub(crate) reason: Outcome,
    /// Whether requests arrive at the proxy, so that probes can be counted.
    pub(crate) arrives: bool,
    pub(crate) begin: &'a (dyn Fn(&Stage) + Sync),
    pub(crate) end: &'a (dyn Fn(&Stage) + Sync),
}

impl Fault<'_> {
    /// Lets it begin under load, last, and end under load; then begin once more before requests that come one by one.
    pub(crate) fn runs_its_course(&self, stage: &Stage) -> Result<()> {
        stage.ask_until_top()?;
        stage.ask(WELL)?.only(&[&TOP])?;

        let around = stage.ask_around(AROUND, AROUND / 3, || (self.begin)(stage))?;
        let around = around.only(&[&TOP, &self.reason, &OPEN])?;
        ensure!((OPENING..=TELLING).contains(&around.of(&self.reason)), "{around}");
        self.is_left_alone(stage)?;

        (self.end)(stage);
        stage.ask_until_top()?.only(&[&TOP, &OPEN])?;
        stage.ask(WELL)?.only(&[&TOP])?;

        (self.begin)(stage);
        self.is_found_out(stage)
    }

    /// The third failure opens the breaker.
    fn is_found_out(&self, stage: &Stage) -> Result<()> {
        let outcomes = stage.ask_in_turn(OPENING + 1)?;
        assert_eq!(outcomes, [&[self.reason; OPENING][..], &[OPEN]].concat());
        stage.is_calm();
        Ok(())
    }

    /// No request waits for the accelerator, and probes come one at a time.
    pub(crate) fn is_left_alone(&self, stage: &Stage) -> Result<()> {
        let visits = stage.proxy.visits();
        until("those who gave up are gone", || Ok(visits.now() == 0))?;
        visits.forget_overlaps();
        let before = visits.all();
        stage.ask(REQUESTS)?.only(&[&OPEN])?;
        let since = Instant::now();
        while self.arrives && visits.all() == before {
            ensure!(since.elapsed() < HUNG, "nobody probes");
            stage.ask(WELL)?.only(&[&OPEN])?;
        }
        assert_eq!(visits.overlaps(), 0, "probes at the same time");
        Ok(())
    }
}

/// The course of a fault that is the proxy's manner.
pub(crate) fn fault(manner: Manner, reason: Outcome) -> impl FnOnce(Store) -> Result<()> {
    move |store| {
        let stage = Stage::set(Setting::of(store), |_| ())?;
        let fault = Fault {
            reason,
            arrives: !matches!(manner, Manner::Refuses | Manner::NeverConnects),
            begin: &|stage| stage.proxy.becomes(manner),
            end: &|stage| stage.proxy.becomes(Manner::Honest),
        };
        fault.runs_its_course(&stage)
    }
}

/// A fault that was there before the service was. Whether that found out by itself or by the first requests is its own
/// affair.
pub(crate) fn is_left_alone_from_the_start(stage: &Stage, reason: Outcome) -> Result<()> {
    let outcomes = stage.ask_in_turn(OPENING + 1)?;
    let (last, first) = outcomes.split_last().expect("some were asked for");
    assert!(*last == OPEN && first.iter().all(|outcome| [reason, OPEN].contains(outcome)), "{outcomes:?}");
    Fault { reason, arrives: false, begin: &|_| (), end: &|_| () }.is_left_alone(stage)?;
    stage.is_calm();
    Ok(())
}

//! Which rung answers: a state machine without a clock, without chance, without waiting.
//!
//! It is told what was asked of the accelerator, then what came and when, in whatever order, and says whether to wait or
//! which rung answers and why. Times are since the request came. The async shell around it is in `ask.rs`.

use std::time::Duration;

use crate::api::recommendation::{Reason, Rung};

/// What was asked of the accelerator at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Nothing: there is none, or there is no history to ask it about.
    Nothing,
    /// Nothing, for its breaker isn't closed.
    Open,
    /// A list.
    Called,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The function came up with its own answer.
    Function(OwnAnswer),
    /// The accelerator replied, or failed.
    Accelerator(Reply),
    /// Time passed.
    Tick,
}

/// What the function came up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OwnAnswer {
    /// A valid list.
    Ranked,
    /// There is no known history to make one of.
    NothingKnown,
    /// A list that breaks a rule.
    Invalid,
}

/// What came of asking the accelerator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// A valid list, with enough left after the rules.
    Ranked,
    /// Nothing of use; why.
    Failed(Reason),
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Wait for what happens next, but no longer than to the cut-off.
    Wait,
    /// Answer.
    Answer(Verdict),
}

/// The rung that answers, and why it is no better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) rung: Rung,
    /// What kept the accelerator from answering.
    pub(super) accelerator: Option<Reason>,
    /// What kept the function from it.
    pub(super) function: Option<Reason>,
}

impl Verdict {
    /// Why the rung is not the best one configured: what kept the highest one.
    pub(super) fn reason(&self) -> Option<Reason> {
        self.accelerator.or(self.function)
    }

    /// Everything that kept a rung from answering.
    pub(super) fn degraded(&self) -> impl Iterator<Item = Reason> {
        self.accelerator.into_iter().chain(self.function)
    }
}

/// One request's way to its rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ladder {
    cut_off: Duration,
    accelerator: Above,
    function: Option<OwnAnswer>,
    verdict: Option<Verdict>,
}

/// How far the accelerator is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Above {
    Nothing,
    Waiting,
    Ranked,
    Failed(Reason),
}

impl Ladder {
    /// A request whose accelerator may reply until the cut-off, and not at it.
    pub(super) const fn new(start: Start, cut_off: Duration) -> Self {
        let accelerator = match start {
            Start::Nothing => Above::Nothing,
            Start::Open => Above::Failed(Reason::AcceleratorOpen),
            Start::Called => Above::Waiting,
        };
        Self { cut_off, accelerator, function: None, verdict: None }
    }

    /// Takes note of what happened, `at` which time. Once it has decided, it stays decided.
    pub(super) fn on(&mut self, event: Event, at: Duration) -> Decision {
        if self.verdict.is_none() {
            self.note(event, at);
            self.verdict = self.decide();
        }
        self.verdict.map_or(Decision::Wait, Decision::Answer)
    }

    fn note(&mut self, event: Event, at: Duration) {
        // First the time: what comes at the cut-off comes too late, whatever it is.
        if self.accelerator == Above::Waiting && at >= self.cut_off {
            self.accelerator = Above::Failed(Reason::AcceleratorTimeout);
        }
        match event {
            Event::Tick => {}
            Event::Function(own) => self.function = self.function.or(Some(own)),
            Event::Accelerator(reply) if self.accelerator == Above::Waiting => {
                self.accelerator = match reply {
                    Reply::Ranked => Above::Ranked,
                    Reply::Failed(reason) => Above::Failed(reason),
                };
            }
            Event::Accelerator(_) => {}
        }
    }

    fn decide(&self) -> Option<Verdict> {
        let accelerator = match self.accelerator {
            Above::Waiting => return None,
            Above::Ranked => {
                return Some(Verdict { rung: Rung::Accelerator, accelerator: None, function: None });
            }
            Above::Nothing => None,
            Above::Failed(reason) => Some(reason),
        };
        let (rung, function) = match self.function? {
            OwnAnswer::Ranked => (Rung::Function, None),
            OwnAnswer::NothingKnown => (Rung::Popular, Some(Reason::NoKnownHistory)),
            OwnAnswer::Invalid => (Rung::Popular, Some(Reason::FunctionInvalidOutput)),
        };
        Some(Verdict { rung, accelerator, function })
    }
}

#[cfg(test)]
mod tests;

//! Asking the accelerator beside the function's own work: the thin shell around the [`Ladder`].

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot::Receiver;
use tokio::time::{Instant, timeout_at};

use super::ladder::{Decision, Event, Ladder, OwnAnswer, Reply, Start, Verdict};
use crate::accelerator::{Asked, CallError, Link, Ranked};
use crate::api::recommendation::{DeadlineMs, Reason};
use crate::model::Attraction;

/// The part of a deadline that is kept for what follows the accelerator's reply: the rules, checking, writing the answer.
const RESERVE: f64 = 0.1;
/// The least of it: ten times what that takes over 10,000 items, on a processor that others use too.
const RESERVE_LEAST: Duration = Duration::from_millis(10);

/// When the accelerator's reply must be there, from the request's arrival.
pub(super) fn cut_off(deadline: DeadlineMs) -> Duration {
    let deadline = Duration::from_millis(deadline.get());
    deadline - deadline.mul_f64(RESERVE).max(RESERVE_LEAST)
}

/// A question to the accelerator that is on its way, or why it is not.
pub(super) struct Question {
    start: Start,
    reply: Option<Receiver<Result<Ranked, CallError>>>,
}

impl Question {
    /// Asks the first link whose breaker is closed for at least `limit` rows, to be there before `by`. With no history
    /// there is nothing to ask.
    pub(super) async fn ask(links: &[Arc<Link>], history: &[Attraction], limit: usize, by: Instant) -> Self {
        if links.is_empty() || history.is_empty() {
            return Self { start: Start::Nothing, reply: None };
        }
        for link in links {
            if let Asked::Called(reply) = link.ask(history, limit, by) {
                // Lets it be sent before the function's own work takes the thread.
                tokio::task::yield_now().await;
                return Self { start: Start::Called, reply: Some(reply) };
            }
        }
        Self { start: Start::Open, reply: None }
    }

    /// What the ladder comes to, `own` being the function's answer, and the accelerator's list where that is what answers.
    /// `judge` applies the rules to it.
    pub(super) async fn climb<L>(
        mut self,
        started: Instant,
        cut_off: Duration,
        own: OwnAnswer,
        judge: impl FnOnce(Ranked) -> Option<L>,
    ) -> (Verdict, Option<L>) {
        let mut ladder = Ladder::new(self.start, cut_off);
        let mut decision = ladder.on(Event::Function(own), started.elapsed());
        let mut list = None;
        let mut judge = Some(judge);
        loop {
            match decision {
                Decision::Answer(verdict) => return (verdict, list),
                Decision::Wait => {
                    let (event, at) = self.next(started, cut_off).await;
                    let event = match event {
                        None => Event::Tick,
                        Some(Err(reason)) => Event::Accelerator(Reply::Failed(reason)),
                        Some(Ok(ranked)) => {
                            list = judge.take().and_then(|judge| judge(ranked));
                            Event::Accelerator(match list {
                                Some(_) => Reply::Ranked,
                                None => Reply::Failed(Reason::AcceleratorInsufficient),
                            })
                        }
                    };
                    decision = ladder.on(event, at);
                }
            }
        }
    }

    /// What happens next, and when: the accelerator's reply, or the cut-off.
    async fn next(
        &mut self,
        started: Instant,
        cut_off: Duration,
    ) -> (Option<Result<Ranked, Reason>>, Duration) {
        let Some(reply) = &mut self.reply else { return (None, cut_off) };
        let event = match timeout_at(started + cut_off, reply).await {
            Err(_) => {
                // Whoever asked sees that the time is over at the same instant: the breaker hears of it first.
                tokio::task::yield_now().await;
                // Whatever the clock says by now: it was told that the time is over.
                return (None, started.elapsed().max(cut_off));
            }
            Ok(Ok(Ok(ranked))) => Ok(ranked),
            Ok(Ok(Err(error))) => Err(error.reason()),
            // The task that asked is gone: its runtime ends.
            Ok(Err(_)) => Err(Reason::AcceleratorUnreachable),
        };
        (Some(event), started.elapsed())
    }
}

#[cfg(test)]
mod tests;

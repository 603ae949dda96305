//! When to ask an accelerator, and when to leave it alone: a circuit breaker (Nygard 2007, "Release It!").
//!
//! It opens after [`FAILURES`] failures in a row. While it isn't closed no request waits for the accelerator: when the time
//! is up one probe runs beside the requests, and its outcome alone closes the breaker or opens it for twice as long. It
//! has neither a clock nor chance of its own: both are handed in.
//!
//! Breakers on crates.io let requests through to find out whether they may close, which here would make a person wait for
//! a machine that is known to be gone.

use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row that open it: one may be chance, and each costs a request its whole deadline.
pub const FAILURES: u32 = 3;
/// For how long it opens first: an interruption of the link is mostly over after it.
pub const OPEN_FIRST: Duration = Duration::from_secs(1);
/// The longest it opens for, before chance adds up to a half: an accelerator that is back is used again within 45 s.
pub const OPEN_MOST: Duration = Duration::from_secs(30);
/// How long a probe may take. What a healthy accelerator answers in milliseconds is then no longer slow but lost.
pub const PROBE_LIMIT: Duration = Duration::from_secs(1);
/// When a probe of which nothing is heard counts as lost: its process was frozen, and thawed long after.
const PROBE_LOST: Duration = Duration::from_secs(5);

/// The breaker of one accelerator, in one process.
#[derive(Debug)]
pub struct Breaker {
    state: State,
    /// Counts the times it opened, closed or probed, so that what began before is known as old.
    generation: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant, wait: Duration },
    Probing { since: Instant, wait: Duration },
}

/// What a breaker lets a request do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Ask, and say how it went.
    Call(Ticket),
    /// Don't ask.
    Skip,
    /// Don't ask; but beside the request let one probe run, and say how it went.
    SkipAndProbe(Ticket),
}

/// Names a call or a probe, for [`Breaker::record`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    generation: u64,
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It opened, from closed.
    Opened,
    /// It closed.
    Closed,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: State::Closed { failures: 0 }, generation: 0 }
    }
}

impl Breaker {
    /// Whether requests may ask.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// What a request may do at this instant.
    pub fn admit(&mut self, now: Instant) -> Admission {
        let wait = match self.state {
            State::Closed { .. } => return Admission::Call(Ticket { generation: self.generation }),
            State::Open { until, wait } if now >= until => wait,
            State::Probing { since, wait } if now >= since + PROBE_LOST => wait,
            State::Open { .. } | State::Probing { .. } => return Admission::Skip,
        };
        self.enter(State::Probing { since: now, wait });
        Admission::SkipAndProbe(Ticket { generation: self.generation })
    }

    /// Takes note of how a call or a probe went. What began before the breaker last changed says nothing any more.
    /// `chance` is a number from 0 to 1.
    pub fn record(&mut self, ticket: Ticket, good: bool, now: Instant, chance: f64) -> Option<Change> {
        if ticket.generation != self.generation {
            return None;
        }
        match (self.state, good) {
            (State::Closed { .. }, true) => {
                self.state = State::Closed { failures: 0 };
                None
            }
            (State::Closed { failures }, false) if failures + 1 < FAILURES => {
                self.state = State::Closed { failures: failures + 1 };
                None
            }
            (State::Closed { .. }, false) => {
                self.open(OPEN_FIRST, now, chance);
                Some(Change::Opened)
            }
            (State::Probing { .. }, true) => {
                self.enter(State::Closed { failures: 0 });
                Some(Change::Closed)
            }
            (State::Probing { wait, .. }, false) => {
                self.open((wait * 2).min(OPEN_MOST), now, chance);
                None
            }
            (State::Open { .. }, _) => None,
        }
    }

    /// Takes note of what somebody else found a moment ago: down opens a closed breaker, which probes soon; up lets an open
    /// one probe at once.
    pub fn hear(&mut self, up: bool, now: Instant, chance: f64) -> Option<Change> {
        match self.state {
            State::Closed { .. } if !up => {
                self.open(OPEN_FIRST, now, chance);
                Some(Change::Opened)
            }
            State::Open { wait, .. } if up => {
                self.state = State::Open { until: now, wait };
                None
            }
            _ => None,
        }
    }

    /// Opens for the wait and up to half of it more or less, so that many processes don't come back in one instant.
    fn open(&mut self, wait: Duration, now: Instant, chance: f64) {
        let until = now + wait.mul_f64(0.5 + chance.clamp(0.0, 1.0));
        self.enter(State::Open { until, wait });
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.generation += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::time::{advance, pause};

    use super::*;

    fn ticket(admission: Admission) -> Ticket {
        match admission {
            Admission::Call(ticket) | Admission::SkipAndProbe(ticket) => ticket,
            Admission::Skip => panic!("nothing was let through"),
        }
    }

    /// A breaker that opened this instant.
    fn opened(chance: f64) -> Breaker {
        let mut breaker = Breaker::default();
        for failure in 1..=FAILURES {
            let ticket = ticket(breaker.admit(Instant::now()));
            let change = breaker.record(ticket, false, Instant::now(), chance);
            assert_eq!(change, (failure == FAILURES).then_some(Change::Opened));
        }
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn the_third_failure_in_a_row_opens_it_and_a_success_between_starts_the_count_anew() {
        let mut breaker = Breaker::default();
        let now = Instant::now();
        for good in [false, false, true, false, false] {
            let ticket = ticket(breaker.admit(now));
            assert_eq!(breaker.record(ticket, good, now, 0.5), None);
        }
        let ticket = ticket(breaker.admit(now));
        assert_eq!(breaker.record(ticket, false, now, 0.5), Some(Change::Opened));
        assert_eq!(breaker.admit(now), Admission::Skip);
    }

    #[tokio::test(start_paused = true)]
    async fn while_it_is_not_closed_there_is_one_probe_at_a_time_and_its_outcome_counts_alone() {
        let mut breaker = opened(0.5);
        advance(OPEN_FIRST - Duration::from_millis(1)).await;
        assert_eq!(breaker.admit(Instant::now()), Admission::Skip);
        advance(Duration::from_millis(1)).await;
        let probe = breaker.admit(Instant::now());
        assert!(matches!(probe, Admission::SkipAndProbe(_)));
        assert_eq!(breaker.admit(Instant::now()), Admission::Skip, "one is on its way");
        assert_eq!(breaker.record(ticket(probe), true, Instant::now(), 0.5), Some(Change::Closed));
        assert!(matches!(breaker.admit(Instant::now()), Admission::Call(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn each_probe_that_fails_doubles_the_wait_up_to_the_most() {
        let mut breaker = opened(0.5);
        let mut wait = OPEN_FIRST;
        for _ in 0..10 {
            advance(wait - Duration::from_millis(1)).await;
            assert_eq!(breaker.admit(Instant::now()), Admission::Skip);
            advance(Duration::from_millis(1)).await;
            let probe = ticket(breaker.admit(Instant::now()));
            assert_eq!(breaker.record(probe, false, Instant::now(), 0.5), None);
            wait = (wait * 2).min(OPEN_MOST);
        }
        assert_eq!(wait, OPEN_MOST);
    }

    #[tokio::test(start_paused = true)]
    async fn chance_spreads_the_return_between_a_half_and_one_and_a_half_of_the_wait() {
        for (chance, factor) in [(0.0, 0.5), (1.0, 1.5)] {
            let mut breaker = opened(chance);
            let wait = OPEN_FIRST.mul_f64(factor);
            advance(wait - Duration::from_millis(1)).await;
            assert_eq!(breaker.admit(Instant::now()), Admission::Skip);
            advance(Duration::from_millis(1)).await;
            assert!(matches!(breaker.admit(Instant::now()), Admission::SkipAndProbe(_)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_began_before_it_changed_says_nothing_any_more() {
        let mut breaker = Breaker::default();
        let early = ticket(breaker.admit(Instant::now()));
        breaker = {
            for _ in 0..FAILURES {
                breaker.record(early, false, Instant::now(), 0.0);
            }
            breaker
        };
        assert_eq!(breaker.record(early, true, Instant::now(), 0.0), None);
        assert_eq!(breaker.admit(Instant::now()), Admission::Skip);
        advance(OPEN_FIRST).await;
        let probe = ticket(breaker.admit(Instant::now()));
        assert_eq!(breaker.record(early, true, Instant::now(), 0.0), None, "a late success is no probe");
        assert!(!breaker.is_closed());
        assert_eq!(breaker.record(probe, true, Instant::now(), 0.0), Some(Change::Closed));
        assert_eq!(breaker.record(early, false, Instant::now(), 0.0), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_lost_in_a_frozen_process_is_made_again() {
        let mut breaker = opened(0.0);
        advance(OPEN_FIRST).await;
        let lost = ticket(breaker.admit(Instant::now()));
        advance(PROBE_LOST).await;
        let probe = ticket(breaker.admit(Instant::now()));
        assert_eq!(breaker.record(lost, true, Instant::now(), 0.0), None);
        assert_eq!(breaker.record(probe, true, Instant::now(), 0.0), Some(Change::Closed));
    }

    #[tokio::test(start_paused = true)]
    async fn what_others_found_opens_it_or_lets_it_probe_at_once() {
        let mut breaker = Breaker::default();
        assert_eq!(breaker.hear(true, Instant::now(), 0.5), None);
        assert_eq!(breaker.hear(false, Instant::now(), 0.5), Some(Change::Opened));
        assert_eq!(breaker.hear(false, Instant::now(), 0.5), None);
        assert_eq!(breaker.admit(Instant::now()), Admission::Skip);
        assert_eq!(breaker.hear(true, Instant::now(), 0.5), None, "a probe of our own has to find it too");
        assert!(matches!(breaker.admit(Instant::now()), Admission::SkipAndProbe(_)));
    }

    #[derive(Clone, Copy, Debug)]
    enum Act {
        Pass(u64),
        Admit,
        Record(usize, bool),
        Hear(bool),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            (0..20_000_u64).prop_map(Act::Pass),
            Just(Act::Admit),
            (0..8_usize, any::<bool>()).prop_map(|(which, good)| Act::Record(which, good)),
            any::<bool>().prop_map(Act::Hear),
        ]
    }

    proptest! {
        /// Whatever happens in whatever order: never two probes within the time of one, never a call while it isn't closed,
        /// and it is never shut for longer than the longest wait.
        #[test]
        fn the_rules_hold_in_every_order(acts in proptest::collection::vec((act(), 0.0..=1.0), 1..200)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(async {
                pause();
                let mut breaker = Breaker::default();
                let mut tickets = Vec::new();
                let mut probe: Option<(Ticket, Instant)> = None;
                let mut skipped_since: Option<Instant> = None;
                for (act, chance) in acts {
                    let now = Instant::now();
                    match act {
                        Act::Pass(millis) => advance(Duration::from_millis(millis)).await,
                        Act::Admit => match breaker.admit(now) {
                            Admission::Call(ticket) => {
                                assert!(breaker.is_closed());
                                tickets.push(ticket);
                                skipped_since = None;
                            }
                            Admission::SkipAndProbe(ticket) => {
                                assert!(probe.is_none_or(|(_, since)| now >= since + PROBE_LOST));
                                probe = Some((ticket, now));
                                tickets.push(ticket);
                                skipped_since = None;
                            }
                            Admission::Skip => {
                                let since = *skipped_since.get_or_insert(now);
                                assert!(now < since + OPEN_MOST.mul_f64(1.5).max(PROBE_LOST));
                            }
                        },
                        Act::Record(which, good) if which < tickets.len() => {
                            let ticket = tickets.swap_remove(which);
                            let was_closed = breaker.is_closed();
                            let change = breaker.record(ticket, good, now, chance);
                            if probe.is_some_and(|(probe, _)| probe == ticket) {
                                probe = None;
                                skipped_since = None;
                            } else if !was_closed {
                                assert_eq!(change, None, "only a probe counts");
                            }
                        }
                        Act::Record(..) => {}
                        Act::Hear(up) => _ = breaker.hear(up, now, chance),
                    }
                }
            });
        }
    }
}

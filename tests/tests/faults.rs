//! Whatever the accelerator does, every request is answered as it should be and in time, and the receipt says from where
//! and why; and when the accelerator is well again, it is used again.
//!
//! Each test is one fault: a real service, and for its accelerator a proxy that misbehaves on order.

mod accelerator;
mod catalogue;
mod certificates;
mod content;
mod credentials;
mod door;
mod manners;
mod message;
mod processes;
mod proxy;
mod silence;
mod stage;
mod tensors;
mod wishes;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use tokio::runtime::Runtime;

use certificates::Authority;
use proxy::{Manner, Proxy};
use stage::{CALLERS, Setting, Stage};
use wishes::{Outcome, Store};

/// Requests that are answered under each fault, beside those that meet its beginning and its end.
const REQUESTS: usize = 2_000;
/// Requests around a fault's beginning: a third before it, and after it many times more than it takes to open the breaker.
const AROUND: usize = 150;
/// Requests that show that all is well.
const WELL: usize = 200;
/// Failures in a row that open the breaker.
const OPENING: usize = 3;
/// Answers that may tell of the fault before the breaker is open: a success that was on its way when it began lets two
/// failures before it be forgotten, and whoever waits when it opens tells of the fault too.
const TELLING: usize = (OPENING - 1) * CALLERS + (OPENING - 1) + CALLERS;
/// Longer than anything takes that is waited for.
const HUNG: Duration = Duration::from_secs(60);

const TOP: Outcome = Outcome::Accelerator;
const OPEN: Outcome = Outcome::Function("accelerator_open");
const TIMEOUT: Outcome = Outcome::Function("accelerator_timeout");
const UNREACHABLE: Outcome = Outcome::Function("accelerator_unreachable");
const REJECTED: Outcome = Outcome::Function("accelerator_rejected");
const INVALID_OUTPUT: Outcome = Outcome::Function("accelerator_invalid_output");
const INSUFFICIENT: Outcome = Outcome::Function("accelerator_insufficient");

/// A runtime for what misbehaves beside the tests.
fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Waits until something is so.
fn until(what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let since = Instant::now();
    while !is_so()? {
        ensure!(since.elapsed() < HUNG, "it doesn't come to pass that {what}");
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// A fault that lasts.
struct Fault<'a> {
    /// What answers say while the breaker hasn't opened.
    reason: Outcome,
    /// Whether requests arrive at the proxy, so that probes can be counted.
    arrives: bool,
    begin: &'a (dyn Fn(&Stage) + Sync),
    end: &'a (dyn Fn(&Stage) + Sync),
}

impl Fault<'_> {
    /// Lets it begin under load, last, and end under load; then begin once more before requests that come one by one.
    fn runs_its_course(&self, stage: &Stage) -> Result<()> {
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
    fn is_left_alone(&self, stage: &Stage) -> Result<()> {
        let proxy = &stage.proxy;
        until("those who gave up are gone", || Ok(proxy.visits_now() <= 1))?;
        proxy.count_anew();
        let before = proxy.visits();
        stage.ask(REQUESTS)?.only(&[&OPEN])?;
        let since = Instant::now();
        while self.arrives && proxy.visits() == before {
            ensure!(since.elapsed() < HUNG, "nobody probes");
            stage.ask(WELL)?.only(&[&OPEN])?;
        }
        assert!(proxy.most_at_once() <= 1, "{} probes at once", proxy.most_at_once());
        Ok(())
    }
}

/// The course of a fault that is the proxy's manner.
fn fault(store: Store, manner: Manner, reason: Outcome) -> Result<()> {
    let stage = Stage::set(Setting::of(store), |_| ())?;
    let fault = Fault {
        reason,
        arrives: !matches!(manner, Manner::Refuses | Manner::NeverConnects),
        begin: &|stage| stage.proxy.becomes(manner),
        end: &|stage| stage.proxy.becomes(Manner::Honest),
    };
    fault.runs_its_course(&stage)
}

macro_rules! faults {
    ($($name:ident: $manner:expr, $reason:expr;)*) => {
        $(#[test]
        fn $name() -> Result<()> {
            fault(Store::Up, $manner, $reason)
        })*

        mod with_the_store_down {
            use super::*;

            $(#[test]
            fn $name() -> Result<()> {
                fault(Store::Down, $manner, $reason)
            })*
        }
    };
}

faults! {
    refused: Manner::Refuses, UNREACHABLE;
    blackholed_at_connect: Manner::NeverConnects, TIMEOUT;
    blackholed_after_connect: Manner::NeverAnswers, TIMEOUT;
    reset_mid_reply: Manner::Resets, UNREACHABLE;
    closed_mid_reply: Manner::BreaksOff, UNREACHABLE;
    one_byte_per_50_ms: Manner::Drips, TIMEOUT;
    late_by_one_millisecond: Manner::IsLate, TIMEOUT;
    another_catalogue_404: Manner::Changes(content::another_catalogue), REJECTED;
    broken_500: Manner::Changes(content::broken), REJECTED;
    unavailable_503: Manner::Changes(content::unavailable), REJECTED;
    redirected_307: Manner::Changes(content::redirected), REJECTED;
    truncated_body: Manner::Changes(content::truncated), INVALID_OUTPUT;
    wrong_shape: Manner::Changes(content::of_wrong_shape), INVALID_OUTPUT;
    wrong_datatype: Manner::Changes(content::of_wrong_datatype), INVALID_OUTPUT;
    not_a_number: Manner::Changes(content::with_nan), INVALID_OUTPUT;
    infinity: Manner::Changes(content::with_infinity), INVALID_OUTPUT;
    negative_infinity: Manner::Changes(content::with_negative_infinity), INVALID_OUTPUT;
    unknown_row: Manner::Changes(content::with_unknown_row), INVALID_OUTPUT;
    negative_row: Manner::Changes(content::with_negative_row), INVALID_OUTPUT;
    duplicate: Manner::Changes(content::with_duplicate), INVALID_OUTPUT;
    unsorted: Manner::Changes(content::unsorted), INVALID_OUTPUT;
    html: Manner::Changes(content::html), INVALID_OUTPUT;
}

/// Nobody should take more of a reply that has no end: a thousand rows are 8 KB, and what lies in sockets is some MB.
const SWALLOWED: usize = 16_000_000;

#[test]
fn oversized() -> Result<()> {
    oversized_reply(true)
}

#[test]
fn oversized_and_unannounced() -> Result<()> {
    oversized_reply(false)
}

fn oversized_reply(announced: bool) -> Result<()> {
    let stage = Stage::set(Setting::of(Store::Up), |_| ())?;
    let fault = Fault {
        reason: INVALID_OUTPUT,
        arrives: true,
        begin: &|stage| stage.proxy.becomes(Manner::Floods { announced }),
        end: &|stage| stage.proxy.becomes(Manner::Honest),
    };
    fault.runs_its_course(&stage)?;
    let taken = stage.proxy.taken();
    assert!((1..SWALLOWED).contains(&taken), "{taken} bytes were taken of a reply that is no ranking");
    Ok(())
}

#[test]
fn expired_certificate() -> Result<()> {
    let authority = Authority::new();
    let credentials = Some(json!({"ca": authority.pem()}));
    let setting = Setting { credentials, ..Setting::of(Store::Up) };
    let stage = Stage::set(setting, |proxy| proxy.shows(authority.certificate()))?;
    let fault = Fault {
        reason: UNREACHABLE,
        arrives: false,
        begin: &|stage| stage.proxy.shows(authority.expired_certificate()),
        end: &|stage| stage.proxy.shows(authority.certificate()),
    };
    fault.runs_its_course(&stage)
}

#[test]
fn wrong_authority_until_the_credentials_name_it() -> Result<()> {
    let authorities = [Authority::new(), Authority::new()];
    let turn = AtomicUsize::new(0);
    let credentials = Some(json!({"ca": authorities[0].pem()}));
    let setting = Setting { credentials, ..Setting::of(Store::Up) };
    let stage = Stage::set(setting, |proxy| proxy.shows(authorities[0].certificate()))?;
    let fault = Fault {
        reason: UNREACHABLE,
        arrives: false,
        begin: &|stage| {
            let turn = turn.fetch_add(1, Ordering::Relaxed) + 1;
            stage.proxy.shows(authorities[turn % 2].certificate());
        },
        end: &|stage| {
            let authority = &authorities[turn.load(Ordering::Relaxed) % 2];
            stage.credentials.replace(&json!({"ca": authority.pem()})).unwrap();
        },
    };
    fault.runs_its_course(&stage)
}

#[test]
fn unauthorized_401_until_the_credentials_hold_the_token() -> Result<()> {
    let turn = AtomicUsize::new(0);
    let credentials = Some(json!({"token": "of no use"}));
    let stage = Stage::set(Setting { credentials, ..Setting::of(Store::Up) }, |_| ())?;
    let demanding = [content::unauthorized::<1>, content::unauthorized::<2>];
    let fault = Fault {
        reason: REJECTED,
        arrives: true,
        begin: &|stage| {
            let turn = turn.fetch_add(1, Ordering::Relaxed);
            stage.proxy.becomes(Manner::Changes(demanding[turn]));
        },
        end: &|stage| stage.credentials.replace(&json!({"token": content::token(1)})).unwrap(),
    };
    fault.runs_its_course(&stage)
}

/// A fault that was there before the service was. Whether that found out by itself or by the first requests is its own
/// affair.
fn is_left_alone_from_the_start(stage: &Stage, reason: Outcome) -> Result<()> {
    let outcomes = stage.ask_in_turn(OPENING + 1)?;
    let (last, first) = outcomes.split_last().expect("some were asked for");
    assert!(*last == OPEN && first.iter().all(|outcome| [reason, OPEN].contains(outcome)), "{outcomes:?}");
    Fault { reason, arrives: false, begin: &|_| (), end: &|_| () }.is_left_alone(stage)?;
    stage.is_calm();
    Ok(())
}

#[test]
fn a_name_that_does_not_resolve() -> Result<()> {
    // Too long for a label of a name, so that no resolver is asked beyond this machine.
    let url = Some(format!("http://{}.invalid:8000", "x".repeat(64)));
    let stage = Stage::set(Setting { url, ..Setting::of(Store::Up) }, |_| ())?;
    is_left_alone_from_the_start(&stage, UNREACHABLE)
}

#[test]
fn every_dependency_blackholed_before_start() -> Result<()> {
    let stage = Stage::set(Setting::of(Store::Down), |proxy| proxy.becomes(Manner::NeverConnects))?;
    is_left_alone_from_the_start(&stage, TIMEOUT)?;
    stage.proxy.becomes(Manner::Honest);
    stage.ask_until_top()?.only(&[&TOP, &OPEN])?;
    stage.ask(WELL)?.only(&[&TOP])?;
    Ok(())
}

#[test]
fn connections_that_died_without_a_word_while_idle_are_replaced_in_time() -> Result<()> {
    let stage = Stage::set(Setting::of(Store::Up), |_| ())?;
    stage.ask_until_top()?;
    stage.ask(WELL)?.only(&[&TOP])?;
    stage.proxy.becomes(Manner::Forgets);
    // From when on an idle connection is not trusted: documented as a second.
    thread::sleep(Duration::from_millis(1_100));
    stage.ask(REQUESTS)?.only(&[&TOP])?;
    stage.is_calm();
    Ok(())
}

#[test]
fn connections_that_die_without_a_word_in_use_are_given_up() -> Result<()> {
    let stage = Stage::set(Setting::of(Store::Up), |_| ())?;
    stage.ask_until_top()?;
    stage.ask(WELL)?.only(&[&TOP])?;
    stage.proxy.becomes(Manner::Forgets);
    stage.ask(REQUESTS)?.only(&[&TOP, &TIMEOUT, &OPEN])?;
    // Nothing has to be healed: new connections work.
    stage.ask_until_top()?.only(&[&TOP, &TIMEOUT, &OPEN])?;
    stage.ask(WELL)?.only(&[&TOP])?;
    Ok(())
}

#[test]
fn connections_that_are_closed_are_replaced_unnoticed() -> Result<()> {
    let stage = Stage::set(Setting::of(Store::Up), |_| ())?;
    stage.ask_until_top()?;
    for _ in 0..REQUESTS / 20 {
        stage.proxy.cuts_off();
        assert_eq!(stage.ask_in_turn(20)?, [TOP; 20]);
    }
    Ok(())
}

#[test]
fn flapping_every_200_ms() -> Result<()> {
    let stage = Stage::set(Setting::of(Store::Up), |_| ())?;
    stage.ask_until_top()?;
    let is_over = AtomicBool::new(false);
    let tally = thread::scope(|scope| {
        scope.spawn(|| {
            for manner in [Manner::Refuses, Manner::Honest].into_iter().cycle() {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                stage.proxy.becomes(manner);
                thread::sleep(Duration::from_millis(200));
            }
        });
        let tally = stage.ask(REQUESTS);
        is_over.store(true, Ordering::Relaxed);
        tally
    });
    tally?.only(&[&TOP, &UNREACHABLE, &OPEN])?;
    stage.proxy.becomes(Manner::Honest);
    stage.ask_until_top()?.only(&[&TOP, &OPEN])?;
    stage.ask(WELL)?.only(&[&TOP])?;
    Ok(())
}

#[test]
fn lists_that_are_too_short_after_the_rules_are_no_failures() -> Result<()> {
    let short = |proxy: &Proxy| proxy.becomes(Manner::Changes(content::short));
    let stage = Stage::set(Setting::of(Store::Up), short)?;
    let tally = stage.ask(REQUESTS)?.only(&[&TOP, &INSUFFICIENT])?;
    assert!(tally.of(&TOP) > 0 && tally.of(&INSUFFICIENT) > REQUESTS / 2, "{tally}");
    Ok(())
}

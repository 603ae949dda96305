//! Whatever the accelerator does, every request is answered as it should be and in time, and the receipt says from where
//! and why; and when the accelerator is well again, it is used again.
//!
//! Each test is one fault: a real service, and for its accelerator a proxy that misbehaves on order.

mod accelerator;
mod catalogue;
mod certificates;
mod content;
mod course;
mod credentials;
mod door;
mod manners;
mod message;
mod processes;
mod proxy;
mod silence;
mod special;
mod stage;
mod tensors;
mod visits;
mod wishes;

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::runtime::Runtime;

use course::{
    INVALID_OUTPUT, OPEN, REJECTED, TIMEOUT, TOP, UNREACHABLE, WELL, fault, is_left_alone_from_the_start,
};
use proxy::Manner;
use stage::{Setting, Stage};
use wishes::Store;

/// Longer than anything takes that is waited for.
const HUNG: Duration = Duration::from_secs(60);

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

/// Each fault is a test, and once more with the store down at the same time.
macro_rules! faults {
    ($($name:ident: $course:expr;)*) => {
        $(#[test]
        fn $name() -> Result<()> {
            $course(Store::Up)
        })*

        mod with_the_store_down {
            use super::*;

            $(#[test]
            fn $name() -> Result<()> {
                $course(Store::Down)
            })*
        }
    };
}

faults! {
    refused: fault(Manner::Refuses, UNREACHABLE);
    blackholed_at_connect: fault(Manner::NeverConnects, TIMEOUT);
    blackholed_after_connect: fault(Manner::NeverAnswers, TIMEOUT);
    reset_mid_reply: fault(Manner::Resets, UNREACHABLE);
    closed_mid_reply: fault(Manner::BreaksOff, UNREACHABLE);
    one_byte_per_50_ms: fault(Manner::Drips, TIMEOUT);
    late_by_one_millisecond: fault(Manner::IsLate, TIMEOUT);
    another_catalogue_404: fault(Manner::Changes(content::another_catalogue), REJECTED);
    broken_500: fault(Manner::Changes(content::broken), REJECTED);
    unavailable_503: fault(Manner::Changes(content::unavailable), REJECTED);
    redirected_307: fault(Manner::Changes(content::redirected), REJECTED);
    truncated_body: fault(Manner::Changes(content::truncated), INVALID_OUTPUT);
    wrong_shape: fault(Manner::Changes(content::of_wrong_shape), INVALID_OUTPUT);
    wrong_datatype: fault(Manner::Changes(content::of_wrong_datatype), INVALID_OUTPUT);
    not_a_number: fault(Manner::Changes(content::with_nan), INVALID_OUTPUT);
    infinity: fault(Manner::Changes(content::with_infinity), INVALID_OUTPUT);
    negative_infinity: fault(Manner::Changes(content::with_negative_infinity), INVALID_OUTPUT);
    unknown_row: fault(Manner::Changes(content::with_unknown_row), INVALID_OUTPUT);
    negative_row: fault(Manner::Changes(content::with_negative_row), INVALID_OUTPUT);
    duplicate: fault(Manner::Changes(content::with_duplicate), INVALID_OUTPUT);
    unsorted: fault(Manner::Changes(content::unsorted), INVALID_OUTPUT);
    html: fault(Manner::Changes(content::html), INVALID_OUTPUT);
    oversized: special::oversized;
    oversized_and_unannounced: special::oversized_and_unannounced;
    expired_certificate: special::expired_certificate;
    wrong_authority_until_the_credentials_name_it: special::wrong_authority;
    unauthorized_401_until_the_credentials_hold_the_token: special::unauthorized;
    a_name_that_does_not_resolve: special::unresolved;
    connections_that_died_without_a_word_while_idle_are_replaced_in_time: special::dead_while_idle;
    connections_that_die_without_a_word_in_use_are_given_up: special::dead_in_use;
    connections_that_are_closed_are_replaced_unnoticed: special::closed;
    flapping_every_200_ms: special::flapping;
    lists_that_are_too_short_after_the_rules_are_no_failures: special::too_short;
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

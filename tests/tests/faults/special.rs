//! Faults that are more than a manner of the proxy.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::certificates::Authority;
use super::content;
use super::course::{
    Fault, INSUFFICIENT, INVALID_OUTPUT, OPEN, REJECTED, REQUESTS, TIMEOUT, TOP, UNREACHABLE, WELL,
    is_left_alone_from_the_start,
};
use super::proxy::{Manner, Proxy};
use super::stage::{Setting, Stage};
use super::wishes::Store;

/// Nobody should take more of a reply that has no end: a thousand rows are 8 KB, and what lies in sockets is some MB.
const SWALLOWED: usize = 16_000_000;

pub(crate) fn oversized(store: Store) -> Result<()> {
    oversized_reply(store, true)
}

pub(crate) fn oversized_and_unannounced(store: Store) -> Result<()> {
    oversized_reply(store, false)
}

fn oversized_reply(store: Store, announced: bool) -> Result<()> {
    let stage = Stage::set(Setting::of(store), |_| ())?;
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

pub(crate) fn expired_certificate(store: Store) -> Result<()> {
    let authority = Authority::new();
    let credentials = Some(json!({"ca": authority.pem()}));
    let setting = Setting { credentials, ..Setting::of(store) };
    let stage = Stage::set(setting, |proxy| proxy.shows(authority.certificate()))?;
    let fault = Fault {
        reason: UNREACHABLE,
        arrives: false,
        begin: &|stage| stage.proxy.shows(authority.expired_certificate()),
        end: &|stage| stage.proxy.shows(authority.certificate()),
    };
    fault.runs_its_course(&stage)
}

pub(crate) fn wrong_authority(store: Store) -> Result<()> {
    let authorities = [Authority::new(), Authority::new()];
    let turn = AtomicUsize::new(0);
    let credentials = Some(json!({"ca": authorities[0].pem()}));
    let setting = Setting { credentials, ..Setting::of(store) };
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

pub(crate) fn unauthorized(store: Store) -> Result<()> {
    let turn = AtomicUsize::new(0);
    let credentials = Some(json!({"token": content::token(0)}));
    let stage = Stage::set(Setting { credentials, ..Setting::of(store) }, |_| ())?;
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

pub(crate) fn unresolved(store: Store) -> Result<()> {
    // Too long for a label of a name, so that no resolver is asked beyond this machine.
    let url = Some(format!("http://{}.invalid:8000", "x".repeat(64)));
    let stage = Stage::set(Setting { url, ..Setting::of(store) }, |_| ())?;
    is_left_alone_from_the_start(&stage, UNREACHABLE)
}

pub(crate) fn dead_while_idle(store: Store) -> Result<()> {
    let stage = Stage::set(Setting::of(store), |_| ())?;
    stage.ask_until_top()?;
    stage.ask(WELL)?.only(&[&TOP])?;
    stage.proxy.becomes(Manner::Forgets);
    // From when on an idle connection is not trusted: documented as a second.
    thread::sleep(Duration::from_millis(1_100));
    stage.ask(REQUESTS)?.only(&[&TOP])?;
    stage.is_calm();
    Ok(())
}

pub(crate) fn dead_in_use(store: Store) -> Result<()> {
    let stage = Stage::set(Setting::of(store), |_| ())?;
    stage.ask_until_top()?;
    stage.ask(WELL)?.only(&[&TOP])?;
    stage.proxy.becomes(Manner::Forgets);
    stage.ask(REQUESTS)?.only(&[&TOP, &TIMEOUT, &OPEN])?;
    // Nothing has to be healed: new connections work.
    stage.ask_until_top()?.only(&[&TOP, &TIMEOUT, &OPEN])?;
    stage.ask(WELL)?.only(&[&TOP])?;
    Ok(())
}

pub(crate) fn closed(store: Store) -> Result<()> {
    let stage = Stage::set(Setting::of(store), |_| ())?;
    stage.ask_until_top()?;
    for _ in 0..REQUESTS / 20 {
        stage.proxy.cuts_off();
        assert_eq!(stage.ask_in_turn(20)?, [TOP; 20]);
    }
    Ok(())
}

pub(crate) fn flapping(store: Store) -> Result<()> {
    let stage = Stage::set(Setting::of(store), |_| ())?;
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

pub(crate) fn too_short(store: Store) -> Result<()> {
    let short = |proxy: &Proxy| proxy.becomes(Manner::Changes(content::short));
    let stage = Stage::set(Setting::of(store), short)?;
    let tally = stage.ask(REQUESTS)?.only(&[&TOP, &INSUFFICIENT])?;
    assert!(tally.of(&TOP) > 0 && tally.of(&INSUFFICIENT) > REQUESTS / 2, "{tally}");
    Ok(())
}

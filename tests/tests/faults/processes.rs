//! The accelerator itself, a process, is stopped or killed while requests come.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Mutex;

use anyhow::Result;
use tests::{Accelerator, model_dir};

use super::course::{OPEN, REQUESTS, TIMEOUT, TOP, UNREACHABLE, WELL};
use super::stage::{Setting, Stage};
use super::wishes::{Scene, Store};

fn stage(accelerator: &Accelerator) -> Result<Stage> {
    let scene = Scene { store: Store::Up, is_backwards: false };
    let stage = Stage::set(
        Setting { scene, url: Some(accelerator.base().to_owned()), ..Setting::of(Store::Up) },
        |_| (),
    )?;
    stage.ask_until_top()?;
    stage.ask(WELL)?.only(&[&TOP])?;
    Ok(stage)
}

#[test]
fn stopping_the_accelerator_shows_in_receipts_alone_and_continuing_it_brings_it_back() -> Result<()> {
    let accelerator = Accelerator::start(model_dir())?;
    let stage = stage(&accelerator)?;
    let accelerator = Mutex::new(accelerator);
    let stop = || accelerator.lock().unwrap().stop().expect("it can be stopped");
    stage.ask_around(REQUESTS, WELL, stop)?.only(&[&TOP, &TIMEOUT, &OPEN])?;
    stage.ask(WELL)?.only(&[&OPEN])?;
    accelerator.lock().unwrap().go_on()?;
    stage.ask_until_top()?.only(&[&TOP, &OPEN])?;
    stage.ask(WELL)?.only(&[&TOP])?;
    stage.is_calm();
    Ok(())
}

#[test]
fn killing_the_accelerator_shows_in_receipts_alone_and_another_is_used_in_its_place() -> Result<()> {
    // Its port was free a moment ago, and is given to nobody else so soon.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let first = Accelerator::start_at(model_dir(), port)?;
    let stage = stage(&first)?;
    let first = Mutex::new(first);
    let kill = || first.lock().unwrap().kill().expect("it can be killed");
    stage.ask_around(REQUESTS, WELL, kill)?.only(&[&TOP, &UNREACHABLE, &OPEN])?;
    stage.ask(WELL)?.only(&[&OPEN])?;
    let _second = Accelerator::start_at(model_dir(), port)?;
    stage.ask_until_top()?.only(&[&TOP, &OPEN])?;
    stage.ask(WELL)?.only(&[&TOP])?;
    stage.is_calm();
    Ok(())
}

//! The accelerator itself, a process, is stopped or killed while requests come.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Mutex;

use anyhow::{Context, Result};
use tests::{Process, binaries, command, model_dir};

use super::course::{OPEN, REQUESTS, TIMEOUT, TOP, UNREACHABLE, WELL};
use super::stage::{Setting, Stage};
use super::wishes::{Scene, Store};

/// An accelerator of the service's own model, at this port; 0 takes a free one.
fn accelerator(port: u16) -> Result<(Mutex<Process>, String)> {
    let mut command = command(binaries().path("marquee-accelerator"));
    command.arg("--model").arg(model_dir()).args(["--listen", &format!("127.0.0.1:{port}")]);
    let mut process = Process::spawn(command)?;
    let address = |log: &str| {
        let (_, rest) = log.split_once("http://127.0.0.1:")?;
        let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let is_whole = rest.len() > port.len();
        is_whole.then(|| format!("http://127.0.0.1:{port}"))
    };
    let address = process.wait_for(address).context("the accelerator doesn't say where it listens")?;
    Ok((Mutex::new(process), address))
}

fn stage(url: String) -> Result<Stage> {
    let scene = Scene { store: Store::Up, is_backwards: false };
    let stage = Stage::set(Setting { scene, url: Some(url), ..Setting::of(Store::Up) }, |_| ())?;
    stage.ask_until_top()?;
    stage.ask(WELL)?.only(&[&TOP])?;
    Ok(stage)
}

#[test]
fn stopping_the_accelerator_shows_in_receipts_alone_and_continuing_it_brings_it_back() -> Result<()> {
    let (accelerator, url) = accelerator(0)?;
    let stage = stage(url)?;
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
    let (first, url) = accelerator(port)?;
    let stage = stage(url)?;
    let kill = || first.lock().unwrap().kill().expect("it can be killed");
    stage.ask_around(REQUESTS, WELL, kill)?.only(&[&TOP, &UNREACHABLE, &OPEN])?;
    stage.ask(WELL)?.only(&[&OPEN])?;
    let _second = accelerator(port)?;
    stage.ask_until_top()?.only(&[&TOP, &OPEN])?;
    stage.ask(WELL)?.only(&[&TOP])?;
    stage.is_calm();
    Ok(())
}

//! How long answers of `marquee serve` take while its accelerator is dead, hangs or drips, beside a service without one.
//!
//! All run at once, each with the same model, and take turns: a turn is half a second of requests at a steady rate, the
//! times counting from when each was due. The accelerators are sockets of this process. A dead one refuses connections; one
//! that hangs takes them and says nothing; one that drips begins an answer and sends a byte of it now and then.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::Process;

use super::Bench;
use crate::load::{Caller, open_loop, serve};
use crate::measure::{Contender, Samples, TakesTurns, interleave};
use crate::report::{Aim, Findings, Row, Unit};
use crate::{Options, binaries, fixture};

pub(crate) const BENCH: Bench = Bench {
    name: "link",
    about: "p99 of marquee serve without an accelerator, and with one that fails",
    run,
};

const CONNECTIONS: usize = 4;
/// Requests of a turn on each connection, and a second on all of them: far from what the service can answer.
const REQUESTS: usize = 125;
const RATE: f64 = 1_000.0;
const BETWEEN_DROPS: Duration = Duration::from_millis(20);

/// How an accelerator fails.
#[derive(Clone, Copy, Debug)]
enum Failure {
    Dead,
    Hangs,
    Drips,
}

fn run(&Options { quick, .. }: &Options) -> Result<Findings> {
    let model = fixture::artifact()?;
    let marquee = binaries::build("marquee", "marquee")?;
    let without = Service::start(&marquee, model.path(), None)?;
    let failing = [Failure::Dead, Failure::Hangs, Failure::Drips]
        .map(|failure| Ok((failure, Service::start(&marquee, model.path(), Some(&accelerator(failure)?))?)));
    let failing: Vec<_> = failing.into_iter().collect::<Result<_>>()?;

    let mut alone = Contender::new(|| without.turn());
    let mut beside: Vec<_> =
        failing.iter().map(|(failure, service)| (failure, Contender::new(|| service.turn()))).collect();
    let mut turns: Vec<&mut dyn TakesTurns> = vec![&mut alone];
    turns.extend(beside.iter_mut().map(|(_, service)| service as &mut dyn TakesTurns));
    interleave(2, if quick { 3 } else { 40 }, &mut turns)?;

    for (failure, service) in &failing {
        let receipt = &Caller::of(&service.base).answer()?["receipt"];
        ensure!(!receipt["reason"].is_null(), "{failure:?}: the receipt names no reason: {receipt}");
    }
    let p99 = |turns: &[Samples]| Samples::of(turns.iter().map(|turn| turn.percentile(0.99)));
    let slowest = |turns: &[Samples]| {
        Unit::Seconds.show(turns.iter().map(|turn| turn.percentile(1.0)).fold(0.0, f64::max))
    };
    let none = p99(&alone.samples);
    let mut longest = vec![format!("{} without one", slowest(&alone.samples))];
    let mut rows = Vec::new();
    for (failure, service) in &beside {
        let name = format!("{failure:?}").to_lowercase();
        let what = format!("serve: p99 of answers, accelerator {name}");
        longest.push(format!("{} {name}", slowest(&service.samples)));
        let row = Row::alone(what, Unit::Seconds, p99(&service.samples));
        rows.push(row.beside("no accelerator", none.clone()).aim(Aim::Ratio(1.1)));
    }
    let notes = vec![format!(
        "Link: {}; p99 of each turn of {} requests, {RATE} a second over {CONNECTIONS} connections; the first turns, in \
         which breakers open, left out. The slowest answer of all: {}.",
        fixture::description(),
        CONNECTIONS * REQUESTS,
        longest.join(", "),
    )];
    Ok(Findings { rows, notes, ..Findings::default() })
}

struct Service {
    _process: Process,
    base: String,
}

impl Service {
    fn start(marquee: &Path, model: &Path, accelerator: Option<&str>) -> Result<Self> {
        let options = accelerator.into_iter().flat_map(|url| ["--accelerator", url]);
        let (process, base) = serve(marquee, model, options)?;
        Ok(Self { _process: process, base })
    }

    /// How long the answers of a turn take.
    fn turn(&self) -> Result<Samples> {
        Ok(Samples::of(open_loop(&self.base, CONNECTIONS, REQUESTS, RATE)?))
    }
}

/// The address of an accelerator that fails so, until this process ends.
fn accelerator(failure: Failure) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no port for an accelerator")?;
    let url = format!("http://{}", listener.local_addr()?);
    match failure {
        Failure::Dead => drop(listener),
        Failure::Hangs => drop(thread::spawn(move || listener.incoming().collect::<Vec<_>>())),
        Failure::Drips => drop(thread::spawn(move || {
            listener
                .incoming()
                .flatten()
                .for_each(|connection| drop(thread::spawn(move || drip(connection))));
        })),
    }
    Ok(url)
}

/// Answers a request byte by byte, until nobody listens.
fn drip(mut connection: TcpStream) {
    const ANSWER: &[u8] =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{";
    if connection.read(&mut [0; 4_096]).is_err() {
        return;
    }
    for byte in ANSWER.iter().chain(std::iter::repeat(&b' ')) {
        if connection.write_all(&[*byte]).is_err() {
            return;
        }
        thread::sleep(BETWEEN_DROPS);
    }
}

//! CPU time of `marquee serve` a request, beside FastAPI and numpy behind gunicorn with two workers.
//!
//! Both serve the same artifact and get the same body over two connections that stay open, one request at a time on each. A
//! sample is the CPU time that all processes of a server used, in the kernel included, over the requests of that sample. How
//! long an answer takes is not compared: client and server share the cores.
//!
//! Two connections can both land on one of gunicorn's workers, which then does all the work with warmer caches and fewer
//! wake-ups. Such samples are left out and connections are made anew; so are they for each sample of ours.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;
use tests::Process;

use super::Bench;
use crate::load::{Caller, closed_loop, open_loop, serve};
use crate::measure::{Contender, Samples, interleave};
use crate::report::{Aim, Findings, Row, Unit};
use crate::{Options, binaries, fixture, machine, peer};

pub(crate) const BENCH: Bench = Bench {
    name: "serving",
    about: "CPU time of marquee serve a request, beside FastAPI, gunicorn and numpy",
    run,
};

const CONNECTIONS: usize = 2;
/// Requests of a sample on each connection.
const REQUESTS: usize = 200;
/// A worker that used less of a sample's CPU time than this share had no connection.
const SMALLEST_SHARE: f64 = 0.2;
/// How often connections are made anew for one sample.
const ATTEMPTS: usize = 50;
/// Requests a second while times are taken, and connections: a quarter of what gunicorn's workers can answer.
const STEADY_RATE: f64 = 400.0;
const STEADY_CONNECTIONS: usize = 8;
const STEADY_REQUESTS: usize = 100;
/// Connections that each ask again at once, and requests of a sample on each.
const BUSY_CONNECTIONS: usize = 16;
const BUSY_REQUESTS: usize = 100;

fn run(&Options { quick, .. }: &Options) -> Result<Findings> {
    let model = fixture::artifact()?;
    let marquee = binaries::build("marquee", "marquee")?;
    let ours = Server::marquee(&marquee, model.path())?;
    let theirs = Server::fastapi(model.path())?;
    ensure!(
        top(&ours.answer()?)? == top(&theirs.answer()?)?,
        "FastAPI's answer has other items: {} {}",
        ours.answer()?,
        theirs.answer()?
    );
    let mut left_out = 0;
    let mut serving = Contender::new(|| ours.cpu_seconds_a_request(&mut 0));
    let mut beside = Contender::new(|| theirs.cpu_seconds_a_request(&mut left_out));
    interleave(1, if quick { 3 } else { 30 }, &mut [&mut serving, &mut beside])?;
    let what = "FastAPI + gunicorn 2 workers + numpy";
    let mut rows = vec![
        Row::alone("serve: server CPU time a request", Unit::Seconds, Samples::of(serving.samples))
            .beside(what, Samples::of(beside.samples))
            .aim(Aim::Ratio(1.0 / 20.0)),
    ];
    let mut notes = vec![format!(
        "Serving: {}; {CONNECTIONS} connections; {left_out} samples in which both were one worker's left out. Steady: \
         {STEADY_RATE} requests a second over {STEADY_CONNECTIONS} connections, each timed from when it was due. Client \
         and server share the cores.",
        fixture::description()
    )];

    let mut steady = Contender::new(|| ours.steady());
    let mut steady_beside = Contender::new(|| theirs.steady());
    interleave(1, if quick { 2 } else { 20 }, &mut [&mut steady, &mut steady_beside])?;
    for (name, share) in [("median", 0.5), ("p99", 0.99)] {
        let of = |turns: &[Samples]| Samples::of(turns.iter().map(|turn| turn.percentile(share)));
        let row =
            Row::alone(format!("serve: {name} of answers, steady load"), Unit::Seconds, of(&steady.samples));
        rows.push(row.beside(what, of(&steady_beside.samples)));
    }

    let mut busy = Contender::new(|| ours.busy());
    let mut busy_beside = Contender::new(|| theirs.busy());
    interleave(1, if quick { 2 } else { 10 }, &mut [&mut busy, &mut busy_beside])?;
    let (busy, busy_beside) = (Samples::of(busy.samples), Samples::of(busy_beside.samples));
    notes.push(format!(
        "Saturated by {BUSY_CONNECTIONS} connections: {:.0} answers a second, FastAPI's {:.0}; the client takes part of \
         the cores.",
        1.0 / busy.median(),
        1.0 / busy_beside.median()
    ));
    rows.push(Row::alone("serve: time an answer, saturated", Unit::Seconds, busy).beside(what, busy_beside));

    let memory = |server: &Server| Ok::<_, anyhow::Error>(Samples::of([server.memory()?]));
    rows.push(
        Row::alone("serve: memory after that", Unit::Bytes, memory(&ours)?).beside(what, memory(&theirs)?),
    );

    let mut starting = Contender::new(|| until_first_answer(|| Server::marquee(&marquee, model.path())));
    let mut starting_beside = Contender::new(|| until_first_answer(|| Server::fastapi(model.path())));
    interleave(1, if quick { 1 } else { 7 }, &mut [&mut starting, &mut starting_beside])?;
    rows.push(
        Row::alone("serve: start until the first answer", Unit::Seconds, Samples::of(starting.samples))
            .beside(what, Samples::of(starting_beside.samples)),
    );
    Ok(Findings { rows, notes, ..Findings::default() })
}

/// Seconds from the start of a server until it has answered a request.
fn until_first_answer(start: impl Fn() -> Result<Server>) -> Result<f64> {
    let begin = Instant::now();
    start()?.answer()?;
    Ok(begin.elapsed().as_secs_f64())
}

/// The service as it is by itself.
const NO_OPTIONS: [&str; 0] = [];

/// A running server.
struct Server {
    process: Process,
    base: String,
}

impl Server {
    fn marquee(program: &Path, model: &Path) -> Result<Self> {
        let (process, base) = serve(program, model, NO_OPTIONS)?;
        Ok(Self { process, base })
    }

    fn fastapi(model: &Path) -> Result<Self> {
        let mut serve = peer::python_module("gunicorn");
        serve.args(["--workers", "2", "--worker-class", "uvicorn.workers.UvicornWorker"]);
        serve.args(["--bind", "127.0.0.1:0", "--no-control-socket", "serve:app"]).env("MODEL", model);
        let mut process = Process::spawn(serve)?;
        let started = |log: &str| log.matches("Application startup complete").count() == 2;
        let base = process.wait_for(|log| started(log).then(|| listening_at(log)).flatten());
        Ok(Self { process, base: base.context("gunicorn does not listen")? })
    }

    /// Of the processes that answer: gunicorn's workers, and else the one there is.
    fn workers(&self) -> Result<Vec<u32>> {
        let id = self.process.id();
        let path = format!("/proc/{id}/task/{id}/children");
        let children = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let children: Vec<u32> = children.split_whitespace().filter_map(|id| id.parse().ok()).collect();
        Ok(if children.is_empty() { vec![id] } else { children })
    }

    /// CPU seconds a request; `left_out` counts the samples that not all workers had a part in.
    fn cpu_seconds_a_request(&self, left_out: &mut usize) -> Result<f64> {
        let workers = self.workers()?;
        let used = || workers.iter().map(|id| cpu_seconds(*id)).collect::<Result<Vec<_>>>();
        for _ in 0..ATTEMPTS {
            let before = used()?;
            closed_loop(&self.base, CONNECTIONS, REQUESTS)?;
            let spent: Vec<f64> = used()?.iter().zip(before).map(|(after, before)| after - before).collect();
            let total: f64 = spent.iter().sum();
            if spent.iter().all(|spent| *spent >= SMALLEST_SHARE * total) {
                return Ok(total / (CONNECTIONS * REQUESTS) as f64);
            }
            *left_out += 1;
        }
        Err(anyhow!("in {ATTEMPTS} samples one worker had all connections"))
    }

    /// How long answers take under a load that leaves it time.
    fn steady(&self) -> Result<Samples> {
        let seconds = open_loop(&self.base, STEADY_CONNECTIONS, STEADY_REQUESTS, STEADY_RATE)?;
        Ok(Samples::of(seconds))
    }

    /// Seconds an answer under as many requests as it can take.
    fn busy(&self) -> Result<f64> {
        let begin = Instant::now();
        let answers = closed_loop(&self.base, BUSY_CONNECTIONS, BUSY_REQUESTS)?.len();
        Ok(begin.elapsed().as_secs_f64() / answers as f64)
    }

    fn answer(&self) -> Result<Value> {
        Caller::of(&self.base).answer()
    }

    /// All its memory: what processes share is divided among them.
    fn memory(&self) -> Result<f64> {
        let first = self.process.id();
        let mut processes = self.workers()?;
        processes.extend((!processes.contains(&first)).then_some(first));
        processes.into_iter().map(resident_bytes).sum()
    }
}

/// The ids of the items, best first.
fn top(answer: &Value) -> Result<Vec<&Value>> {
    let items = answer["items"].as_array().with_context(|| format!("no items in {answer}"))?;
    Ok(items.iter().map(|item| &item["item_id"]).collect())
}

/// CPU time so far of all threads of a process, in the kernel included.
fn cpu_seconds(process: u32) -> Result<f64> {
    let folder = format!("/proc/{process}/task");
    let mut nanoseconds = 0.0;
    for thread in fs::read_dir(&folder).with_context(|| format!("cannot read {folder}"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat")).context("a thread has ended")?;
        let used = text.split(' ').next().and_then(|number| number.parse::<f64>().ok());
        nanoseconds += used.context("no CPU time in schedstat")?;
    }
    Ok(nanoseconds / 1e9)
}

/// A process's share of the memory that is resident (Pss).
fn resident_bytes(process: u32) -> Result<f64> {
    let path = format!("/proc/{process}/smaps_rollup");
    let share = machine::field(&path, "Pss").and_then(|value| machine::kilobytes(&value));
    Ok(share.with_context(|| format!("{path} has no Pss"))? as f64 * 1024.0)
}

/// The address in gunicorn's log.
fn listening_at(log: &str) -> Option<String> {
    let (_, rest) = log.split_once("Listening at: ")?;
    Some(rest.split_whitespace().next()?.to_owned())
}

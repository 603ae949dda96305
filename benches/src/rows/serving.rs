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
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;
use tests::{Process, command};

use super::{Bench, feedback};
use crate::measure::{Contender, Samples, interleave};
use crate::report::{Aim, Findings, Row, Unit};
use crate::{Options, binaries, fixture, peer};

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
const PATIENCE: Duration = Duration::from_secs(20);

fn run(&Options { quick, .. }: &Options) -> Result<Findings> {
    let model = fixture::artifact()?;
    let ours = Server::marquee(&binaries::build("marquee", "marquee")?, model.path())?;
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
    let row = Row::alone("serve: server CPU time a request", Unit::Seconds, Samples::of(serving.samples))
        .beside("FastAPI + gunicorn 2 workers + numpy", Samples::of(beside.samples))
        .aim(Aim::Ratio(1.0 / 20.0));
    let notes = vec![format!(
        "Serving: {}; {CONNECTIONS} connections; {left_out} samples in which both were one worker's left out.",
        fixture::description()
    )];
    Ok(Findings { rows: vec![row], notes, ..Findings::default() })
}

/// A running server.
struct Server {
    process: Process,
    base: String,
}

impl Server {
    fn marquee(program: &Path, model: &Path) -> Result<Self> {
        let mut serve = command(program);
        serve.args(["serve", "--port", "0", "--store", "none", "--model"]).arg(model);
        let mut process = Process::spawn(serve)?;
        let base = process.wait_for(feedback::address).context("`marquee serve` does not listen")?;
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
            self.load()?;
            let spent: Vec<f64> = used()?.iter().zip(before).map(|(after, before)| after - before).collect();
            let total: f64 = spent.iter().sum();
            if spent.iter().all(|spent| *spent >= SMALLEST_SHARE * total) {
                return Ok(total / (CONNECTIONS * REQUESTS) as f64);
            }
            *left_out += 1;
        }
        Err(anyhow!("in {ATTEMPTS} samples one worker had all connections"))
    }

    /// The requests of a sample.
    fn load(&self) -> Result<()> {
        let base = self.base.as_str();
        let client = || -> Result<()> {
            let agent = agent();
            (0..REQUESTS).try_for_each(|_| ask(base, &agent).map(drop))
        };
        thread::scope(|scope| {
            let clients: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(client)).collect();
            clients
                .into_iter()
                .try_for_each(|client| client.join().map_err(|_| anyhow!("a client panicked"))?)
        })
    }

    fn answer(&self) -> Result<Value> {
        serde_json::from_str(&ask(&self.base, &agent())?).context("an answer that is not JSON")
    }
}

fn ask(base: &str, agent: &ureq::Agent) -> Result<String> {
    let request = agent.post(format!("{base}/v1/recommendations")).content_type("application/json");
    let mut reply = request.send(fixture::request_body()).context("no answer")?;
    reply.body_mut().read_to_string().context("the body does not arrive")
}

/// A client of one connection, which is made for its first request.
fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().proxy(None).timeout_global(Some(PATIENCE)).build().into()
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

/// The address in gunicorn's log.
fn listening_at(log: &str) -> Option<String> {
    let (_, rest) = log.split_once("Listening at: ")?;
    Some(rest.split_whitespace().next()?.to_owned())
}

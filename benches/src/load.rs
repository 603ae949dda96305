//! `marquee serve`, requests for recommendations as an app's servers send them, and how long each answer takes.

use std::ffi::OsStr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use serde_json::Value;
use tests::{Process, command};

use crate::fixture;
use crate::rows::feedback;

const PATIENCE: Duration = Duration::from_secs(20);

/// Starts `marquee serve` over a model, without a store, with these options; and says where it listens.
pub(crate) fn serve(
    marquee: &Path,
    model: &Path,
    options: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Result<(Process, String)> {
    let mut serve = command(marquee);
    serve.args(["serve", "--port", "0", "--store", "none", "--model"]).arg(model).args(options);
    let mut process = Process::spawn(serve)?;
    let base = process.wait_for(feedback::address).context("`marquee serve` does not listen")?;
    Ok((process, base))
}

/// Somebody with one connection, which is made for the first request and then kept.
pub(crate) struct Caller {
    agent: ureq::Agent,
    url: String,
}

impl Caller {
    pub(crate) fn of(base: &str) -> Self {
        let agent = ureq::Agent::config_builder().proxy(None).timeout_global(Some(PATIENCE)).build().into();
        Self { agent, url: format!("{base}/v1/recommendations") }
    }

    /// Sends the request of the fixture and waits for all of the answer.
    pub(crate) fn ask(&self) -> Result<String> {
        let request = self.agent.post(&self.url).content_type("application/json");
        let mut reply = request.send(fixture::request_body()).context("no answer")?;
        reply.body_mut().read_to_string().context("the body does not arrive")
    }

    pub(crate) fn answer(&self) -> Result<Value> {
        serde_json::from_str(&self.ask()?).context("an answer that is not JSON")
    }
}

/// Seconds until each answer, of `each` requests on each of `connections`, the next as soon as the one before is answered.
pub(crate) fn closed_loop(base: &str, connections: usize, each: usize) -> Result<Vec<f64>> {
    together(base, connections, |caller, _| {
        (0..each).map(|_| seconds_since(Instant::now(), caller)).collect()
    })
}

/// The same of `each` requests on each of `connections` that are due at even intervals, `rate` a second of all: each counts
/// from when it was due, also where the one before was late.
pub(crate) fn open_loop(base: &str, connections: usize, each: usize, rate: f64) -> Result<Vec<f64>> {
    let begin = Instant::now() + Duration::from_millis(10);
    together(base, connections, |caller, connection| {
        let due = |number: usize| {
            begin + Duration::from_secs_f64((number * connections + connection) as f64 / rate)
        };
        let wait_and_ask = |number| {
            thread::sleep(due(number).saturating_duration_since(Instant::now()));
            seconds_since(due(number), caller)
        };
        (0..each).map(wait_and_ask).collect()
    })
}

fn seconds_since(begin: Instant, caller: &Caller) -> Result<f64> {
    caller.ask()?;
    Ok(begin.elapsed().as_secs_f64())
}

/// What all connections' work comes to, each done in a thread of its own.
fn together(
    base: &str,
    connections: usize,
    work: impl Fn(&Caller, usize) -> Result<Vec<f64>> + Sync,
) -> Result<Vec<f64>> {
    let work = &work;
    thread::scope(|scope| {
        let callers: Vec<_> = (0..connections)
            .map(|connection| scope.spawn(move || work(&Caller::of(base), connection)))
            .collect();
        let mut all = Vec::new();
        for caller in callers {
            all.extend(caller.join().map_err(|_| anyhow!("a caller panicked"))??);
        }
        Ok(all)
    })
}

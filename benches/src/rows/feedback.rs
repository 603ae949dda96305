//! From feedback to its effect in `marquee serve`: a person does something, and asks until an answer counts it.
//!
//! The service runs as users run it, with the demo's model and a store in a file, and is spoken to over loopback on one
//! connection that stays open. A sample begins when an event is sent; the person likes the item that was recommended
//! first, and asks, again and again without a pause, from the moment that the event is acknowledged. It ends with the
//! first answer whose receipt counts one item more; that item must then not be recommended any more.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Process, command};

use super::Bench;
use crate::Options;
use crate::binaries;
use crate::measure::{Contender, Samples, interleave};
use crate::report::{Aim, Findings, Row, Unit};

pub(crate) const BENCH: Bench =
    Bench { name: "feedback", about: "marquee serve from an event to the answer that counts it", run };

/// Events of one person before the next person's begin.
const EVENTS_EACH: usize = 10;
/// Longer than any event takes to have its effect.
const PATIENCE: Duration = Duration::from_secs(20);
/// About what an event adds to a store.
const SYNCED_BYTES: usize = 512;

/// What became of one event.
struct Effect {
    until_taken_s: f64,
    until_counted_s: f64,
    answers: f64,
}

fn run(&Options { quick, .. }: &Options) -> Result<Findings> {
    let mut service = Service::start(&binaries::build("marquee", "marquee")?)?;
    let mut file = File::create(service.home.path().join("synced")).context("cannot make a file")?;
    let mut effects = Contender::new(|| service.next_effect());
    let mut syncs = Contender::new(|| append_and_sync(&mut file));
    let (warm_up, rounds) = if quick { (5, 30) } else { (20, 300) };
    interleave(warm_up, rounds, &mut [&mut effects, &mut syncs])?;

    let samples = |number: fn(&Effect) -> f64| Samples::of(effects.samples.iter().map(number));
    let counted = samples(|effect| effect.until_counted_s);
    let taken = samples(|effect| effect.until_taken_s);
    let after = samples(|effect| effect.until_counted_s - effect.until_taken_s);
    let answers = samples(|effect| effect.answers);
    let tail = |what: &str, samples: &Samples| {
        let show = |share| Unit::Seconds.show(samples.percentile(share));
        format!("Feedback, {what}: p95 {}, at most {}.", show(0.95), show(1.0))
    };
    let notes = vec![
        format!(
            "Feedback: the demo's model, a store in a file, {EVENTS_EACH} events a person one after the other; the {:.0}. \
             answer asked for after the acknowledgement counts the event in the median, the {:.0}. at the latest.",
            answers.median(),
            answers.percentile(1.0),
        ),
        tail("an event until an answer counts it", &counted),
        tail("POST /v1/events until its answer", &taken),
    ];
    let what = format!("append {SYNCED_BYTES} B and sync");
    Ok(Findings {
        rows: vec![
            Row::alone("serve: an event until an answer counts it", Unit::Seconds, counted)
                .aim(Aim::Each(0.1)),
            Row::alone("… of it POST /v1/events until its answer", Unit::Seconds, taken)
                .beside(what, Samples::of(syncs.samples)),
            Row::alone("… of it from then until an answer counts it", Unit::Seconds, after),
        ],
        notes,
        ..Findings::default()
    })
}

/// A running `marquee serve`, and who speaks to it.
struct Service {
    // Ended before the folder that it writes to goes.
    _process: Process,
    home: TempDir,
    base: String,
    agent: ureq::Agent,
    /// Events that were sent.
    sent: usize,
}

impl Service {
    /// With the demo's model, trained anew, and an empty store.
    fn start(marquee: &Path) -> Result<Self> {
        let home = tempfile::tempdir().context("cannot make a temporary folder")?;
        let model = home.path().join("model");
        let mut train = command(marquee);
        train.args(["train", "--demo", "--out"]).arg(&model);
        let training = Process::spawn(train)?.finish()?;
        ensure!(training.status.success(), "the demo cannot be trained: {training}");
        let mut serve = command(marquee);
        serve.args(["serve", "--port", "0", "--model"]).arg(&model);
        serve.arg("--store").arg(format!("file:{}", home.path().join("store").display()));
        let mut process = Process::spawn(serve)?;
        let base = process.wait_for(address).context("`marquee serve` does not say where it listens")?;
        let agent = ureq::Agent::config_builder().proxy(None).timeout_global(Some(PATIENCE)).build().into();
        Ok(Self { _process: process, home, base, agent, sent: 0 })
    }

    /// Sends the next event and waits for its effect.
    fn next_effect(&mut self) -> Result<Effect> {
        let person = format!("person-{}", self.sent / EVENTS_EACH);
        self.sent += 1;
        let before = self.ask(&person)?;
        let item = before["items"][0]["item_id"].as_str().context("nothing was recommended")?.to_owned();
        let event = json!({"events": [{"user_id": person, "item_id": item, "type": "like"}]});

        let sent = Instant::now();
        let reply = self.post("/v1/events", &event)?;
        let until_taken_s = sent.elapsed().as_secs_f64();
        ensure!(
            reply["accepted"].as_array().is_some_and(|taken| taken.len() == 1),
            "the event was not taken: {reply}"
        );
        let mut answers = 0.0;
        loop {
            let answer = self.ask(&person)?;
            let until_counted_s = sent.elapsed().as_secs_f64();
            answers += 1.0;
            if used(&answer)? > used(&before)? {
                let items = answer["items"].as_array().context("an answer without items")?;
                ensure!(items.iter().all(|other| other["item_id"] != item), "what was liked is shown again");
                return Ok(Effect { until_taken_s, until_counted_s, answers });
            }
            ensure!(sent.elapsed() < PATIENCE, "no answer counts the event");
        }
    }

    fn ask(&self, person: &str) -> Result<Value> {
        self.post("/v1/recommendations", &json!({"user_id": person, "k": 10}))
    }

    /// Any status but success is an error.
    fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.agent.post(format!("{}{path}", self.base)).content_type("application/json");
        let mut reply = request.send(body.to_string()).with_context(|| format!("POST {path}"))?;
        let text = reply.body_mut().read_to_string().context("the body does not arrive")?;
        serde_json::from_str(&text).with_context(|| format!("not JSON: {text}"))
    }
}

/// How many items of the person's history an answer stands on.
fn used(answer: &Value) -> Result<u64> {
    answer["receipt"]["history"]["used"].as_u64().with_context(|| format!("no receipt in {answer}"))
}

/// The address in what the service has written, once the line is complete.
pub(crate) fn address(log: &str) -> Option<String> {
    let (_, rest) = log.split_once("listening on http://")?;
    let (line, _) = rest.split_once('\n')?;
    let authority = line.split(',').next()?;
    Some(format!("http://{}", authority.trim()))
}

/// Seconds until a few bytes more of a file are on the disk: what any store of events pays at least.
fn append_and_sync(file: &mut File) -> Result<f64> {
    let bytes = [b'.'; SYNCED_BYTES];
    let started = Instant::now();
    file.write_all(&bytes).context("cannot write to a file")?;
    file.sync_data().context("cannot sync a file")?;
    Ok(started.elapsed().as_secs_f64())
}

//! Cold start of the `recommend` Lambda binary beside a bare `lambda_http` function, and the size of each; and beside
//! `similar`, our function over the same crate and model that has no AWS SDK in it: what carrying the SDK costs a start.
//!
//! A sample starts a process and ends it: the clock runs from just before the process is made until the runtime API has
//! the function's first question for an invocation, and on until it has its first answer, which is checked. CPU time and
//! peak memory are read from `/proc` when the function asks for its second invocation, idle again. The files of program
//! and model are in the page cache throughout. Both functions pay for the making of a process, for the loader and for
//! the loopback connection, a floor that the row of the empty program shows in part: it is measured from start to exit.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tests::RuntimeApi;

use super::Bench;
use crate::measure::{Contender, Samples, interleave};
use crate::report::{Aim, Findings, Row, Unit};
use crate::{Options, binaries, fixture, machine};

pub(crate) const BENCH: Bench =
    Bench { name: "cold-start", about: "the recommend function from exec to its first answer", run };

/// One cold start.
struct ColdStart {
    until_question_s: f64,
    until_answer_s: f64,
    cpu_s: f64,
    peak_bytes: f64,
}

/// A number of a cold start.
type Number = fn(&ColdStart) -> f64;

fn run(&Options { quick, .. }: &Options) -> Result<Findings> {
    let recommend = binaries::build("recommend", "recommend")?;
    let bare = binaries::build("tests", "bare")?;
    let empty = binaries::build("benches", "empty")?;
    let similar = binaries::build("similar", "similar")?;
    let model = fixture::artifact()?;
    let host = Host::new("recommend", model.path(), &fixture::recommend_event()?)?;
    let host_of_similar = Host::new("similar", model.path(), &fixture::similar_event()?)?;
    let mut ours = Contender::new(|| host.cold_start(&recommend, "\"rung\":\"function\""));
    let mut beside = Contender::new(|| host.cold_start(&bare, "\"rung\":\"constant\""));
    let mut without_sdk = Contender::new(|| host_of_similar.cold_start(&similar, "\"item_id\":\"film-"));
    let mut floor = Contender::new(|| start_to_exit(&empty));
    let (warm_up, rounds) = if quick { (1, 8) } else { (3, 100) };
    interleave(warm_up, rounds, &mut [&mut ours, &mut beside, &mut without_sdk, &mut floor])?;

    let (ours, beside, without_sdk) = (ours.samples, beside.samples, without_sdk.samples);
    let samples = |starts: &[ColdStart], number: Number| Samples::of(starts.iter().map(number));
    let row = |what: &str, unit, number: Number| {
        Row::alone(what, unit, samples(&ours, number)).beside("bare lambda_http", samples(&beside, number))
    };
    let sdk = |what: &str, unit, number: Number| {
        let what = format!("recommend, which links the SDK: {what}");
        Row::alone(what, unit, samples(&ours, number))
            .beside("similar, without it", samples(&without_sdk, number))
    };
    let size = |path: &PathBuf| -> Result<Samples> {
        let metadata = fs::metadata(path).with_context(|| format!("cannot see {}", path.display()))?;
        Ok(Samples::of([metadata.len() as f64]))
    };
    let question = row("recommend: exec to first GET /next", Unit::Seconds, |start| start.until_question_s);
    let answer = row("recommend: exec to first answer", Unit::Seconds, |start| start.until_answer_s);
    let cpu = row("recommend: CPU time until after the first answer", Unit::Seconds, |start| start.cpu_s);
    let peak = row("recommend: peak memory after the first answer", Unit::Bytes, |start| start.peak_bytes);
    let binary = Row::alone("recommend: stripped binary", Unit::Bytes, size(&recommend)?)
        .beside("bare lambda_http", size(&bare)?);
    Ok(Findings {
        rows: vec![
            question.aim(Aim::Ratio(1.5)),
            answer.aim(Aim::Ratio(2.0)),
            cpu,
            Row::alone("empty program: exec to exit", Unit::Seconds, Samples::of(floor.samples)),
            binary.aim(Aim::Ours(14e6)),
            peak.aim(Aim::Ours(48e6)),
            sdk("exec to first GET /next", Unit::Seconds, |start| start.until_question_s),
            sdk("exec to first answer", Unit::Seconds, |start| start.until_answer_s),
            sdk("peak memory", Unit::Bytes, |start| start.peak_bytes),
        ],
        notes: vec![
            format!(
                "Cold start: {}; the page cache is warm; no table is configured.",
                fixture::description()
            ),
            "Cold start of similar: another function over the same crate and model, which differs from recommend by \
             more than the AWS SDK (no body, no fold-in)."
                .to_owned(),
        ],
        ..Findings::default()
    })
}

/// Plays Lambda for the functions under test.
struct Host {
    name: &'static str,
    api: RuntimeApi,
    model: PathBuf,
    /// Where the function's log goes; the folder goes with this.
    logs: TempDir,
}

impl Host {
    /// `event` is what every start gets first.
    fn new(name: &'static str, model: &Path, event: &Value) -> Result<Self> {
        let logs = tempfile::tempdir().context("cannot make a temporary folder")?;
        let api = RuntimeApi::start(event.to_string().into_bytes())?;
        Ok(Self { name, api, model: model.to_owned(), logs })
    }

    fn log(&self) -> PathBuf {
        self.logs.path().join("function.log")
    }

    /// Starts a function, takes its first answer, which must contain `expected`, and ends it.
    fn cold_start(&self, binary: &Path, expected: &str) -> Result<ColdStart> {
        self.measure(binary, expected).with_context(|| {
            let log = fs::read_to_string(self.log()).unwrap_or_default();
            format!("no cold start of {} could be measured; its log: {log:?}", binary.display())
        })
    }

    fn measure(&self, binary: &Path, expected: &str) -> Result<ColdStart> {
        let log = File::create(self.log()).context("cannot make a file for the log")?;
        let mut command = Command::new(binary);
        command
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", self.api.address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", self.name)
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", self.name))
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "2026/01/01/[$LATEST]0")
            .env("MARQUEE_MODEL_DIR", &self.model)
            .stdin(Stdio::null())
            .stderr(log.try_clone().context("cannot share the file for the log")?)
            .stdout(log);
        self.api.arm();
        let started = Instant::now();
        let function = Running(command.spawn().context("it does not start")?);
        let question = self.api.hear_question()?;
        let (answer, reply) = self.api.hear_answer()?;
        self.api.hear_question()?;
        let (cpu_s, peak_bytes) = (function.cpu_s()?, function.peak_bytes()?);
        drop(function);
        let reply = String::from_utf8(reply).context("the answer is not text")?;
        check(&reply, expected).with_context(|| format!("it answered {reply}"))?;
        Ok(ColdStart {
            until_question_s: (question - started).as_secs_f64(),
            until_answer_s: (answer - started).as_secs_f64(),
            cpu_s,
            peak_bytes,
        })
    }
}

fn check(reply: &str, expected: &str) -> Result<()> {
    let reply: Value = serde_json::from_str(reply).context("that is not JSON")?;
    ensure!(reply["statusCode"] == 200, "that is not a success");
    let body = reply["body"].as_str().context("that has no body")?;
    ensure!(body.contains(expected), "that lacks {expected}");
    Ok(())
}

/// A process that is ended when this is dropped.
struct Running(Child);

impl Running {
    /// CPU time so far of its only thread: the first of three numbers, in nanoseconds.
    fn cpu_s(&self) -> Result<f64> {
        let path = format!("/proc/{}/schedstat", self.0.id());
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let nanoseconds = text.split(' ').next().and_then(|number| number.parse::<f64>().ok());
        Ok(nanoseconds.with_context(|| format!("{path} has no CPU time"))? / 1e9)
    }

    /// The most memory that was ever resident, mapped files included.
    fn peak_bytes(&self) -> Result<f64> {
        let path = format!("/proc/{}/status", self.0.id());
        let peak = machine::field(&path, "VmHWM").and_then(|value| machine::kilobytes(&value));
        Ok(peak.with_context(|| format!("{path} has no VmHWM"))? as f64 * 1024.0)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_to_exit(binary: &Path) -> Result<f64> {
    let mut command = Command::new(binary);
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let started = Instant::now();
    let status = command.status().with_context(|| format!("{} does not start", binary.display()))?;
    let elapsed = started.elapsed().as_secs_f64();
    ensure!(status.success(), "{} failed: {status}", binary.display());
    Ok(elapsed)
}

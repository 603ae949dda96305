//! A function under the Lambda runtime emulator, the program that `sam local invoke` runs.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::http::{Reply, Request, send};
use crate::process::{Finished, Process, command};
use crate::venv;

/// How often a start is tried again because another process took a port in between.
const STARTS: usize = 5;

/// A function that waits for events. Dropping it ends the emulator and the function.
#[derive(Debug)]
pub struct Emulator {
    process: Process,
    base: String,
}

/// What an invocation came to.
#[derive(Debug)]
pub enum Invocation {
    /// The function answered.
    Answered(Reply),
    /// The function did not start, or fell over; the emulator's status, and what it said.
    Failed(u16, String),
}

impl Emulator {
    /// Starts `bootstrap` with these environment variables and no others; the function itself starts with the first
    /// event.
    ///
    /// # Errors
    /// When the emulator does not come up.
    pub fn start<'a, V: AsRef<OsStr>>(
        bootstrap: &Path,
        variables: impl IntoIterator<Item = (&'a str, V)>,
    ) -> Result<Self> {
        let emulator = venv().emulator()?;
        let variables: Vec<_> = variables.into_iter().collect();
        for _ in 0..STARTS {
            let [address, runtime_api] = free_addresses()?;
            let mut command = command(&emulator);
            command.args([
                "--runtime-interface-emulator-address",
                &address,
                "--runtime-api-address",
                &runtime_api,
            ]);
            command.arg(bootstrap).envs(variables.iter().map(|(name, value)| (name, value)));
            let mut process = Process::spawn(command)?;
            if listens(&mut process, &address)? {
                return Ok(Self { process, base: format!("http://{address}") });
            }
            let log = process.log();
            if !log.contains("address already in use") {
                bail!("the Lambda runtime emulator does not start:\n{log}");
            }
        }
        bail!("the Lambda runtime emulator found its ports taken {STARTS} times")
    }

    /// Hands an HTTP function one event.
    ///
    /// # Errors
    /// When the emulator itself cannot be reached.
    pub fn invoke(&self, event: &Value) -> Result<Invocation> {
        Ok(match self.hand(event)? {
            Ok(answer) => Invocation::Answered(Reply::from_gateway(&answer)?),
            Err((status, said)) => Invocation::Failed(status, said),
        })
    }

    /// Hands any function one event. What it returned; or the emulator's status, and what it said, when the function
    /// failed.
    ///
    /// # Errors
    /// When the emulator itself cannot be reached.
    pub fn hand(&self, event: &Value) -> Result<Result<Value, (u16, String)>> {
        let request = Request::post("/2015-03-31/functions/function/invocations", event.to_string());
        let reply = send(&self.base, &request)?;
        if reply.status != 200 {
            return Ok(Err((reply.status, reply.body)));
        }
        let answer: Value =
            serde_json::from_str(&reply.body).with_context(|| format!("not JSON: {}", reply.body))?;
        if answer.get("errorType").is_some() {
            return Ok(Err((reply.status, reply.body)));
        }
        Ok(Ok(answer))
    }

    /// Hands the function one event that it must answer.
    ///
    /// # Errors
    /// When it does not answer, with the log.
    pub fn answer(&mut self, event: &Value) -> Result<Reply> {
        match self.invoke(event)? {
            Invocation::Answered(reply) => Ok(reply),
            Invocation::Failed(status, said) => {
                bail!("the function did not answer ({status} {said}):\n{}", self.log())
            }
        }
    }

    /// Ends emulator and function, and returns all that they wrote. While they run, the log trails behind.
    ///
    /// # Errors
    /// When they do not end.
    pub fn end(mut self) -> Result<String> {
        self.process.terminate()?;
        let Finished { stdout, stderr, .. } = self.process.finish()?;
        Ok(stdout + &stderr)
    }

    /// What emulator and function have written so far.
    pub fn log(&mut self) -> String {
        self.process.log()
    }

    /// How long the function took to start, in milliseconds, as the emulator's `INIT REPORT` line has it. Waits for
    /// that line.
    ///
    /// # Errors
    /// When no such line comes.
    pub fn init_ms(&mut self) -> Result<f64> {
        self.process.wait_for(|log| {
            let report = log.split("INIT REPORT(durationMs: ").nth(1)?;
            report.split(')').next()?.parse().ok()
        })
    }

    /// The process ids of the function: the emulator's children.
    #[must_use]
    pub fn functions(&self) -> BTreeSet<u32> {
        let threads = fs::read_dir(PathBuf::from(format!("/proc/{}/task", self.process.id())));
        let children = threads.into_iter().flatten().flatten().filter_map(|thread| {
            let children = fs::read_to_string(thread.path().join("children")).ok()?;
            Some(children.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>())
        });
        children.flatten().collect()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // On SIGTERM the emulator kills the function, which runs in a process group of its own. If the emulator has to
        // be killed instead, the function loses the runtime API and ends by itself.
        if self.process.terminate().is_ok() {
            drop(self.process.ended_within(Duration::from_secs(10)));
        }
    }
}

/// Two loopback addresses that nobody listens on.
fn free_addresses() -> Result<[String; 2]> {
    // Both are held until both are known, so that they differ.
    let held = [TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?, TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?];
    Ok([held[0].local_addr()?.to_string(), held[1].local_addr()?.to_string()])
}

/// Waits until the emulator accepts connections; false when it has ended instead.
fn listens(process: &mut Process, address: &str) -> Result<bool> {
    // It ends by itself when it cannot listen, and it always announces the program first.
    if process.wait_for(|log| log.contains("(rapid) exec").then_some(())).is_err() {
        return Ok(false);
    }
    while process.is_running()? {
        if TcpStream::connect(address).is_ok() {
            return process.is_running();
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(false)
}

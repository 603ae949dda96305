//! A process under test: its output is read as it comes, its end is waited for, and it never outlives its value.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use rustix::process::{Pid, Signal, kill_process};

use crate::binaries;

/// How long anything may take before a test gives it up as hung. Training in a debug build is the longest; no test
/// measures time by it.
const HUNG: Duration = Duration::from_secs(600);

/// A command with an empty environment, so that what the developer's shell exports changes no test.
#[must_use]
pub fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    // A panic must show itself in full: the tests look for its traces.
    command.env_clear().env("RUST_BACKTRACE", "1");
    command
}

/// Runs `marquee` with these arguments to its end.
///
/// # Errors
/// When it cannot be run or does not end.
pub fn marquee<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Result<Finished> {
    let mut command = command(binaries().path("marquee"));
    command.args(arguments);
    Process::spawn(command)?.finish()
}

/// A running process.
#[derive(Debug)]
pub struct Process {
    child: Child,
    lines: Receiver<Line>,
    stdout: String,
    stderr: String,
    what: String,
}

/// What a process that ended has left.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Everything it wrote to standard output.
    pub stdout: String,
    /// Everything it wrote to standard error.
    pub stderr: String,
    /// The command, for messages.
    pub what: String,
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, stdout, stderr, what } = self;
        write!(f, "{what}: {status}\n--- stdout\n{stdout}--- stderr\n{stderr}---")
    }
}

#[derive(Debug)]
enum Line {
    Stdout(String),
    Stderr(String),
}

impl Process {
    /// Starts the command with its output captured.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(mut command: Command) -> Result<Self> {
        let what = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {what}"))?;
        let (sender, lines) = mpsc::channel();
        forward(child.stdout.take(), sender.clone(), Line::Stdout);
        forward(child.stderr.take(), sender, Line::Stderr);
        Ok(Self { child, lines, stdout: String::new(), stderr: String::new(), what })
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `find` finds something in what was written to either output.
    ///
    /// # Errors
    /// When the process closes its outputs or takes too long before that, with all that it wrote.
    pub fn wait_for<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> Result<T> {
        let deadline = Instant::now() + HUNG;
        loop {
            if let Some(found) = find(&self.stdout).or_else(|| find(&self.stderr)) {
                return Ok(found);
            }
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.keep(line),
                Err(RecvTimeoutError::Disconnected) => return Err(self.complaint("ended early")),
                Err(RecvTimeoutError::Timeout) => return Err(self.complaint("hangs")),
            }
        }
    }

    /// All that was written to both outputs so far.
    pub fn log(&mut self) -> String {
        while let Ok(line) = self.lines.try_recv() {
            self.keep(line);
        }
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Sends SIGINT, as Ctrl-C does.
    ///
    /// # Errors
    /// When there is no such process any more.
    pub fn interrupt(&self) -> Result<()> {
        self.signal(Signal::INT)
    }

    /// Sends SIGTERM, as an orderly stop does.
    ///
    /// # Errors
    /// When there is no such process any more.
    pub fn terminate(&self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// Sends SIGSTOP: from now on it does nothing, and holds on to everything that it has.
    ///
    /// # Errors
    /// When there is no such process any more.
    pub fn stop(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Sends SIGCONT, after which it goes on where it was stopped.
    ///
    /// # Errors
    /// When there is no such process any more.
    pub fn go_on(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Sends SIGKILL, as a power cut does.
    ///
    /// # Errors
    /// When there is no such process any more.
    pub fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end; it is killed then.
    pub fn finish(&mut self) -> Result<Finished> {
        let deadline = Instant::now() + HUNG;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.keep(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => return Err(self.complaint("does not end")),
            }
        }
        let Some(status) = self.ended_within(deadline.saturating_duration_since(Instant::now()))? else {
            return Err(self.complaint("closed its outputs and does not end"));
        };
        let (stdout, stderr) = (std::mem::take(&mut self.stdout), std::mem::take(&mut self.stderr));
        Ok(Finished { status, stdout, stderr, what: std::mem::take(&mut self.what) })
    }

    /// How it ended, if it ends within this time.
    pub(crate) fn ended_within(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn complaint(&mut self, problem: &str) -> anyhow::Error {
        let log = self.log();
        anyhow!("{} {problem}:\n{log}", self.what)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.child), signal)
            .with_context(|| format!("cannot signal {}", self.what))
    }

    fn keep(&mut self, line: Line) {
        match line {
            Line::Stdout(line) => self.stdout.push_str(&line),
            Line::Stderr(line) => self.stderr.push_str(&line),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has already ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Sends what comes from `pipe`, line by line, until it is closed.
fn forward(pipe: Option<impl Read + Send + 'static>, sender: mpsc::Sender<Line>, wrap: fn(String) -> Line) {
    let Some(pipe) = pipe else { return };
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            if sender.send(wrap(String::from_utf8_lossy(&line).into_owned())).is_err() {
                return;
            }
            line.clear();
        }
    });
}

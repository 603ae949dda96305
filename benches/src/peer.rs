//! Peers that are processes of their own, and take turns with what they are measured beside.
//!
//! A line on a peer's standard input is a question, and a line on its standard output the answer: numbers, as a JSON array.
//! Between the two it measures itself; before a question it waits, and takes no time from others.

use std::fs;
use std::io::{BufRead, BufReader, Write, stdin, stdout};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::machine;

/// A running peer; it is ended when this is dropped.
pub(crate) struct Peer {
    name: &'static str,
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts a peer.
    pub(crate) fn start(name: &'static str, mut command: Command) -> Result<Self> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{name} does not start: {command:?}"))?;
        let questions = process.stdin.take().context("its input is not a pipe")?;
        let answers = BufReader::new(process.stdout.take().context("its output is not a pipe")?);
        Ok(Self { name, process, questions, answers })
    }

    /// Starts a part of this program as a peer, on so many threads, candle's among them.
    pub(crate) fn start_this(
        name: &'static str,
        threads: usize,
        arguments: &[&str],
        files: &[&Path],
    ) -> Result<Self> {
        let this = std::env::current_exe().context("the path of this program is not known")?;
        let mut command = Command::new(this);
        command.args(arguments).args(files).env("RAYON_NUM_THREADS", threads.to_string());
        Self::start(name, command)
    }

    /// Asks, and waits for the answer.
    pub(crate) fn ask(&mut self, question: &str) -> Result<Vec<f64>> {
        // It may have ended; then there is no answer either.
        let _ = writeln!(self.questions, "{question}");
        let mut line = String::new();
        self.answers.read_line(&mut line).with_context(|| format!("{} can't be heard", self.name))?;
        ensure!(!line.is_empty(), "{} ended without an answer; what it said is above", self.name);
        serde_json::from_str(&line).with_context(|| format!("{} answered {line:?}", self.name))
    }

    /// The most memory that it ever had resident, mapped files included.
    pub(crate) fn peak_bytes(&self) -> Result<f64> {
        let path = format!("/proc/{}/status", self.process.id());
        let peak = machine::field(&path, "VmHWM").and_then(|value| machine::kilobytes(&value));
        Ok(peak.with_context(|| format!("{path} has no VmHWM"))? as f64 * 1024.0)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Of a peer in this program: the next question; `None` when there will be none.
pub(crate) fn question() -> Result<Option<String>> {
    let mut line = String::new();
    stdin().read_line(&mut line).context("no question can be read")?;
    Ok((!line.is_empty()).then(|| line.trim().to_owned()))
}

/// Of a peer in this program: answers.
pub(crate) fn answer(numbers: &[f64]) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{}", serde_json::to_string(numbers)?).context("the answer can't be written")?;
    out.flush().context("the answer can't be written")
}

/// Writes histories as peers read them: a line each, of rows with spaces between.
pub(crate) fn write_histories(path: &Path, histories: &[Vec<u32>]) -> Result<()> {
    let line = |history: &Vec<u32>| history.iter().map(u32::to_string).collect::<Vec<_>>().join(" ") + "\n";
    let text: String = histories.iter().map(line).collect();
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Reads what [`write_histories`] wrote.
pub(crate) fn read_histories(path: &Path) -> Result<Vec<Vec<u32>>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let history = |line: &str| line.split(' ').map(|row| Ok(row.parse::<u32>()?)).collect();
    text.lines().map(history).collect::<Result<_>>().with_context(|| format!("{}", path.display()))
}

/// A script of `peers/`, run by a Python of its own with the libraries that `peers/requirements.txt` pins; it is made in the
/// target directory on first use.
pub(crate) fn python(script: &str) -> Command {
    let mut command = Command::new(::tests::venv_of_bench_peers().python());
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(script));
    command
}

/// A module that comes with that Python, run in the folder of the scripts.
pub(crate) fn python_module(module: &str) -> Command {
    let mut command = Command::new(::tests::venv_of_bench_peers().python());
    command.args(["-m", module]).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("peers"));
    command
}

/// The script that is the sequence model in PyTorch, run by a Python that has torch.
pub(crate) fn torch(python: &Path) -> Result<Command> {
    let check = Command::new(python).args(["-c", "import torch"]).output();
    let found = check.with_context(|| format!("--torch {} does not start", python.display()))?;
    ensure!(found.status.success(), "--torch {}: that Python has no torch", python.display());
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/sasrec.py"));
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_answers_each_question_and_its_end_is_told() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "read question && echo \"[$question, 1.5]\""]);
        let mut peer = Peer::start("the shell", shell).unwrap();
        assert_eq!(peer.ask("7").unwrap(), [7.0, 1.5]);
        assert!(peer.ask("7").unwrap_err().to_string().contains("the shell ended"));
    }

    #[test]
    fn histories_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let (path, histories) = (folder.path().join("histories"), vec![vec![3, 1, 4], vec![1]]);
        write_histories(&path, &histories).unwrap();
        assert_eq!(read_histories(&path).unwrap(), histories);
    }
}

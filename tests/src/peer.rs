//! Real servers of the Open Inference Protocol over an artifact, and the clients that come with them.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::paths::root;
use crate::process::{Finished, Process, command};
use crate::python::{Venv, venv_of_kserve, venv_of_mlserver, venv_of_triton};

/// How often a start is tried again because another process took the port in between.
const STARTS: usize = 5;
/// How long an orderly end may take; Triton needs five seconds.
const END: Duration = Duration::from_secs(30);
/// Python and Triton look up system tools here, such as the one that finds a library.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerKind {
    /// NVIDIA's Triton, on the CPU.
    Triton,
    /// Seldon's `MLServer`, which has no binary tensors.
    MlServer,
    /// The server that `KServe` brings for models in Python.
    KServe,
}

impl PeerKind {
    /// Its script in `tests/peers`, and the environment to run it in.
    fn script(self) -> (&'static str, &'static Venv) {
        match self {
            Self::Triton => ("triton_server.py", venv_of_triton()),
            Self::MlServer => ("mlserver_server.py", venv_of_mlserver()),
            Self::KServe => ("kserve_server.py", venv_of_kserve()),
        }
    }
}

/// A running server over one artifact. Dropping it ends it.
#[derive(Debug)]
pub struct Peer {
    process: Process,
    base: String,
    model: String,
    /// Its working and home folder, since the servers write to both.
    _home: TempDir,
}

impl Peer {
    /// Starts a server over the artifact in `model`, of kind `als`, on a free port of 127.0.0.1, and waits until it is
    /// ready. Its environment is made on first use.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(kind: PeerKind, model: &Path) -> Result<Self> {
        let (script, venv) = kind.script();
        for _ in 0..STARTS {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            let home = tempfile::tempdir().context("no temporary directory")?;
            let mut command = command(&venv.python());
            command.env("PATH", PATH).env("HOME", home.path()).current_dir(home.path());
            command.arg(peers().join(script)).arg("--model").arg(model).args(["--port", &port.to_string()]);
            let mut process = Process::spawn(command)?;
            match process.wait_for(serving) {
                Ok((model, base)) => return Ok(Self { process, base, model, _home: home }),
                // In the words of Triton and of Python.
                Err(error) if format!("{error:#}").to_lowercase().contains("in use") => {}
                Err(error) => return Err(error.context(format!("{kind:?} does not come up"))),
            }
        }
        bail!("{kind:?} found its port taken {STARTS} times")
    }

    /// Where it listens, such as `http://127.0.0.1:41234`.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The model's name, such as `marquee-0123456789ab`.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// All that it has written so far.
    pub fn log(&mut self) -> String {
        self.process.log()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // In order, because Triton has processes of its own to end. Both fail only when it has ended already; one that
        // does not end in time is killed.
        drop(self.process.terminate());
        drop(self.process.ended_within(END));
    }
}

/// Runs Triton's client against the accelerator at `base`: the checks of `tests/peers/triton_client.py`, less those in
/// `without`. Its status says whether all passed.
///
/// # Errors
/// When it cannot be run or does not end.
pub fn triton_client(base: &str, model: &str, without: &[&str]) -> Result<Finished> {
    client("triton_client.py", venv_of_triton(), base, model, without)
}

/// The same with `KServe`'s client and `tests/peers/kserve_client.py`.
///
/// # Errors
/// When it cannot be run or does not end.
pub fn kserve_client(base: &str, model: &str, without: &[&str]) -> Result<Finished> {
    client("kserve_client.py", venv_of_kserve(), base, model, without)
}

fn client(script: &str, venv: &Venv, base: &str, model: &str, without: &[&str]) -> Result<Finished> {
    let mut command = command(&venv.python());
    command.arg(peers().join(script)).args(["--url", base, "--model", model]);
    command.args(["--without", &without.join(",")]);
    Process::spawn(command)?.finish()
}

fn peers() -> PathBuf {
    root().join("tests/peers")
}

/// Model and address in the line that a server's script writes when it answers, once the line is complete.
fn serving(log: &str) -> Option<(String, String)> {
    log.split_inclusive('\n').filter(|line| line.ends_with('\n')).find_map(|line| {
        let (model, base) = line.strip_prefix("serving ")?.trim_end().split_once(" at ")?;
        Some((model.to_owned(), base.to_owned()))
    })
}

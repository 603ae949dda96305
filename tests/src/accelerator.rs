//! An accelerator of our own: `marquee-accelerator`.

use std::path::Path;

use anyhow::{Context, Result};

use crate::binaries;
use crate::process::{Process, command};

/// A running `marquee-accelerator`. Dropping it kills it.
#[derive(Debug)]
pub struct Accelerator {
    process: Process,
    base: String,
}

impl Accelerator {
    /// Serves the model in `model` on a free port.
    ///
    /// # Errors
    /// When it does not say where it listens.
    pub fn start(model: &Path) -> Result<Self> {
        Self::start_at(model, 0)
    }

    /// The same at a port; 0 takes a free one.
    ///
    /// # Errors
    /// When it does not say where it listens.
    pub fn start_at(model: &Path, port: u16) -> Result<Self> {
        let mut command = command(binaries().path("marquee-accelerator"));
        command.arg("--model").arg(model).args(["--listen", &format!("127.0.0.1:{port}")]);
        let mut process = Process::spawn(command)?;
        let base = process.wait_for(address).context("the accelerator does not say where it listens")?;
        Ok(Self { process, base })
    }

    /// Where it listens, such as `http://127.0.0.1:41234`.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Stops it, as a machine that hangs is stopped.
    ///
    /// # Errors
    /// When it has ended already.
    pub fn stop(&self) -> Result<()> {
        self.process.stop()
    }

    /// Lets it go on after [`Accelerator::stop`].
    ///
    /// # Errors
    /// When it has ended already.
    pub fn go_on(&self) -> Result<()> {
        self.process.go_on()
    }

    /// Ends it at once, as SIGKILL and a power cut do.
    ///
    /// # Errors
    /// When it has ended already.
    pub fn kill(&self) -> Result<()> {
        self.process.kill()
    }
}

/// The address in what it has written, once it is whole.
fn address(log: &str) -> Option<String> {
    let (_, rest) = log.split_once("http://127.0.0.1:")?;
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let is_whole = rest.len() > port.len();
    is_whole.then(|| format!("http://127.0.0.1:{port}"))
}

//! The service on one machine: `marquee serve`.

use std::path::Path;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::http::{Reply, Request, send};
use crate::process::{Finished, Process, command};
use crate::{binaries, model_dir};

/// A running `marquee serve`. Dropping it kills it.
#[derive(Debug)]
pub struct Service {
    process: Process,
    base: String,
    /// Its store, where a test brings none; goes with it.
    _store: Option<TempDir>,
}

impl Service {
    /// Serves the demo on a free port.
    ///
    /// # Errors
    /// When it does not say where it listens.
    pub fn demo() -> Result<Self> {
        Self::start(model_dir())
    }

    /// Serves the model in `model` on a free port.
    ///
    /// # Errors
    /// When it does not say where it listens.
    pub fn start(model: &Path) -> Result<Self> {
        Self::start_with(model, [])
    }

    /// The same with further options; without `--store` among them it keeps a store of its own.
    ///
    /// # Errors
    /// When it does not say where it listens.
    pub fn start_with<'a>(model: &Path, options: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        Self::start_in(Vec::new(), model, options)
    }

    /// The same in an environment of these variables.
    ///
    /// # Errors
    /// When it does not say where it listens.
    pub fn start_in<'a>(
        variables: Vec<(&'static str, String)>,
        model: &Path,
        options: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self> {
        let options: Vec<_> = options.into_iter().collect();
        let mut command = command(binaries().path("marquee"));
        command.envs(variables);
        command.arg("serve").arg("--model").arg(model).args(["--port", "0"]).args(&options);
        let mut own = None;
        if !options.contains(&"--store") {
            let folder = tempfile::tempdir().context("no temporary directory")?;
            command.arg("--store").arg(format!("file:{}", folder.path().join("store").display()));
            own = Some(folder);
        }
        let mut process = Process::spawn(command)?;
        let base = process.wait_for(address).context("`marquee serve` does not say where it listens")?;
        Ok(Self { process, base, _store: own })
    }

    /// Where it listens, such as `http://127.0.0.1:41234`.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Host and port, such as `127.0.0.1:41234`.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// Sends one request.
    ///
    /// # Errors
    /// When no complete reply arrives.
    pub fn send(&self, request: &Request) -> Result<Reply> {
        send(&self.base, request)
    }

    /// Ends it at once, whatever it is doing, as SIGKILL and a power cut do.
    pub fn kill(self) {
        drop(self);
    }

    /// Sends SIGINT, as Ctrl-C does.
    ///
    /// # Errors
    /// When it has ended already.
    pub fn interrupt(&self) -> Result<()> {
        self.process.interrupt()
    }

    /// Waits until it has written these words.
    ///
    /// # Errors
    /// When it ends or takes too long before that.
    pub fn wait_for(&mut self, words: &str) -> Result<()> {
        self.process.wait_for(|log| log.contains(words).then_some(()))
    }

    /// All that it has written so far.
    pub fn log(&mut self) -> String {
        self.process.log()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end.
    pub fn finish(mut self) -> Result<Finished> {
        self.process.finish()
    }
}

/// The address in what it has written, once the line is complete.
fn address(log: &str) -> Option<String> {
    log.split_inclusive('\n').filter(|line| line.ends_with('\n')).find_map(|line| {
        let port = line.split("listening on http://127.0.0.1:").nth(1)?;
        let port: String = port.chars().take_while(char::is_ascii_digit).collect();
        (!port.is_empty()).then(|| format!("http://127.0.0.1:{port}"))
    })
}

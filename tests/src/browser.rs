//! The playground's page in a real browser.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::paths::root;
use crate::process::{Finished, Process, command};
use crate::python::venv_of_playground;

/// Where Debian puts it.
const CHROMIUM: &str = "/usr/bin/chromium";
/// Chromium's starter calls the system's tools.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Opens the page of the service at `base` and runs a case of `tests/browser` on it, named `module.function`. Its status
/// says whether it passed. A case that writes files puts them into `out`.
///
/// # Errors
/// When there is no browser, or the case does not end.
pub fn browse(case: &str, base: &str, out: Option<&Path>) -> Result<Finished> {
    ensure!(
        Path::new(CHROMIUM).exists(),
        "the playground's page is tried in {CHROMIUM}, and there is none: install it (Debian: apt-get install chromium)"
    );
    let home = tempfile::tempdir().context("no temporary directory")?;
    let mut command = command(&venv_of_playground().python());
    // No bytecode beside the sources.
    command.env("PATH", PATH).env("HOME", home.path()).env("PYTHONDONTWRITEBYTECODE", "1");
    command.current_dir(home.path()).arg(root().join("tests/browser/run.py"));
    command.args([case, "--base", base, "--browser", CHROMIUM]);
    if let Some(out) = out {
        command.arg("--out").arg(out);
    }
    Process::spawn(command)?.finish()
}

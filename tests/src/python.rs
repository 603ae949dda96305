//! The Python environments of the tests: the Lambda runtime emulator, a stand-in for AWS, and the libraries that ML
//! engineers write with; and apart from these the heavy real parts.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use crate::lock;
use crate::paths::{Build, root};

/// A virtual environment with what a file beside this crate pins.
#[derive(Debug, Clone)]
pub struct Venv {
    dir: PathBuf,
}

impl Venv {
    /// Its Python interpreter.
    #[must_use]
    pub fn python(&self) -> PathBuf {
        self.program("python3")
    }

    /// A program that came with it.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.dir.join("bin").join(name)
    }

    /// The Lambda runtime emulator for this machine's processor; the one that `sam local invoke` runs.
    ///
    /// # Errors
    /// When the installed package does not carry it.
    pub fn emulator(&self) -> Result<PathBuf> {
        let name = match std::env::consts::ARCH {
            "aarch64" => "aws-lambda-rie-arm64",
            _ => "aws-lambda-rie-x86_64",
        };
        let libraries = self.dir.join("lib");
        let pythons =
            fs::read_dir(&libraries).with_context(|| format!("cannot read {}", libraries.display()))?;
        pythons
            .filter_map(|entry| Some(entry.ok()?.path().join("site-packages/samcli/local/rapid").join(name)))
            .find(|path| path.is_file())
            .with_context(|| format!("no {name} below {}: has aws-sam-cli moved it?", libraries.display()))
    }
}

/// The environment `venv` in the target directory, made of `requirements.txt` on first use, and again when the pins change.
///
/// # Panics
/// When it cannot be made, with what to install.
pub fn venv() -> &'static Venv {
    static MADE: OnceLock<Result<Venv, String>> = OnceLock::new();
    made(&MADE, "venv", "requirements.txt")
}

/// The environment `venv-peers` in the target directory: what the benches measure us beside, made of
/// `benches/peers/requirements.txt`.
///
/// # Panics
/// When it cannot be made, with what to install.
pub fn venv_of_bench_peers() -> &'static Venv {
    static MADE: OnceLock<Result<Venv, String>> = OnceLock::new();
    made(&MADE, "venv-peers", "../benches/peers/requirements.txt")
}

/// The environment `venv-real-parts` in the target directory, made of `requirements-real-parts.txt`.
///
/// # Panics
/// When it cannot be made, with what to install.
#[cfg(feature = "real-parts")]
pub(crate) fn venv_of_real_parts() -> &'static Venv {
    static MADE: OnceLock<Result<Venv, String>> = OnceLock::new();
    made(&MADE, "venv-real-parts", "requirements-real-parts.txt")
}

/// The environment `venv-triton` in the target directory, Triton and its client, made of `requirements-triton.txt`.
///
/// # Panics
/// When it cannot be made, with what to install.
#[cfg(feature = "real-parts")]
pub(crate) fn venv_of_triton() -> &'static Venv {
    static MADE: OnceLock<Result<Venv, String>> = OnceLock::new();
    made(&MADE, "venv-triton", "requirements-triton.txt")
}

/// The environment `venv-mlserver` in the target directory, `MLServer`, made of `requirements-mlserver.txt`.
///
/// # Panics
/// When it cannot be made, with what to install.
#[cfg(feature = "real-parts")]
pub(crate) fn venv_of_mlserver() -> &'static Venv {
    static MADE: OnceLock<Result<Venv, String>> = OnceLock::new();
    made(&MADE, "venv-mlserver", "requirements-mlserver.txt")
}

/// The environment `venv-kserve` in the target directory, `KServe`'s server and its client, made of `requirements-kserve.txt`.
///
/// # Panics
/// When it cannot be made, with what to install.
#[cfg(feature = "real-parts")]
pub(crate) fn venv_of_kserve() -> &'static Venv {
    static MADE: OnceLock<Result<Venv, String>> = OnceLock::new();
    made(&MADE, "venv-kserve", "requirements-kserve.txt")
}

/// The environment `venv-playground` in the target directory, what drives a browser, made of `requirements-playground.txt`.
///
/// # Panics
/// When it cannot be made, with what to install.
#[cfg(feature = "real-parts")]
pub(crate) fn venv_of_playground() -> &'static Venv {
    static MADE: OnceLock<Result<Venv, String>> = OnceLock::new();
    made(&MADE, "venv-playground", "requirements-playground.txt")
}

fn made(made: &'static OnceLock<Result<Venv, String>>, name: &str, requirements: &str) -> &'static Venv {
    let made = made.get_or_init(|| make(name, requirements).map_err(|error| format!("{error:#}")));
    made.as_ref().unwrap_or_else(|error| panic!("{error}"))
}

fn make(name: &str, requirements: &str) -> Result<Venv> {
    let target_dir = Build::of_this_test()?.target_dir;
    let dir = target_dir.join(name);
    let requirements = root().join("tests").join(requirements);
    let pins = fs::read(&requirements).with_context(|| format!("cannot read {}", requirements.display()))?;
    let digest: String = Sha256::digest(&pins).iter().map(|byte| format!("{byte:02x}")).collect();
    lock::holding(&target_dir.join(format!("{name}.lock")), || {
        // Written last: without it the folder is whatever an interrupted run left there.
        let stamp = dir.join("requirements.sha256");
        if fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == digest) && runs(&dir) {
            return Ok(());
        }
        // Not through `eprintln!`, which the test runner holds back: this is why the first run takes longer.
        writeln!(io::stderr(), "tests: making {} (on first use only)", dir.display())?;
        if dir.exists() {
            fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
        }
        install(&dir, &requirements)?;
        fs::write(&stamp, &digest).with_context(|| format!("cannot write {}", stamp.display()))
    })?;
    Ok(Venv { dir })
}

/// Whether the interpreter below is still there: it is a link to a Python that may have been removed since.
fn runs(dir: &Path) -> bool {
    Command::new(dir.join("bin/python3")).args(["-c", ""]).status().is_ok_and(|status| status.success())
}

fn install(dir: &Path, requirements: &Path) -> Result<()> {
    let made = match Command::new("python3").args(["-m", "venv"]).arg(dir).output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
            "the end-to-end tests need python3 (3.10 or newer) on the PATH, and there is none: \
             install it (Debian, Ubuntu: apt-get install python3 python3-venv)"
        ),
        Err(error) => return Err(error).context("cannot run python3"),
    };
    ensure!(
        made.status.success(),
        "python3 cannot make a virtual environment (Debian, Ubuntu: apt-get install python3-venv):\n{}",
        text(&made)
    );
    let pip = Command::new(dir.join("bin/python3"))
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--requirement",
        ])
        .arg(requirements)
        .output()
        .context("cannot run pip")?;
    ensure!(
        pip.status.success(),
        "pip cannot install {} (Python 3.10 or newer, and PyPI, are needed once):\n{}",
        requirements.display(),
        text(&pip)
    );
    Ok(())
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

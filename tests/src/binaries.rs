//! The binaries that the tests run, built by the Cargo that runs the tests, as the tests were built.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::lock;
use crate::paths::{Build, root, scratch};

/// The binaries that the tests run.
const BINARIES: [&str; 17] = [
    "recommend",
    "rank",
    "similar",
    "items",
    "events",
    "users",
    "update-profiles",
    "probe-accelerator",
    "authorize",
    "batches",
    "plan-batch",
    "score-batch",
    "finish-batch",
    "health",
    "verify-release",
    "marquee",
    "marquee-accelerator",
];

/// The package of a binary: they have one name, with one exception.
fn package(binary: &str) -> &str {
    if binary == "marquee-accelerator" { "accelerator" } else { binary }
}

/// What Cargo tells a test about its package. A build script that watches one of these (ring's does) would run again,
/// and all that depends on it be compiled again, each time a build inside a test takes turns with one outside.
const OF_THIS_PACKAGE: [&str; 10] = [
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_LINKS",
    "CARGO_MANIFEST_PATH",
    "CARGO_PKG_NAME",
    "CARGO_PKG_VERSION",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
    "CARGO_PKG_VERSION_PRE",
    "OUT_DIR",
];

/// Paths of the built binaries.
#[derive(Debug, Clone)]
pub struct Binaries {
    paths: BTreeMap<String, PathBuf>,
}

impl Binaries {
    /// The path of one binary.
    ///
    /// # Panics
    /// When the tests do not build such a binary.
    #[must_use]
    pub fn path(&self, name: &str) -> &Path {
        self.paths.get(name).unwrap_or_else(|| panic!("the tests build {BINARIES:?}, not `{name}`"))
    }
}

/// The binaries, built on the first call of this process. Processes that ask at the same time wait for each other,
/// and all but the first find everything fresh.
///
/// # Panics
/// With the compiler's output when they cannot be built.
pub fn binaries() -> &'static Binaries {
    static BUILT: OnceLock<Result<Binaries, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        lock::holding(&scratch().join("binaries.lock"), build).map_err(|error| format!("{error:#}"))
    });
    built.as_ref().unwrap_or_else(|error| panic!("{error}"))
}

fn build() -> Result<Binaries> {
    let this = Build::of_this_test()?;
    let mut command = Command::new(cargo());
    command.current_dir(root()).args(["build", "--bins", "--message-format=json-render-diagnostics"]);
    command.args(BINARIES.iter().flat_map(|binary| ["--package", package(binary)]));
    command.args(["--profile", &this.profile]).arg("--target-dir").arg(&this.target_dir);
    if let Some(triple) = &this.triple {
        command.args(["--target", triple]);
    }
    OF_THIS_PACKAGE.iter().for_each(|variable| {
        command.env_remove(variable);
    });
    let output = command.output().with_context(|| format!("cannot run {}", cargo().display()))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the binaries under test do not build ({command:?}):\n{errors}");
    let paths: BTreeMap<_, _> =
        String::from_utf8_lossy(&output.stdout).lines().filter_map(executable).collect();
    for binary in BINARIES {
        ensure!(paths.contains_key(binary), "package `{}` built no `{binary}`:\n{errors}", package(binary));
    }
    Ok(Binaries { paths })
}

/// Name and path of the binary that one line of Cargo's messages announces.
fn executable(line: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(line).ok()?;
    let path = message.get("executable")?.as_str()?;
    Some((message.pointer("/target/name")?.as_str()?.to_owned(), path.into()))
}

/// The Cargo that runs these tests.
#[expect(clippy::disallowed_methods, reason = "CARGO is how Cargo tells its tests which Cargo runs them")]
fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

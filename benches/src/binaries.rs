//! The binaries that are started and measured, built by the Cargo that built this one, for release.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Builds one package's binary and says where it lies. Each is built by a command of its own, as it is for deployment:
/// building two packages at once would give each the other's features.
pub(crate) fn build(package: &str, binary: &str) -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the package lies in no workspace")?;
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root).args(["build", "--release", "--package", package, "--bin", binary]);
    for variable in left_by_cargo_run() {
        command.env_remove(variable);
    }
    command.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
    let output = command.output().with_context(|| format!("cannot run {}", env!("CARGO")))?;
    ensure!(output.status.success(), "`{binary}` does not build: {command:?} says why");
    let messages = String::from_utf8_lossy(&output.stdout);
    let found = messages.lines().filter_map(executable).find(|(name, _)| name == binary);
    found.map(|(_, path)| path).with_context(|| format!("{command:?} built no binary `{binary}`"))
}

/// The variables with which `cargo run` describes this package: some build scripts watch them, and would run again each
/// time, with all that depends on them.
fn left_by_cargo_run() -> impl Iterator<Item = OsString> {
    let describes = |name: &OsString| {
        name.to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
    };
    env::vars_os().map(|(name, _)| name).filter(describes)
}

/// Name and path of the binary that a line of Cargo's messages announces.
fn executable(line: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(line).ok()?;
    let path = message.get("executable")?.as_str()?;
    Some((message.pointer("/target/name")?.as_str()?.to_owned(), path.into()))
}

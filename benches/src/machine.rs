//! Where a run took place: without it a number says nothing.

use std::fs;
use std::process::Command;
use std::thread;

/// CPU, cores, memory, kernel and compiler in one line.
pub(crate) fn description() -> String {
    let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "CPU of unknown model".into());
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let memory = field("/proc/meminfo", "MemTotal").and_then(|text| kilobytes(&text)).unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease").unwrap_or_else(|| "of unknown release".into());
    let rustc =
        said(Command::new("rustc").arg("--version")).unwrap_or_else(|| "rustc of unknown version".into());
    format!(
        "{cpu}, {cores} cores, {:.0} GiB of memory; kernel {kernel}; {rustc}",
        memory as f64 / (1 << 20) as f64
    )
}

/// The commit that is checked out, and whether anything differs from it.
pub(crate) fn commit() -> String {
    let mut git = Command::new("git");
    git.args(["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty", "--exclude=*"]);
    said(&mut git).unwrap_or_else(|| "unknown".into())
}

/// Processes that were running or wanted to, in the mean of the last minute.
pub(crate) fn load() -> String {
    let text = read("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("unknown").to_owned()
}

/// The value of the first line `name: value` of a file, as the kernel writes them.
pub(crate) fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
}

/// The number of a value such as `1234 kB`.
pub(crate) fn kilobytes(value: &str) -> Option<u64> {
    value.strip_suffix(" kB")?.trim().parse().ok()
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn said(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

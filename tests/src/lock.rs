//! One at a time across test processes: `cargo nextest` runs each test in its own.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};

/// Runs `work` while holding the lock file at `path`. The kernel frees the lock when the process ends, however it ends.
pub(crate) fn holding<T>(path: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let file = File::create(path).with_context(|| format!("cannot open the lock {}", path.display()))?;
    file.lock().with_context(|| format!("cannot take the lock {}", path.display()))?;
    work()
}

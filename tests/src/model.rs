//! The demo model, trained by the binary under test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, ensure};

use crate::{binaries, lock, marquee, scratch};

/// The bundled demo, trained by `marquee train --demo` once for each build of `marquee`. Tests copy it before they
/// change anything: see [`copy_dir`].
///
/// # Panics
/// When it cannot be trained.
pub fn model_dir() -> &'static Path {
    static TRAINED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let trained = TRAINED.get_or_init(|| train().map_err(|error| format!("{error:#}")));
    trained.as_ref().unwrap_or_else(|error| panic!("{error}"))
}

fn train() -> Result<PathBuf> {
    let home = scratch().join("demo");
    let model = home.join("model");
    let build = build_of(binaries().path("marquee"))?;
    lock::holding(&scratch().join("demo.lock"), || {
        // Written last: without it the training was interrupted.
        let stamp = home.join("trained-by");
        if fs::read_to_string(&stamp).is_ok_and(|trained_by| trained_by == build) {
            return Ok(());
        }
        if home.exists() {
            fs::remove_dir_all(&home).with_context(|| format!("cannot remove {}", home.display()))?;
        }
        fs::create_dir_all(&home)?;
        let training = marquee(["train".as_ref(), "--demo".as_ref(), "--out".as_ref(), model.as_os_str()])?;
        ensure!(training.status.success(), "the demo cannot be trained: {training}");
        fs::write(&stamp, &build).with_context(|| format!("cannot write {}", stamp.display()))
    })?;
    Ok(model)
}

/// What tells one build of a binary from another.
fn build_of(binary: &Path) -> Result<String> {
    let metadata = fs::metadata(binary).with_context(|| format!("cannot read {}", binary.display()))?;
    let built = metadata.modified()?.duration_since(UNIX_EPOCH)?;
    Ok(format!("{} {} {}", binary.display(), metadata.len(), built.as_nanos()))
}

/// Copies the files of a folder, such as an artifact, to a new folder.
///
/// # Errors
/// When a file cannot be read or written.
pub fn copy_dir(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))
            .with_context(|| format!("cannot copy {}", entry.path().display()))?;
    }
    Ok(())
}

//! A copy of the demo to break, and what the commands must say to it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tests::{Finished, copy_dir, marquee, model_dir};

use crate::answers::text;
use crate::safetensors::SafeTensors;

/// The files whose digests make the model's own digest.
const DIGESTED: [&str; 3] = ["catalogue.safetensors", "config.json", "model.safetensors"];

/// A copy of the demo to break.
pub(crate) struct Copy {
    _home: TempDir,
    pub(crate) folder: PathBuf,
}

impl Copy {
    pub(crate) fn of_the_demo() -> Result<Self> {
        let home = tempfile::tempdir()?;
        let folder = home.path().join("model");
        copy_dir(model_dir(), &folder)?;
        Ok(Self { _home: home, folder })
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn tensors(&self, file: &str) -> SafeTensors {
        SafeTensors::read(&self.file(file))
    }

    /// Makes the manifest agree with the files again, as a tool would that wrote them wrong from the start. Only what
    /// is wrong in the files themselves can then be found.
    pub(crate) fn seal(&self) -> Result<()> {
        let mut manifest: Value = serde_json::from_slice(&fs::read(self.file("manifest.json"))?)?;
        let files = manifest["files"].as_object_mut().context("the manifest lists files")?;
        for (name, entry) in files.iter_mut() {
            let bytes = fs::read(self.file(name))?;
            *entry = json!({"sha256": sha256(&bytes), "bytes": bytes.len()});
        }
        let lines = DIGESTED.map(|name| format!("{}  {name}\n", text(&files[name]["sha256"])));
        manifest["digest"] = json!(sha256(lines.concat().as_bytes()));
        Ok(fs::write(self.file("manifest.json"), manifest.to_string())?)
    }

    pub(crate) fn verify(&self) -> Result<Finished> {
        marquee(["verify".as_ref(), self.folder.as_os_str()])
    }

    pub(crate) fn recommend(&self) -> Result<Finished> {
        recommend(&self.folder)
    }
}

pub(crate) fn recommend(folder: &Path) -> Result<Finished> {
    let model = folder.as_os_str();
    marquee([
        "recommend".as_ref(),
        "--json".as_ref(),
        "--model".as_ref(),
        model,
        "--like".as_ref(),
        "Alien".as_ref(),
    ])
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Asserts that the command refused in words, and named all of these.
pub(crate) fn refused(finished: &Finished, named: &[&str]) {
    assert!(finished.status.code().is_some_and(|code| code != 0), "{finished}");
    for name in named {
        assert!(finished.stderr.contains(name), "`{name}` is not named: {finished}");
    }
    no_panic(finished);
}

pub(crate) fn no_panic(finished: &Finished) {
    for trace in ["panicked at", "stack backtrace", "RUST_BACKTRACE"] {
        assert!(!finished.stderr.contains(trace) && !finished.stdout.contains(trace), "{finished}");
    }
    assert!(finished.status.code().is_some(), "ended by a signal: {finished}");
}

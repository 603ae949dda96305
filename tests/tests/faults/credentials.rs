//! The file in which a service finds what lets it in to its accelerator.

use std::fs;

use anyhow::Result;
use serde_json::Value;
use tempfile::TempDir;

pub(crate) struct Credentials {
    folder: TempDir,
    path: String,
}

impl Credentials {
    /// A file that isn't there yet.
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("accelerator.json").display().to_string();
        Ok(Self { folder, path })
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Puts another file in its place.
    pub(crate) fn replace(&self, content: &Value) -> Result<()> {
        let written = self.folder.path().join("written");
        fs::write(&written, content.to_string())?;
        Ok(fs::rename(written, &self.path)?)
    }
}

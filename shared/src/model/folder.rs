//! An artifact's directory, held open: its files stay those of one artifact even when another takes its name.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open, openat, stat};

use super::error::ArtifactError;
use super::tensors::TensorFile;

/// `config.json` and `manifest.json` hold no more than this: a few names and numbers.
const JSON_LIMIT: u64 = 1024 * 1024;

/// An open directory.
#[derive(Debug)]
pub struct Folder {
    directory: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Opens a directory.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(path: &Path) -> Result<Self, ArtifactError> {
        let directory = open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let directory = directory
            .map_err(|error| ArtifactError::file(path.display(), format_args!("no model there: {error}")))?;
        Ok(Self { directory, path: path.to_owned() })
    }

    /// Whether its path now leads to another directory, or to none.
    #[must_use]
    pub fn was_exchanged(&self) -> bool {
        let identity = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_ino);
        let now = stat(&self.path).map(identity);
        now.is_err() || rustix::fs::fstat(&self.directory).map(identity) != now
    }

    /// The path of one of its files, for messages.
    #[must_use]
    pub fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Opens one of its files for reading.
    ///
    /// # Errors
    /// Names the file.
    pub fn file(&self, name: &str) -> Result<File, ArtifactError> {
        let opened = openat(&self.directory, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        opened.map(File::from).map_err(|error| ArtifactError::io(&self.path_of(name), error.into()))
    }

    /// Opens one of its safetensors files.
    ///
    /// # Errors
    /// As [`TensorFile::open`].
    pub fn tensors(&self, name: &str) -> Result<TensorFile, ArtifactError> {
        TensorFile::of(&self.file(name)?, &self.path_of(name))
    }

    /// Reads a file of JSON, which is small or refused.
    ///
    /// # Errors
    /// Names the file.
    pub fn json(&self, name: &str) -> Result<Vec<u8>, ArtifactError> {
        let mut bytes = Vec::new();
        let read = self.file(name)?.take(JSON_LIMIT + 1).read_to_end(&mut bytes);
        read.map_err(|error| ArtifactError::io(&self.path_of(name), error))?;
        if bytes.len() as u64 > JSON_LIMIT {
            let detail = format_args!("more than {JSON_LIMIT} bytes");
            return Err(ArtifactError::file(self.path_of(name).display(), detail));
        }
        Ok(bytes)
    }

    /// The size of one of its files in bytes.
    ///
    /// # Errors
    /// Names the file.
    pub fn size(&self, name: &str) -> Result<u64, ArtifactError> {
        let metadata = self.file(name)?.metadata();
        Ok(metadata.map_err(|error| ArtifactError::io(&self.path_of(name), error))?.len())
    }
}

//! What changes when a file or a directory does.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

/// Which file it is, how long, and of when. A stamp is taken before what it stands for is read, so that a change in between
/// is seen at the next look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    changed: Option<SystemTime>,
}

impl Stamp {
    /// `None` when nothing is there.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok()?;
        let changed = file.modified().ok();
        Some(Self { device: file.dev(), inode: file.ino(), bytes: file.len(), changed })
    }

    /// The stamps of a directory and of each file in it, in the order of their names.
    pub(crate) fn of_directory(path: &Path) -> Vec<Option<Self>> {
        let mut stamps = vec![Self::of(path)];
        if let Ok(entries) = fs::read_dir(path) {
            let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
            files.sort();
            stamps.extend(files.iter().map(|file| Self::of(file)));
        }
        stamps
    }
}

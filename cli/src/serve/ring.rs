//! The ring of keys, in a file or in Secrets Manager.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::Result;
use shared::config::KeysSettings;
use shared::keys::KeyRing;
use shared::secrets::{Cached, Secrets};
use shared::telemetry::{self, Dependency};

use crate::commands::KeysFrom;
use crate::keys;

/// Where the keys are. There always were some once, and those read last stay in use whatever becomes of their source.
pub(super) enum Ring {
    File(RingFile),
    Secret(RingSecret),
}

impl Ring {
    /// Reads the keys for the first time.
    ///
    /// # Errors
    /// When they can't be had.
    pub(super) async fn open(from: &KeysFrom) -> Result<Self> {
        match from {
            KeysFrom::File(path) => Ok(Self::File(RingFile::open(path)?)),
            KeysFrom::Secret(name) => Ok(Self::Secret(RingSecret::open(name).await?)),
        }
    }

    /// The keys.
    pub(super) async fn read(&self) -> Arc<KeyRing> {
        match self {
            Self::File(file) => file.ring(),
            Self::Secret(secret) => secret.cached.get_beside().await.unwrap_or_else(|_| secret.first()),
        }
    }

    /// The keys as they are now, for whoever misses one.
    pub(super) async fn read_newer(&self) -> Arc<KeyRing> {
        match self {
            Self::File(file) => file.ring(),
            Self::Secret(secret) => secret.cached.get_newer().await.unwrap_or_else(|_| secret.first()),
        }
    }
}

impl fmt::Display for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "{}", file.path.display()),
            Self::Secret(secret) => write!(f, "the secret {}", secret.name),
        }
    }
}

/// A ring in Secrets Manager, read as the authorizer on AWS reads it.
pub(super) struct RingSecret {
    name: String,
    cached: Arc<Cached<KeyRing>>,
    /// As it was at start.
    first: Arc<KeyRing>,
}

impl RingSecret {
    async fn open(name: &str) -> Result<Self> {
        let cached = Arc::new(Secrets::default().key_ring(&KeysSettings::named(name)?));
        Ok(Self { name: name.to_owned(), first: cached.get().await?, cached })
    }

    /// For an answer that never comes: what was read once goes on being answered.
    fn first(&self) -> Arc<KeyRing> {
        Arc::clone(&self.first)
    }
}

/// A ring in a file, read again when the file changes.
pub(super) struct RingFile {
    path: PathBuf,
    read: Mutex<Held>,
}

/// What was read of a file.
struct Held {
    ring: Arc<KeyRing>,
    /// Of the file that was looked at last, whether it was of use or not.
    stamp: Option<Stamp>,
}

/// What changes with a file: which one it is, how long, and of when.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    changed: Option<SystemTime>,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok()?;
        Some(Self { inode: file.ino(), bytes: file.len(), changed: file.modified().ok() })
    }
}

impl RingFile {
    fn open(path: &Path) -> Result<Self> {
        // The stamp first: what changes in between is read again.
        let stamp = Stamp::of(path);
        let ring = Arc::new(keys::read(path)?);
        Ok(Self { path: path.to_owned(), read: Mutex::new(Held { ring, stamp }) })
    }

    /// The ring as the file has it now; the last good one where the file is gone or broken, which is said once.
    fn ring(&self) -> Arc<KeyRing> {
        let stamp = Stamp::of(&self.path);
        let mut last = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if last.stamp != stamp {
            last.stamp = stamp;
            match keys::read(&self.path) {
                Ok(ring) => {
                    tracing::info!(keys = ring.keys().len(), "the ring of keys changed, and was read again");
                    last.ring = Arc::new(ring);
                }
                Err(error) => {
                    let words = format!("{error:#}; the keys read before stay in use");
                    telemetry::failed(Dependency::Secrets, "read", &words);
                }
            }
        }
        Arc::clone(&last.ring)
    }
}

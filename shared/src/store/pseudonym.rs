//! What stands for a person in a tombstone.

use std::fmt;

use async_trait::async_trait;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::StoreError;
use crate::api::UserId;

/// HMAC-SHA-256 (RFC 2104) of a user id under a secret key: says nothing of the id to whoever lacks the key, and can't
/// be found by trying ids.
#[derive(Clone, PartialEq, Eq)]
pub struct Pseudonym([u8; 32]);

impl Pseudonym {
    /// A person's, under this key.
    #[must_use]
    pub fn of(user: &UserId, key: &[u8]) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.update(user.as_str().as_bytes());
        Self(mac.finalize().into_bytes().into())
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// In hexadecimal.
impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pseudonym(..)")
    }
}

/// Where the key of pseudonyms comes from. It must never change: tombstones written under another are not found.
#[async_trait]
pub trait PseudonymKey: Send + Sync + fmt::Debug {
    /// The key.
    async fn key(&self) -> Result<Vec<u8>, StoreError>;
}

//! Secrets: read once and used for a while, wherever they are kept.

mod cache;
#[cfg(feature = "secrets")]
mod manager;

pub use cache::{Cached, EARLY_WAIT, RETRY_WAIT, SecretError, Source};
#[cfg(feature = "secrets")]
pub use manager::{SecretPseudonymKey, Secrets};

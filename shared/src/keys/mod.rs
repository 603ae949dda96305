//! API keys: what one is, the ring of those that are valid, and who may use which route. No AWS, no I/O.
//!
//! A key is `mq_<id>_<secret>`. Only the SHA-256 digest of the whole key is kept, in one JSON document, the ring; a
//! fast hash is enough because a secret is [`SECRET_LENGTH`] random characters that no list of guesses holds.
//!
//! ```
//! use shared::api::history::Time;
//! use shared::api::routes::{self, Scope};
//! use shared::keys::{Key, KeyRing};
//!
//! let (key, secret) = Key::generate(vec![Scope::Recommend]).unwrap();
//! let mut ring = KeyRing::default();
//! ring.add(key);
//! let route = routes::of_key("POST /v1/recommendations").unwrap();
//! let header = format!("Bearer {}", secret.expose());
//! assert!(ring.admit(route, Some(&header), Time::now()).is_ok());
//! assert!(ring.admit(route, None, Time::now()).is_err());
//! ```

mod generate;
mod ring;
mod stored;

pub use generate::{GenerateError, ID_LENGTH, SECRET_LENGTH, Secret};
pub use ring::{Denied, KeyRing, RING_LIMIT, Refusal, RingError};
pub use stored::{Digest, Key, KeyId, NOTE_LENGTH};

#[cfg(test)]
mod tests;

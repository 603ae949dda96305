//! New keys.

use std::fmt;

use super::stored::{Digest, Key, KeyId};
use crate::api::history::Time;
use crate::api::routes::Scope;

/// What a key begins with, so that people and secret scanners know it when they see one.
pub(super) const PREFIX: &str = "mq";
/// Characters of a key's id: 12 of 62 give 71 bits, so that no two keys ever made share one by chance.
pub const ID_LENGTH: usize = 12;
/// Characters of a key's secret: 43 of 62 give 256 bits (43 × log₂ 62 = 256.03), as many as its digest has.
pub const SECRET_LENGTH: usize = 43;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A whole key, `mq_<id>_<secret>`. Neither `Debug` nor `Display` shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The key's text, to be given to its owner and to nobody else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The system has no random numbers to give.
#[derive(Debug, thiserror::Error)]
#[error("the system's random number generator fails: {0}")]
pub struct GenerateError(getrandom::Error);

impl Key {
    /// A new key of these scopes, and its secret, which is kept nowhere.
    ///
    /// # Errors
    /// When the system has no random numbers to give.
    pub fn generate(scopes: Vec<Scope>) -> Result<(Self, Secret), GenerateError> {
        let id = characters(ID_LENGTH)?;
        let secret = Secret(format!("{PREFIX}_{id}_{}", characters(SECRET_LENGTH)?));
        let key = Self {
            id: KeyId::try_from(id).expect("it was made of the characters of an id"),
            digest: Digest::of(&secret.0),
            scopes,
            created_at: Some(Time::now()),
            note: None,
            expires_at: None,
        };
        Ok((key, secret))
    }
}

/// Random characters, each of the 62 equally likely: the eight byte values from 4 × 62 on are thrown away.
fn characters(count: usize) -> Result<String, GenerateError> {
    const FAIR: usize = 256 / ALPHABET.len() * ALPHABET.len();
    let mut text = String::with_capacity(count);
    while text.len() < count {
        let mut bytes = [0_u8; 64];
        getrandom::fill(&mut bytes).map_err(GenerateError)?;
        let fair = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < FAIR);
        text.extend(fair.map(|byte| char::from(ALPHABET[byte % ALPHABET.len()])).take(count - text.len()));
    }
    Ok(text)
}

//! The keys that are valid, and the check of what a caller presents.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use subtle::{ConditionallySelectable, ConstantTimeEq};

use super::generate::{ID_LENGTH, PREFIX, SECRET_LENGTH};
use super::stored::{Digest, Key, KeyId};
use crate::api::history::Time;
use crate::api::routes::{Route, Scope};
use crate::api::{Check, Checker, Fault, Problem, ProblemCode};

/// Largest ring in bytes of JSON: what a secret of Secrets Manager holds. Some 250 keys.
pub const RING_LIMIT: usize = 65_536;

/// The keys that are valid. Several may have one id: while a key is rotated, old and new are valid together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRing {
    keys: Vec<Key>,
}

/// A document is no ring. Its words hold none of the document's values.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// It is not JSON, or names a field twice.
    #[error("the ring of keys is not valid JSON: {0}")]
    Json(serde_json::Error),
    /// It breaks rules.
    #[error("the ring of keys breaks {} of its rules: {}", .0.len(), Sentences(.0))]
    Faults(Vec<Fault>),
}

struct Sentences<'a>(&'a [Fault]);

impl fmt::Display for Sentences<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Fault { pointer, detail, .. }) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            let place = if pointer.is_empty() { "/" } else { pointer };
            write!(f, "{separator}{place}: {detail}")?;
        }
        Ok(())
    }
}

impl Check for KeyRing {
    fn check(value: &Value, checker: &mut Checker) {
        struct Keys;
        impl Check for Keys {
            fn check(value: &Value, checker: &mut Checker) {
                let Some(keys) = value.as_array() else { return checker.wrong_type(value, "an array") };
                checker.elements::<Key>(keys);
            }
        }
        let Some(object) = checker.object(value, &["keys"]) else { return };
        checker.required::<Keys>(object, "keys");
    }
}

/// Why nobody is known by what was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// There is no `Authorization` header.
    NoHeader,
    /// Its scheme is not `Bearer`.
    WrongScheme,
    /// What follows the scheme has not the form of a key.
    Malformed,
    /// It has, and is none of the ring's.
    Unknown,
    /// It was one of the ring's, and its time is over.
    Expired,
}

impl Denied {
    /// The name in logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoHeader => "no_header",
            Self::WrongScheme => "wrong_scheme",
            Self::Malformed => "malformed_key",
            Self::Unknown => "unknown_key",
            Self::Expired => "expired_key",
        }
    }
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody is known by what was presented.
    Unauthorized(Denied),
    /// A key that is valid may not be used here.
    Forbidden {
        /// The key's id.
        key: KeyId,
        /// The scope that it lacks.
        missing: Scope,
    },
}

impl Refusal {
    /// The name in logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Unauthorized(denied) => denied.name(),
            Self::Forbidden { .. } => "missing_scope",
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unauthorized(denied) => {
                let detail = match denied {
                    Denied::NoHeader => "send the header `Authorization: Bearer <key>`",
                    Denied::WrongScheme => "the scheme of the header Authorization is `Bearer`",
                    Denied::Malformed => "what the header Authorization holds has not the form of a key",
                    Denied::Unknown => "the key is not known",
                    Denied::Expired => "the key has expired",
                };
                Self::new(ProblemCode::Unauthorized, detail)
            }
            Refusal::Forbidden { missing, .. } => {
                Self::new(ProblemCode::Forbidden, format!("the key lacks the scope `{}`", missing.name()))
            }
        }
    }
}

impl KeyRing {
    /// Reads a ring: `{"keys": [{"id", "digest", "scopes", "created_at"?, "note"?, "expires_at"?}]}`.
    ///
    /// # Errors
    /// When it is not JSON, and with every fault when it is and breaks a rule.
    pub fn parse(json: &[u8]) -> Result<Self, RingError> {
        let faults = Checker::run::<Self>(&serde_json::from_slice(json).map_err(RingError::Json)?);
        if !faults.is_empty() {
            return Err(RingError::Faults(faults));
        }
        // From the text again, and not from the value, which has forgotten a field that was named twice.
        serde_json::from_slice(json).map_err(RingError::Json)
    }

    /// The ring as JSON, a key's fields in one order.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a ring holds nothing that JSON can't")
    }

    /// The keys, in the order of the document.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Adds a key at the end.
    pub fn add(&mut self, key: Key) {
        self.keys.push(key);
    }

    /// Removes every key with this id; how many there were.
    pub fn revoke(&mut self, id: &str) -> usize {
        let before = self.keys.len();
        self.keys.retain(|key| key.id.as_str() != id);
        before - self.keys.len()
    }

    /// The key that the value of an `Authorization` header presents. How long that takes depends on how many keys there
    /// are and not on which of them it is, or whether it is one at all.
    ///
    /// # Errors
    /// Why nobody is known by it.
    pub fn check(&self, presented: Option<&str>, now: Time) -> Result<&Key, Denied> {
        let presented = Digest::of(bearer(presented.ok_or(Denied::NoHeader)?)?);
        // No key has the index one past the last.
        let mut found = self.keys.len() as u64;
        for (index, key) in (0_u64..).zip(&self.keys) {
            found.conditional_assign(&index, key.digest.ct_eq(&presented));
        }
        let key = usize::try_from(found).ok().and_then(|index| self.keys.get(index));
        let key = key.ok_or(Denied::Unknown)?;
        if key.has_expired(now) { Err(Denied::Expired) } else { Ok(key) }
    }

    /// The key that a caller of a route presents; `None` on a public route, where nobody looks at it.
    ///
    /// # Errors
    /// When there is no valid key, or it may not be used here.
    pub fn admit(&self, route: &Route, presented: Option<&str>, now: Time) -> Result<Option<&Key>, Refusal> {
        let Some(scope) = route.scope else { return Ok(None) };
        let key = self.check(presented, now).map_err(Refusal::Unauthorized)?;
        if key.may(scope) {
            Ok(Some(key))
        } else {
            Err(Refusal::Forbidden { key: key.id.clone(), missing: scope })
        }
    }
}

/// The text in the form of a key behind `Bearer`, a word of any case (RFC 9110, section 11.1).
fn bearer(header: &str) -> Result<&str, Denied> {
    let (scheme, key) = header.split_once(' ').ok_or(Denied::WrongScheme)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Denied::WrongScheme);
    }
    let key = key.trim_matches(' ');
    let parts: Vec<_> = key.split('_').collect();
    let word = |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_alphanumeric());
    match parts[..] {
        [PREFIX, id, secret] if word(id, ID_LENGTH) && word(secret, SECRET_LENGTH) => Ok(key),
        _ => Err(Denied::Malformed),
    }
}

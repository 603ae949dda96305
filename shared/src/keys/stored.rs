//! A key as the ring keeps it.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::generate::ID_LENGTH;
use crate::api::history::Time;
use crate::api::routes::Scope;
use crate::api::{Check, Checker, FaultCode};

/// Longest note in characters: a line on a terminal beside the other columns.
pub const NOTE_LENGTH: usize = 100;

/// A key without its secret: what the ring keeps of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Names it in logs and lists.
    pub id: KeyId,
    /// Of the whole key.
    pub digest: Digest,
    /// What it may be used for; at least one.
    pub scopes: Vec<Scope>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Time>,
    /// Whose it is, or what for; at most [`NOTE_LENGTH`] characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// From when on it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

impl Key {
    /// Whether it may be used where `scope` is asked for; `admin` may everything.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|held| held.opens(scope))
    }

    /// Whether it is refused from some time at or before `now` on.
    #[must_use]
    pub fn has_expired(&self, now: Time) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Its scopes' names, separated by spaces as in OAuth 2.
    #[must_use]
    pub fn scope_names(&self) -> String {
        self.scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(" ")
    }
}

impl Check for Key {
    fn check(value: &Value, checker: &mut Checker) {
        let known = ["id", "digest", "scopes", "created_at", "note", "expires_at"];
        let Some(object) = checker.object(value, &known) else { return };
        checker.required::<KeyId>(object, "id");
        checker.required::<Digest>(object, "digest");
        checker.required::<Scopes>(object, "scopes");
        checker.optional::<Time>(object, "created_at");
        checker.optional::<Note>(object, "note");
        checker.optional::<Time>(object, "expires_at");
    }
}

/// The public half of a key: [`ID_LENGTH`] letters and digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct KeyId(String);

impl KeyId {
    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const ID_RULE: &str = "expected 12 letters and digits";

fn is_id(text: &str) -> bool {
    text.len() == ID_LENGTH && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

impl TryFrom<String> for KeyId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if is_id(&text) { Ok(Self(text)) } else { Err(ID_RULE) }
    }
}

impl Check for KeyId {
    fn check(value: &Value, checker: &mut Checker) {
        if checker.string(value).is_some_and(|text| !is_id(text)) {
            checker.fault(FaultCode::InvalidId, ID_RULE);
        }
    }
}

/// SHA-256 of a whole key; 64 hexadecimal digits in JSON. Compared in a time that says nothing of either.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

const DIGEST_RULE: &str = "expected 64 hexadecimal digits, SHA-256 of the whole key";

impl Digest {
    /// Of a whole key.
    #[must_use]
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key).into())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(bytes))
    }
}

impl ConstantTimeEq for Digest {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl Eq for Digest {}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(DIGEST_RULE))
    }
}

impl Check for Digest {
    fn check(value: &Value, checker: &mut Checker) {
        if checker.string(value).is_some_and(|text| Self::parse(text).is_none()) {
            checker.fault(FaultCode::InvalidValue, DIGEST_RULE);
        }
    }
}

/// What [`Key::scopes`] must be.
struct Scopes;

impl Check for Scopes {
    fn check(value: &Value, checker: &mut Checker) {
        let Some(scopes) = value.as_array() else { return checker.wrong_type(value, "an array") };
        if scopes.is_empty() {
            checker.fault(FaultCode::TooFew, "a key has at least one scope");
        }
        checker.elements::<Scope>(scopes);
    }
}

impl Check for Scope {
    fn check(value: &Value, checker: &mut Checker) {
        let Some(text) = checker.string(value) else { return };
        if Self::ALL.iter().all(|scope| scope.name() != text) {
            let names = Self::ALL.map(Self::name).join(", ");
            checker.fault(FaultCode::InvalidValue, format!("expected one of {names}"));
        }
    }
}

/// What [`Key::note`] must be.
struct Note;

impl Check for Note {
    fn check(value: &Value, checker: &mut Checker) {
        let Some(text) = checker.string(value) else { return };
        if text.chars().count() > NOTE_LENGTH || text.chars().any(char::is_control) {
            let detail = format!("expected at most {NOTE_LENGTH} characters on one line");
            checker.fault(FaultCode::InvalidValue, detail);
        }
    }
}

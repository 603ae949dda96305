//! Item and user ids: opaque, and safe in a URL, a log key and a table key.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::checker::{Check, Checker};
use super::error::FaultCode;

/// Longest id in characters. A table key holds 1,024 bytes; 128 leaves room for every prefix and is longer than any
/// UUID, URL slug or hash in use.
pub const ID_LENGTH: usize = 128;

const RULE: &str = "an id is 1 to 128 characters of A-Z a-z 0-9 . _ : @ -, the first a letter or digit";

/// Whether `text` may be an item's or a user's id.
#[must_use]
pub fn is_valid(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= ID_LENGTH
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"._:@-".contains(b))
}

/// The text is not an id.
#[derive(Debug, thiserror::Error)]
#[error("{RULE}")]
pub struct InvalidId;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// The id's text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                if is_valid(&text) { Ok(Self(text)) } else { Err(InvalidId) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Check for $name {
            fn check(value: &Value, checker: &mut Checker) {
                if checker.string(value).is_some_and(|text| !is_valid(text)) {
                    checker.fault(FaultCode::InvalidId, RULE);
                }
            }
        }
    };
}

id! {
    /// The id of an item.
    ItemId
}
id! {
    /// The id of an event among those of its user.
    EventId
}
id! {
    /// The id of a batch.
    BatchId
}
id! {
    /// The id of a user. Its `Debug` does not show it: ids of people stay out of logs.
    UserId
}

impl fmt::Debug for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ItemId({:?})", self.0)
    }
}

impl fmt::Debug for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BatchId({:?})", self.0)
    }
}

/// An event's id is the caller's and may be made of its user's.
impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventId(..)")
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserId(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_short_plain_and_starts_with_a_letter_or_digit() {
        for good in ["1", "a", "A.b_c:d@e-f", &"x".repeat(128)] {
            assert!(is_valid(good), "{good}");
        }
        for bad in ["", "-a", ".a", "a b", "é", "a/b", &"x".repeat(129)] {
            assert!(!is_valid(bad), "{bad}");
        }
    }

    #[test]
    fn a_users_id_does_not_print() {
        let id = UserId::try_from("alice".to_owned()).unwrap();
        assert_eq!(format!("{id:?}"), "UserId(…)");
    }
}

//! Arrays with a least and a most number of entries.

use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_json::Value;

use super::checker::{Check, Checker};
use super::error::FaultCode;

/// An array of `LEAST` to `MOST` entries.
#[derive(Clone, Debug, PartialEq)]
pub struct Entries<T, const LEAST: usize, const MOST: usize>(Vec<T>);

/// An array of at most `MOST` entries.
pub type AtMost<T, const MOST: usize> = Entries<T, 0, MOST>;

impl<T, const LEAST: usize, const MOST: usize> Entries<T, LEAST, MOST> {
    /// The entries.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }

    /// The entries.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }

    fn fault(count: usize) -> Option<(FaultCode, String)> {
        if count > MOST {
            Some((FaultCode::TooMany, format!("{count} entries; at most {MOST} are taken")))
        } else if count < LEAST {
            Some((FaultCode::TooFew, format!("{count} entries; at least {LEAST} are needed")))
        } else {
            None
        }
    }
}

impl<T, const MOST: usize> Default for AtMost<T, MOST> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const LEAST: usize, const MOST: usize> Deserialize<'de>
    for Entries<T, LEAST, MOST>
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = Vec::deserialize(deserializer)?;
        match Self::fault(entries.len()) {
            None => Ok(Self(entries)),
            Some((_, detail)) => Err(de::Error::custom(detail)),
        }
    }
}

impl<T: Check, const LEAST: usize, const MOST: usize> Check for Entries<T, LEAST, MOST> {
    fn check(value: &Value, checker: &mut Checker) {
        let Some(entries) = value.as_array() else { return checker.wrong_type(value, "an array") };
        if let Some((code, detail)) = Self::fault(entries.len()) {
            checker.fault(code, detail);
        }
        checker.elements::<T>(&entries[..entries.len().min(MOST)]);
    }
}

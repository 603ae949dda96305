//! Secrets in Secrets Manager: their names, and how long what was read of them is used.

use std::time::Duration;

use super::{ConfigError, Variable, read};

/// What is read here.
pub(super) const VARIABLES: [Variable; 3] = [
    Variable {
        name: "MARQUEE_KEYS_SECRET",
        meaning: "authorize: name or ARN of the secret with the ring of API keys (docs/keys.md). Needed there.",
        example: "marquee/keys",
        is_default: false,
    },
    Variable {
        name: "MARQUEE_KEYS_TTL_SECONDS",
        meaning: "authorize, serve --api-keys secret:…: seconds for which keys that were read are used, 1 to 86400.",
        example: "300",
        is_default: true,
    },
    Variable {
        name: "MARQUEE_ERASURE_SECRET",
        meaning: "events, users, update-profiles, serve --store dynamodb:…: name or ARN of the secret whose text is the key of \
                  tombstones. Needed wherever a table is.",
        example: "marquee/erasure",
        is_default: false,
    },
];

/// Seconds for which the keys read last are used when nothing else is asked for: a key that was revoked opens nothing
/// five minutes later, and an environment reads the secret twelve times an hour.
const DEFAULT_KEYS_TTL_SECONDS: u64 = 300;
/// A day: longer, and a revoked key outlives most environments.
const KEYS_TTL_LIMIT_SECONDS: u64 = 86_400;

/// Where the API keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysSettings {
    /// Name or ARN of the secret that holds the ring of keys: `MARQUEE_KEYS_SECRET`.
    pub secret: String,
    /// For how long keys that were read are used: `MARQUEE_KEYS_TTL_SECONDS`, 1 to 86,400; 300 when unset.
    pub ttl: Duration,
}

impl KeysSettings {
    /// Reads the variables; `None` without `MARQUEE_KEYS_SECRET`.
    ///
    /// # Errors
    /// When one of them can't be read.
    pub fn from_env() -> Result<Option<Self>, ConfigError> {
        read("MARQUEE_KEYS_SECRET")?.map(|secret| Self::named(&secret)).transpose()
    }

    /// This secret, with everything else as the variables say.
    ///
    /// # Errors
    /// When one of the variables can't be read.
    pub fn named(secret: &str) -> Result<Self, ConfigError> {
        Ok(Self { secret: secret.to_owned(), ttl: ttl(read("MARQUEE_KEYS_TTL_SECONDS")?)? })
    }

    /// The same where there must be keys.
    ///
    /// # Errors
    /// When one of the variables can't be read, or `MARQUEE_KEYS_SECRET` is not set.
    pub fn required() -> Result<Self, ConfigError> {
        const VARIABLE: &str = "MARQUEE_KEYS_SECRET";
        let detail = "is not set: it names the secret that holds the API keys";
        Self::from_env()?.ok_or_else(|| ConfigError { variable: VARIABLE, detail: detail.into() })
    }
}

fn ttl(text: Option<String>) -> Result<Duration, ConfigError> {
    let Some(text) = text else { return Ok(Duration::from_secs(DEFAULT_KEYS_TTL_SECONDS)) };
    let seconds = text.parse().ok().filter(|seconds| (1..=KEYS_TTL_LIMIT_SECONDS).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| ConfigError {
        variable: "MARQUEE_KEYS_TTL_SECONDS",
        detail: format!("is {text:?}, not whole seconds from 1 to {KEYS_TTL_LIMIT_SECONDS}"),
    })
}

/// Where the key is under which people's pseudonyms are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasureSettings {
    /// Name or ARN of the secret whose text is the key: `MARQUEE_ERASURE_SECRET`.
    pub secret: String,
}

impl ErasureSettings {
    /// Reads the variable; `None` when it is not set.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn from_env() -> Result<Option<Self>, ConfigError> {
        Ok(read("MARQUEE_ERASURE_SECRET")?.map(|secret| Self { secret }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_used_for_five_minutes_unless_something_else_is_asked_for() {
        assert_eq!(ttl(None).unwrap(), Duration::from_secs(300));
        assert_eq!(ttl(Some("1".into())).unwrap(), Duration::from_secs(1));
        assert_eq!(ttl(Some("86400".into())).unwrap(), Duration::from_secs(86_400));
    }

    #[test]
    fn what_is_no_time_to_live_is_said_in_a_sentence_with_the_variable() {
        for text in ["0", "86401", "-1", "1.5", "5m", ""] {
            let said = ttl(Some(text.into())).unwrap_err().to_string();
            assert!(said.contains("MARQUEE_KEYS_TTL_SECONDS") && said.contains(text), "{said}");
        }
    }
}

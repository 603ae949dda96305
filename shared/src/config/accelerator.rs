//! The accelerators that are asked first.

use std::time::Duration;

use super::{ConfigError, Variable, read};
use crate::accelerator::Endpoint;

/// What is read here.
pub(super) const VARIABLES: [Variable; 2] = [
    Variable {
        name: "MARQUEE_ACCELERATOR_URL",
        meaning: "recommend: base URL of the accelerator that is asked first, with commas between several. Unset: none.",
        example: "https://gpu.office.example",
        is_default: false,
    },
    Variable {
        name: "MARQUEE_ACCELERATOR_SECRET",
        meaning: "recommend: name or ARN of the secret with what the accelerator lets in (docs/accelerator.md). Unset: the \
                  system's authorities are believed, and no token is sent.",
        example: "marquee/accelerator",
        is_default: false,
    },
];

/// For how long credentials that were read are used: a token that was rotated is in use everywhere after this, and at once
/// where the old one is refused.
const CREDENTIALS_TTL: Duration = Duration::from_secs(300);

/// Where the accelerators are, and what lets us in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceleratorSettings {
    /// Their base URLs, in the order in which they are asked: `MARQUEE_ACCELERATOR_URL`, with commas between several.
    pub endpoints: Vec<Endpoint>,
    /// Name or ARN of the secret with the authorities' certificates and the token: `MARQUEE_ACCELERATOR_SECRET`; without it
    /// the system's authorities are believed, and no token is sent.
    pub secret: Option<String>,
    /// For how long credentials that were read are used.
    pub ttl: Duration,
}

impl AcceleratorSettings {
    /// Reads the variables; `None` without `MARQUEE_ACCELERATOR_URL`: there is no accelerator then.
    ///
    /// # Errors
    /// When one of them can't be used.
    pub fn from_env() -> Result<Option<Self>, ConfigError> {
        const VARIABLE: &str = "MARQUEE_ACCELERATOR_URL";
        let Some(text) = read(VARIABLE)? else { return Ok(None) };
        let endpoints = endpoints(&text).map_err(|detail| ConfigError { variable: VARIABLE, detail })?;
        Ok(Some(Self { endpoints, secret: read("MARQUEE_ACCELERATOR_SECRET")?, ttl: CREDENTIALS_TTL }))
    }
}

fn endpoints(text: &str) -> Result<Vec<Endpoint>, String> {
    let endpoint = |url: &str| {
        let url = url.trim();
        url.parse().map_err(|detail| format!("has {url:?}: {detail}"))
    };
    text.split(',').map(endpoint).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_stand_in_the_order_in_which_they_are_asked() {
        let both = endpoints("https://gpu.office.example, http://10.0.0.7:8000").unwrap();
        let both: Vec<_> = both.iter().map(ToString::to_string).collect();
        assert_eq!(both, ["https://gpu.office.example:443", "http://10.0.0.7:8000"]);
    }

    #[test]
    fn what_is_no_url_is_named() {
        for text in ["gpu", "http://gpu,", ""] {
            let said = endpoints(text).unwrap_err();
            assert!(said.starts_with("has \"") && said.ends_with("is expected"), "{said}");
        }
    }
}

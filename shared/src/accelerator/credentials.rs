//! What it takes to be let in by an accelerator: a private authority's certificate, and a token.

use std::fmt;

use serde::Deserialize;

/// The certificate of the authority that signed the accelerator's, and the token it asks for. Both may be missing: then
/// the system's authorities are believed, and no token is sent.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// Certificates of authorities, as PEM.
    ca: Option<String>,
    /// What goes into `Authorization: Bearer`.
    token: Option<String>,
}

impl Credentials {
    /// Reads the text of the secret: `{"ca": "-----BEGIN CERTIFICATE-----…", "token": "…"}`.
    ///
    /// # Errors
    /// In words that hold nothing of the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fault = |error: serde_json::Error| {
            let (line, column) = (error.line(), error.column());
            format!("it is no JSON object with `ca` and `token` (line {line}, column {column})")
        };
        let credentials: Self = serde_json::from_str(text).map_err(fault)?;
        let visible = |token: &String| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
        if credentials.token.as_ref().is_some_and(|token| !visible(token)) {
            return Err("its `token` is not made of visible ASCII characters".into());
        }
        Ok(credentials)
    }

    /// The authorities' certificates.
    #[must_use]
    pub fn ca(&self) -> Option<&str> {
        self.ca.as_deref()
    }

    /// The token.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }
}

/// Neither is printed.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_may_be_missing_and_neither_is_printed() {
        assert_eq!(Credentials::parse("{}").unwrap(), Credentials::default());
        let both = Credentials::parse(r#"{"ca": "PEM", "token": "hush"}"#).unwrap();
        assert_eq!((both.ca(), both.token()), (Some("PEM"), Some("hush")));
        assert!(!format!("{both:?}").contains("hush"));
    }

    #[test]
    fn what_cannot_be_used_is_refused_in_words_without_the_text() {
        for text in
            ["hush", r#"{"token": 7}"#, r#"{"token": "hu sh"}"#, r#"{"token": ""}"#, r#"{"key": "hush"}"#]
        {
            let said = Credentials::parse(text).unwrap_err();
            assert!(said.starts_with("it") && !said.contains("hu"), "{said}");
        }
    }
}

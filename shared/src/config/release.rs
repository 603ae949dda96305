//! What a release hook judges.

use super::{ConfigError, Variable, read};

/// What is read here.
pub(super) const VARIABLES: [Variable; 1] = [Variable {
    name: "MARQUEE_RELEASE_VERSIONS",
    meaning: "verify-release: the versions to judge, FUNCTION=ARN with commas between them. Needed there.",
    example: "rank=arn:aws:lambda:eu-central-1:123456789012:function:rank:7",
    is_default: false,
}];

/// A new version of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The function: its package.
    pub function: String,
    /// The version's ARN.
    pub arn: String,
}

/// The versions that a release brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseSettings {
    /// `MARQUEE_RELEASE_VERSIONS`: `FUNCTION=ARN`, with commas between several.
    pub versions: Vec<Version>,
}

impl ReleaseSettings {
    /// Reads the variable.
    ///
    /// # Errors
    /// When it is not set, or not of the form.
    pub fn from_env() -> Result<Self, ConfigError> {
        const VARIABLE: &str = "MARQUEE_RELEASE_VERSIONS";
        let fault = |detail: String| ConfigError { variable: VARIABLE, detail };
        let text =
            read(VARIABLE)?.ok_or_else(|| fault("is not set: it names the versions to judge".into()))?;
        Ok(Self { versions: versions(&text).map_err(fault)? })
    }
}

fn versions(text: &str) -> Result<Vec<Version>, String> {
    let version = |part: &str| {
        let (function, arn) = part.split_once('=').unwrap_or_default();
        if function.is_empty() || arn.is_empty() {
            return Err(format!("has {part:?}, not FUNCTION=ARN"));
        }
        Ok(Version { function: function.to_owned(), arn: arn.to_owned() })
    };
    text.split(',').map(version).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_is_of_a_function() {
        let version = |function: &str, arn: &str| Version { function: function.into(), arn: arn.into() };
        let both = versions("rank=arn:aws:lambda:r:1:function:f:7,items=arn:b").unwrap();
        assert_eq!(both, [version("rank", "arn:aws:lambda:r:1:function:f:7"), version("items", "arn:b")]);
    }

    #[test]
    fn what_is_none_is_named() {
        for text in ["rank", "=arn", "rank=", "rank=a,"] {
            assert!(versions(text).unwrap_err().ends_with("not FUNCTION=ARN"), "{text}");
        }
    }
}

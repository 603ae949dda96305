//! Where batches are.

use super::{ConfigError, read};

/// The bucket of inputs and results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketSettings {
    /// Its name: `MARQUEE_BUCKET`.
    pub bucket: String,
    /// The state machine that runs batches: `MARQUEE_STATE_MACHINE`, its ARN. Only who starts them needs it.
    pub state_machine: Option<String>,
}

impl BucketSettings {
    /// Reads the variables; `None` without `MARQUEE_BUCKET`: there are no batches then.
    ///
    /// # Errors
    /// When one of them can't be used.
    pub fn from_env() -> Result<Option<Self>, ConfigError> {
        let Some(bucket) = read("MARQUEE_BUCKET")? else { return Ok(None) };
        Ok(Some(Self { bucket, state_machine: read("MARQUEE_STATE_MACHINE")? }))
    }
}

/// Where objects are kept, when it is not AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectSettings {
    /// An emulator: `AWS_ENDPOINT_URL_S3`, else `AWS_ENDPOINT_URL`, as the SDK has them.
    pub endpoint: Option<String>,
}

impl ObjectSettings {
    /// Reads the variables.
    ///
    /// # Errors
    /// When one of them can't be used.
    pub fn from_env() -> Result<Self, ConfigError> {
        let own = read("AWS_ENDPOINT_URL_S3")?;
        Ok(Self { endpoint: if own.is_some() { own } else { read("AWS_ENDPOINT_URL")? } })
    }
}

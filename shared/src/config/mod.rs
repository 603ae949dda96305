//! Configuration: environment variables, typed, one struct per subsystem. The only place that reads them.

mod accelerator;
#[cfg(feature = "batch")]
mod batches;
mod release;
mod secrets;
mod store;
mod variables;

use std::env;
use std::path::PathBuf;

pub use accelerator::AcceleratorSettings;
#[cfg(feature = "batch")]
pub use batches::{BucketSettings, ObjectSettings};
pub use release::{ReleaseSettings, Version};
pub use secrets::{ErasureSettings, KeysSettings};
pub use store::{TableSettings, is_table_name};
pub use variables::{Variable, env_example, variables};

/// What is read in this file.
const VARIABLES: [Variable; 5] = [
    Variable {
        name: "MARQUEE_MODEL_DIR",
        meaning: "Functions with a model: directory of the artifact.",
        example: DEFAULT_MODEL_DIR,
        is_default: true,
    },
    Variable {
        name: "MARQUEE_SERVICE",
        meaning: "Functions, serve --log json: name of this deployment in its metrics, 1 to 255 visible ASCII characters.",
        example: DEFAULT_SERVICE,
        is_default: true,
    },
    Variable {
        name: "PORT",
        meaning: "serve, health: port, 1 to 65535, where --port names none. Unset: 3000, or a free one when that is taken.",
        example: "8080",
        is_default: false,
    },
    Variable {
        name: "RUST_LOG",
        meaning: "Filter of the log, in the syntax of tracing-subscriber. Lines with metrics are always written.",
        example: "info",
        is_default: true,
    },
    Variable {
        name: "SOURCE_DATE_EPOCH",
        meaning: "train, import: whole seconds since 1970 that stand in for the clock, so that the same training gives the \
                  same bytes. Unset: the clock.",
        example: "1773342245",
        is_default: false,
    },
];

/// A variable that can't be read: one sentence naming it.
#[derive(Debug, thiserror::Error)]
#[error("the variable {variable} {detail}")]
pub struct ConfigError {
    variable: &'static str,
    detail: String,
}

/// Where the model is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelSettings {
    /// The directory of the artifact: `MARQUEE_MODEL_DIR`, `/opt/marquee/model` when unset.
    pub dir: PathBuf,
}

/// Where a Lambda layer with `marquee/model` in it comes to lie.
const DEFAULT_MODEL_DIR: &str = "/opt/marquee/model";
const DEFAULT_SERVICE: &str = "marquee";

impl ModelSettings {
    /// Reads `MARQUEE_MODEL_DIR`.
    ///
    /// # Errors
    /// When it is not text, or empty.
    pub fn from_env() -> Result<Self, ConfigError> {
        let dir = read("MARQUEE_MODEL_DIR")?.unwrap_or_else(|| DEFAULT_MODEL_DIR.to_owned());
        Ok(Self { dir: dir.into() })
    }
}

/// Seconds since the epoch that stand in for the clock in what is built (`SOURCE_DATE_EPOCH`,
/// <https://reproducible-builds.org/specs/source-date-epoch/>), so that the same training gives the same bytes.
///
/// # Errors
/// When it is set and not a whole number.
pub fn source_date_epoch() -> Result<Option<i64>, ConfigError> {
    const VARIABLE: &str = "SOURCE_DATE_EPOCH";
    let parse = |text: String| {
        let fault = |_| ConfigError { variable: VARIABLE, detail: format!("is {text:?}, not whole seconds") };
        text.parse().map_err(fault)
    };
    read(VARIABLE)?.map(parse).transpose()
}

/// The filter of the log (`RUST_LOG`, in the syntax of `tracing-subscriber`).
///
/// # Errors
/// When it is not text.
pub fn log_filter() -> Result<Option<String>, ConfigError> {
    read("RUST_LOG")
}

/// The name of this deployment in its metrics: `MARQUEE_SERVICE`, `marquee` when unset.
///
/// # Errors
/// When it is not a value that CloudWatch takes for a dimension: 1 to 255 visible ASCII characters, no `:` in front.
pub fn service_name() -> Result<String, ConfigError> {
    const VARIABLE: &str = "MARQUEE_SERVICE";
    let name = read(VARIABLE)?.unwrap_or_else(|| DEFAULT_SERVICE.to_owned());
    if name.len() <= 255 && name.bytes().all(|b| b.is_ascii_graphic()) && !name.starts_with(':') {
        return Ok(name);
    }
    let detail = format!("is {name:?}, not up to 255 visible ASCII characters without a `:` in front");
    Err(ConfigError { variable: VARIABLE, detail })
}

/// The port to listen on where the command line names none: `PORT`, as Cloud Run and others set it.
///
/// # Errors
/// When it is no port that others can be told, 1 to 65535.
pub fn port() -> Result<Option<u16>, ConfigError> {
    const VARIABLE: &str = "PORT";
    let Some(text) = read(VARIABLE)? else { return Ok(None) };
    match text.parse() {
        Ok(port @ 1..) => Ok(Some(port)),
        _ => Err(ConfigError {
            variable: VARIABLE,
            detail: format!("is {text:?}, not a port from 1 to 65535"),
        }),
    }
}

fn read(variable: &'static str) -> Result<Option<String>, ConfigError> {
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads variables")]
    let value = env::var(variable);
    match value {
        Ok(text) if text.is_empty() => Err(ConfigError { variable, detail: "is set to nothing".into() }),
        Ok(text) => Ok(Some(text)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => {
            Err(ConfigError { variable, detail: "is not valid text".into() })
        }
    }
}

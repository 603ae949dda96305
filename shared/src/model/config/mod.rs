//! `config.json`: what a model is and how it came to be.

mod hyperparameters;
mod weights;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use hyperparameters::{AlsConfig, FACTORS_LIMIT, Kind, NORM_EPSILON, SasrecConfig};
pub use weights::{EventWeights, Signal};

/// The format this crate reads and writes.
pub const FORMAT_VERSION: u32 = 1;

/// The contents of `config.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// The version of the artifact format: [`FORMAT_VERSION`].
    pub format_version: u32,
    /// What kind of model it is, and its hyperparameters.
    #[serde(flatten)]
    pub kind: Kind,
    /// The model's name, for people.
    pub name: String,
    /// The model's version.
    pub version: String,
    /// How strongly each type of event speaks for its item; a type that is missing has its default weight.
    #[serde(default)]
    pub event_weights: EventWeights,
    /// What it was trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Training>,
    /// Offline metrics, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, f64>,
}

/// What a model was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// The data's name.
    pub source: String,
    /// Users in it.
    pub users: usize,
    /// Interactions in it.
    pub interactions: usize,
    /// When, in RFC 3339.
    pub trained_at: String,
    /// Whether the interactions were simulated, not made by people.
    #[serde(default)]
    pub simulated: bool,
}

impl ModelConfig {
    /// Reads and checks `config.json`.
    ///
    /// # Errors
    /// One sentence on what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Version {
            format_version: u32,
        }
        let found: Version = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if found.format_version != FORMAT_VERSION {
            return Err(format!(
                "format_version {}; this build reads {FORMAT_VERSION}",
                found.format_version
            ));
        }
        let config: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        config.kind.check()?;
        if !config.event_weights.is_sound() {
            return Err("event_weights must lie between 0 and 1000, rating_threshold between 0 and 5".into());
        }
        Ok(config)
    }
}

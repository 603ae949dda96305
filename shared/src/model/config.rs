//! `config.json`: what a model is and how it came to be.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::api::EventType;

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

/// The kinds of model, with their hyperparameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "hyperparameters", rename_all = "snake_case")]
pub enum Kind {
    /// Implicit alternating least squares.
    Als(AlsConfig),
}

impl Kind {
    /// The kind's name in `config.json`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Als(_) => "als",
        }
    }
}

/// Hyperparameters of implicit ALS that folding in needs, and those that training had.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlsConfig {
    /// Numbers per item, 1 to 1,024.
    pub factors: usize,
    /// λ of the frequency-scaled regularisation, above 0.
    pub regularization: f64,
    /// α₀, the weight of every unobserved pair, 0 or more.
    pub alpha0: f64,
    /// Passes over users and items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<usize>,
    /// Standard deviation of the initial factors, times √factors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_std: Option<f64>,
    /// Seed of the initial factors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// Most factors: 1,024 squared doubles are 8 MB per request while folding in, the most a small function should spend.
pub const FACTORS_LIMIT: usize = 1_024;

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

/// The weight of each type of event.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventWeights {
    view: f32,
    click: f32,
    play: f32,
    like: f32,
    purchase: f32,
    rating: f32,
    /// Ratings of this value and above attract; lower ones exclude.
    rating_threshold: f32,
}

impl Default for EventWeights {
    fn default() -> Self {
        Self {
            view: 0.2,
            click: 0.3,
            play: 0.5,
            like: 1.0,
            purchase: 1.0,
            rating: 1.0,
            rating_threshold: 3.5,
        }
    }
}

/// What an event says about its item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Signal {
    /// More like this, with a weight above 0.
    Attracts(f32),
    /// Seen, and says nothing more.
    Neutral,
    /// Never this.
    Excludes,
}

impl EventWeights {
    /// What an event of this type and value says.
    #[must_use]
    pub fn signal(&self, kind: EventType, value: Option<f32>) -> Signal {
        let weight = match kind {
            EventType::View => self.view,
            EventType::Click => self.click,
            EventType::Play => self.play,
            EventType::Like => self.like,
            EventType::Purchase => self.purchase,
            EventType::Dislike => return Signal::Excludes,
            EventType::Rating if value.is_some_and(|v| v < self.rating_threshold) => return Signal::Excludes,
            EventType::Rating => self.rating,
        };
        if weight > 0.0 { Signal::Attracts(weight) } else { Signal::Neutral }
    }

    fn is_sound(&self) -> bool {
        let weights = [self.view, self.click, self.play, self.like, self.purchase, self.rating];
        weights.iter().all(|w| (0.0..=1_000.0).contains(w)) && (0.0..=5.0).contains(&self.rating_threshold)
    }
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
        let Kind::Als(als) = &config.kind;
        if !(1..=FACTORS_LIMIT).contains(&als.factors) {
            return Err(format!("factors {}; 1 to {FACTORS_LIMIT} are taken", als.factors));
        }
        if !(als.regularization.is_finite() && als.regularization > 0.0) {
            return Err(format!("regularization {}; it must be above 0", als.regularization));
        }
        if !(als.alpha0.is_finite() && als.alpha0 >= 0.0) {
            return Err(format!("alpha0 {}; it must be 0 or more", als.alpha0));
        }
        if !config.event_weights.is_sound() {
            return Err("event_weights must lie between 0 and 1000, rating_threshold between 0 and 5".into());
        }
        Ok(config)
    }
}

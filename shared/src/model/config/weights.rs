//! What each type of event says about its item.

use serde::{Deserialize, Serialize};

use crate::api::EventType;

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

    pub(super) fn is_sound(&self) -> bool {
        let weights = [self.view, self.click, self.play, self.like, self.purchase, self.rating];
        weights.iter().all(|w| (0.0..=1_000.0).contains(w)) && (0.0..=5.0).contains(&self.rating_threshold)
    }
}

//! `POST /v1/events`: what people did.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::checker::{Check, Checker};
use super::entries::Entries;
use super::error::FaultCode;
use super::history::{EventType, GivenTime, RATING_NEEDS_VALUE, RatingValue};
use super::id::{EventId, ItemId, UserId};
use super::object::present;

/// Most events of a call: what a client gathers in a few seconds, and what fits in the body with ids of full length.
pub const EVENTS_LIMIT: usize = 100;

/// The body of `POST /v1/events`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct EventsRequest {
    /// What was done, in any order.
    pub events: Entries<NewEvent, 1, EVENTS_LIMIT>,
}

impl Check for EventsRequest {
    fn check(value: &Value, checker: &mut Checker) {
        let Some(object) = checker.object(value, &["events"]) else { return };
        checker.required::<Entries<NewEvent, 1, EVENTS_LIMIT>>(object, "events");
    }
}

/// One interaction as a caller sends it.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
#[cfg_attr(feature = "openapi", schemars(transform = super::openapi::rating_has_value))]
pub struct NewEvent {
    /// Names it among the user's events: sent again under it, it counts once. Made by the server where it is missing.
    pub event_id: Option<EventId>,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is about; items that the catalogue doesn't know are kept too.
    pub item_id: ItemId,
    /// What was done.
    #[cfg_attr(feature = "openapi", schemars(rename = "type"))]
    pub kind: EventType,
    /// The rating's value; a `rating` needs one.
    pub value: Option<RatingValue>,
    /// When it was done; now, where it is missing.
    pub occurred_at: Option<GivenTime>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(default, deserialize_with = "present")]
    event_id: Option<EventId>,
    user_id: UserId,
    item_id: ItemId,
    #[serde(rename = "type")]
    kind: EventType,
    #[serde(default, deserialize_with = "present")]
    value: Option<RatingValue>,
    #[serde(default, deserialize_with = "present")]
    occurred_at: Option<GivenTime>,
}

impl<'de> Deserialize<'de> for NewEvent {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Fields { event_id, user_id, item_id, kind, value, occurred_at } =
            super::object::object(deserializer)?;
        if kind == EventType::Rating && value.is_none() {
            return Err(serde::de::Error::custom(RATING_NEEDS_VALUE));
        }
        Ok(Self { event_id, user_id, item_id, kind, value, occurred_at })
    }
}

impl Check for NewEvent {
    fn check(value: &Value, checker: &mut Checker) {
        let known = ["event_id", "user_id", "item_id", "type", "value", "occurred_at"];
        let Some(object) = checker.object(value, &known) else { return };
        checker.optional::<EventId>(object, "event_id");
        checker.required::<UserId>(object, "user_id");
        checker.required::<ItemId>(object, "item_id");
        checker.required::<EventType>(object, "type");
        checker.optional::<RatingValue>(object, "value");
        checker.optional::<GivenTime>(object, "occurred_at");
        let rating = object.get("type").and_then(Value::as_str) == Some(EventType::Rating.name());
        if rating && !object.contains_key("value") {
            checker.fault_at("value", FaultCode::Missing, RATING_NEEDS_VALUE);
        }
    }
}

/// The answer to `POST /v1/events`. Every index of the request is in one of the three lists.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct EventsAnswer {
    /// The id under which logs know this request.
    pub request_id: String,
    /// Events that are kept now.
    pub accepted: Vec<TakenEvent>,
    /// Events that were kept before.
    pub duplicates: Vec<TakenEvent>,
    /// Events that are not kept, and why.
    pub rejected: Vec<RejectedEvent>,
}

/// An event that is kept.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct TakenEvent {
    /// Its place in the request, from 0.
    pub index: usize,
    /// Its id.
    pub event_id: EventId,
}

/// An event that is not kept.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct RejectedEvent {
    /// Its place in the request, from 0.
    pub index: usize,
    /// Why.
    pub code: Rejection,
    /// The same for a person.
    pub detail: String,
}

/// Why an event is not kept. The names are part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub enum Rejection {
    /// Its time is before 1990 or after it came.
    InvalidTime,
    /// Another event is kept under its id.
    Conflict,
    /// Its person was erased after it was done.
    Erased,
    /// The store could not take it; send it again.
    StoreUnavailable,
}

impl Rejection {
    /// Every reason, in the order of the contract.
    pub const ALL: [Self; 4] = [Self::InvalidTime, Self::Conflict, Self::Erased, Self::StoreUnavailable];

    /// What it means, for a person.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        match self {
            Self::InvalidTime => "an event's time lies between 1990 and the moment it comes",
            Self::Conflict => "another event was sent under this id before",
            Self::Erased => "the person was erased after this was done",
            Self::StoreUnavailable => "it could not be kept; send it again, under the same id",
        }
    }
}

//! `/v1/users/{id}`: what is held about a person, and its erasure.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::checker::{Check, Checker};
use super::history::{EventType, RatingValue, Time};
use super::id::{EventId, ItemId, UserId};
use super::items::Limit;
use super::object::present;

/// Events on a page when none are asked for.
const DEFAULT_LIMIT: Limit = Limit::clamped(100);

/// The query of `GET /v1/users/{id}/events`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct UserEventsQuery {
    /// Events on the page.
    pub limit: Limit,
    /// Where the page begins: after the event of this id. Any id is a place, whether there is such an event or not.
    #[serde(deserialize_with = "present")]
    pub cursor: Option<EventId>,
}

impl Default for UserEventsQuery {
    fn default() -> Self {
        Self { limit: DEFAULT_LIMIT, cursor: None }
    }
}

impl Check for UserEventsQuery {
    fn check(value: &Value, checker: &mut Checker) {
        let Some(object) = checker.object(value, &["limit", "cursor"]) else { return };
        checker.optional::<Limit>(object, "limit");
        checker.optional::<EventId>(object, "cursor");
    }
}

/// The answer to `GET /v1/users/{id}`: the profile that recommendations to this person stand on.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct User {
    /// The id under which logs know this request.
    pub request_id: String,
    /// The person.
    pub user_id: UserId,
    /// When the profile last changed; `null` when there is none.
    pub changed_at: Option<Time>,
    /// Per item the latest event, newest last; at most 500.
    pub history: Vec<KnownEntry>,
}

/// One entry of a profile.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct KnownEntry {
    /// The item.
    pub item_id: ItemId,
    /// What was done.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// The rating's value.
    pub value: Option<RatingValue>,
    /// When it was done.
    pub occurred_at: Time,
    /// Which event said so.
    pub event_id: EventId,
}

/// A page of a person's events, in the order of their ids.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct UserEvents {
    /// The events.
    pub items: Vec<KnownEvent>,
    /// Where the next page begins; `null` on the last.
    pub next_cursor: Option<EventId>,
}

/// One event that is held.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct KnownEvent {
    /// The event.
    pub event_id: EventId,
    /// The item.
    pub item_id: ItemId,
    /// What was done.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// The rating's value.
    pub value: Option<RatingValue>,
    /// When it was done.
    pub occurred_at: Time,
    /// When it came.
    pub received_at: Time,
}

/// The answer to `DELETE /v1/users/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ErasedUser {
    /// The id under which logs know this request.
    pub request_id: String,
    /// What was removed.
    pub removed: Removed,
    /// Events at or before this time are taken no more.
    pub erased_until: Time,
}

/// What an erasure removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Removed {
    /// Events.
    pub events: u64,
    /// Profiles, one for each region that had one.
    pub profiles: u64,
}

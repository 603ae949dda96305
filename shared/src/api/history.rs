//! A person's history as it comes over the wire.

use std::fmt;
use std::ops::RangeInclusive;

use serde::de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::checker::{Check, Checker};
use super::error::FaultCode;
use super::id::ItemId;
use super::number::{BoundedFloat, integer, whole};
use super::object::present;
use super::rfc_3339;

/// Most entries of a history: the newest 500 distinct items are all that a profile keeps.
pub const HISTORY_LIMIT: usize = 500;

/// What a person did with an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub enum EventType {
    /// Looked at it.
    View,
    /// Opened it.
    Click,
    /// Watched, read or played it.
    Play,
    /// Said they like it. What a bare id in a history means.
    Like,
    /// Bought it.
    Purchase,
    /// Rated it from 0.5 to 5.
    Rating,
    /// Said they don't like it: never recommended.
    Dislike,
}

impl EventType {
    /// Every type, in the order of the contract.
    pub const ALL: [Self; 7] =
        [Self::View, Self::Click, Self::Play, Self::Like, Self::Purchase, Self::Rating, Self::Dislike];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Click => "click",
            Self::Play => "play",
            Self::Like => "like",
            Self::Purchase => "purchase",
            Self::Rating => "rating",
            Self::Dislike => "dislike",
        }
    }
}

impl Check for EventType {
    fn check(value: &Value, checker: &mut Checker) {
        let Some(text) = checker.string(value) else { return };
        if Self::ALL.iter().all(|t| t.name() != text) {
            let names: Vec<_> = Self::ALL.iter().map(|t| t.name()).collect();
            checker.fault(FaultCode::InvalidValue, format!("expected one of {}", names.join(", ")));
        }
    }
}

/// A rating's value, 0.5 to 5.
pub type RatingValue = BoundedFloat<5, 50>;

/// A moment: RFC 3339 or epoch milliseconds on the wire, from 1990 to the end of 2099. What is written with a year of these
/// and by its offset lies outside is taken for the nearer end: a schema can say that of years, and not of moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(i64);

/// 1990-01-01T00:00:00Z, before anything this service is about was recorded.
pub(super) const EARLIEST_MS: i64 = 631_152_000_000;
/// 2100-01-01T00:00:00Z: a later time is a unit mistaken.
pub(super) const LATEST_MS: i64 = 4_102_444_800_000;
/// The years between the two.
const YEARS: RangeInclusive<u16> = 1990..=2099;
const TIME_RULE: &str = "expected RFC 3339 or epoch milliseconds, from 1990 to 2099";

impl Time {
    /// 1990-01-01T00:00:00Z, the earliest there is.
    pub const EARLIEST: Self = Self(EARLIEST_MS);

    /// A moment from epoch milliseconds.
    #[must_use]
    pub fn from_millis(millis: i64) -> Option<Self> {
        (EARLIEST_MS..LATEST_MS).contains(&millis).then_some(Self(millis))
    }

    /// Epoch milliseconds.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Now, by the clock of this machine; a clock outside of 1990 to 2099 is taken for the nearer end.
    #[must_use]
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_millisecond().clamp(EARLIEST_MS, LATEST_MS - 1))
    }

    fn parse(text: &str) -> Option<Self> {
        let millis = rfc_3339::millis(text)?;
        YEARS.contains(&rfc_3339::year(text)?).then(|| Self(millis.clamp(EARLIEST_MS, LATEST_MS - 1)))
    }
}

/// RFC 3339 in UTC with milliseconds: as text, later times are greater.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timestamp = jiff::Timestamp::from_millisecond(self.0).map_err(|_| fmt::Error)?;
        write!(f, "{timestamp:.3}")
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A moment of any year, where one that is out of range is not the whole request's fault: RFC 3339 or epoch milliseconds
/// on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenTime(i64);

const GIVEN_TIME_RULE: &str = "expected RFC 3339 or epoch milliseconds";

impl GivenTime {
    /// Epoch milliseconds.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    fn parse(text: &str) -> Option<Self> {
        rfc_3339::millis(text).map(Self)
    }
}

/// Reads RFC 3339 or epoch milliseconds.
fn time<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    rule: &'static str,
    of_text: fn(&str) -> Option<T>,
    of_millis: fn(i64) -> Option<T>,
) -> Result<T, D::Error> {
    struct TimeVisitor<T> {
        rule: &'static str,
        of_text: fn(&str) -> Option<T>,
        of_millis: fn(i64) -> Option<T>,
    }
    impl<T> Visitor<'_> for TimeVisitor<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a time: RFC 3339 or epoch milliseconds")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            (self.of_text)(text).ok_or_else(|| E::custom(self.rule))
        }

        fn visit_i64<E: de::Error>(self, millis: i64) -> Result<T, E> {
            (self.of_millis)(millis).ok_or_else(|| E::custom(self.rule))
        }

        fn visit_u64<E: de::Error>(self, millis: u64) -> Result<T, E> {
            i64::try_from(millis).ok().and_then(self.of_millis).ok_or_else(|| E::custom(self.rule))
        }

        fn visit_f64<E: de::Error>(self, millis: f64) -> Result<T, E> {
            whole(millis).and_then(self.of_millis).ok_or_else(|| E::custom(self.rule))
        }
    }
    deserializer.deserialize_any(TimeVisitor { rule, of_text, of_millis })
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        time(deserializer, TIME_RULE, Self::parse, Self::from_millis)
    }
}

impl<'de> Deserialize<'de> for GivenTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        time(deserializer, GIVEN_TIME_RULE, Self::parse, |millis| Some(Self(millis)))
    }
}

fn check_time<T>(
    value: &Value,
    checker: &mut Checker,
    rule: &'static str,
    of_text: fn(&str) -> Option<T>,
    of_millis: fn(i64) -> Option<T>,
) {
    let time = match value {
        Value::String(text) => of_text(text),
        Value::Number(number) => integer(number).and_then(of_millis),
        other => return checker.wrong_type(other, "a string or an integer"),
    };
    if time.is_none() {
        checker.fault(FaultCode::InvalidTime, rule);
    }
}

impl Check for Time {
    fn check(value: &Value, checker: &mut Checker) {
        check_time(value, checker, TIME_RULE, Self::parse, Self::from_millis);
    }
}

impl Check for GivenTime {
    fn check(value: &Value, checker: &mut Checker) {
        check_time(value, checker, GIVEN_TIME_RULE, Self::parse, |millis| Some(Self(millis)));
    }
}

/// One entry of a history: `"260"`, or `{"item_id", "type", "value", "occurred_at"}`.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEntry {
    /// What the entry is about.
    pub item_id: ItemId,
    /// What was done; a bare id, and an entry without a type, is a `like`, or a `rating` when it has a value.
    pub kind: EventType,
    /// The rating's value.
    pub value: Option<RatingValue>,
    /// When it was done.
    pub occurred_at: Option<Time>,
}

/// What a person did with an item.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "HistoryEntryObject"))]
#[cfg_attr(feature = "openapi", schemars(transform = super::openapi::rating_has_value))]
pub(super) struct Entry {
    /// What the entry is about.
    item_id: ItemId,
    /// What was done; without it a `like`, or a `rating` where there is a value.
    #[serde(default, rename = "type", deserialize_with = "present")]
    kind: Option<EventType>,
    /// The rating's value; a `rating` needs one.
    #[serde(default, deserialize_with = "present")]
    value: Option<RatingValue>,
    /// When it was done.
    #[serde(default, deserialize_with = "present")]
    occurred_at: Option<Time>,
}

pub(super) const RATING_NEEDS_VALUE: &str = "a rating needs a value from 0.5 to 5";

impl TryFrom<Entry> for HistoryEntry {
    type Error = &'static str;

    fn try_from(entry: Entry) -> Result<Self, Self::Error> {
        let implied = if entry.value.is_some() { EventType::Rating } else { EventType::Like };
        let kind = entry.kind.unwrap_or(implied);
        if kind == EventType::Rating && entry.value.is_none() {
            return Err(RATING_NEEDS_VALUE);
        }
        Ok(Self { item_id: entry.item_id, kind, value: entry.value, occurred_at: entry.occurred_at })
    }
}

impl<'de> Deserialize<'de> for HistoryEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntryVisitor;
        impl<'de> Visitor<'de> for EntryVisitor {
            type Value = HistoryEntry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an item id or an object")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<HistoryEntry, E> {
                self.visit_string(text.to_owned())
            }

            fn visit_string<E: de::Error>(self, text: String) -> Result<HistoryEntry, E> {
                let item_id = ItemId::try_from(text).map_err(E::custom)?;
                Ok(HistoryEntry { item_id, kind: EventType::Like, value: None, occurred_at: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<HistoryEntry, A::Error> {
                Entry::deserialize(MapAccessDeserializer::new(map))?.try_into().map_err(de::Error::custom)
            }
        }
        deserializer.deserialize_any(EntryVisitor)
    }
}

impl Check for HistoryEntry {
    fn check(value: &Value, checker: &mut Checker) {
        if value.is_string() {
            return ItemId::check(value, checker);
        }
        if !value.is_object() {
            return checker.wrong_type(value, "an item id or an object");
        }
        let Some(object) = checker.object(value, &["item_id", "type", "value", "occurred_at"]) else {
            return;
        };
        checker.required::<ItemId>(object, "item_id");
        checker.optional::<EventType>(object, "type");
        checker.optional::<RatingValue>(object, "value");
        checker.optional::<Time>(object, "occurred_at");
        let rating = object.get("type").and_then(Value::as_str) == Some(EventType::Rating.name());
        if rating && !object.contains_key("value") {
            checker.fault_at("value", FaultCode::Missing, RATING_NEEDS_VALUE);
        }
    }
}

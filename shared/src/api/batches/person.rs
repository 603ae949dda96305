//! One person of a batch: a line of its input.

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::api::checker::{Check, Checker};
use crate::api::entries::{AtMost, Entries};
use crate::api::history::{HISTORY_LIMIT, HistoryEntry};
use crate::api::id::{ItemId, UserId};
use crate::api::object::{object, present, present_object};
use crate::api::ranking::{ITEMS_LIMIT, RankingRequest};
use crate::api::recommendation::{DEFAULT_DEADLINE, Diversity, Filters, K, RecommendationRequest};

/// One person, and what is asked for them: the bodies of `POST /v1/recommendations` and, where there are `items`, of
/// `POST /v1/rankings`, without a deadline.
#[derive(Clone, Debug, PartialEq)]
pub enum Person {
    /// What should they have next?
    Recommend(RecommendedPerson),
    /// These items, in which order?
    Rank(RankedPerson),
}

/// A person to recommend to.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct RecommendedPerson {
    /// Whose stored history to use.
    #[serde(deserialize_with = "present")]
    pub user_id: Option<UserId>,
    /// What the person did, newest last.
    pub history: AtMost<HistoryEntry, HISTORY_LIMIT>,
    /// How many items to answer; as many as the batch says, without it 10.
    #[serde(deserialize_with = "present")]
    pub k: Option<K>,
    /// Which items may be answered.
    #[serde(deserialize_with = "present_object")]
    pub filters: Option<Filters>,
    /// How much variety weighs against score.
    pub diversity: Diversity,
    /// Whether to say why each item was chosen.
    pub explain: bool,
}

/// A person to put items in order for.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct RankedPerson {
    /// Whose stored history to use.
    #[serde(default, deserialize_with = "present")]
    pub user_id: Option<UserId>,
    /// What the person did, newest last.
    #[serde(default)]
    pub history: AtMost<HistoryEntry, HISTORY_LIMIT>,
    /// What to put in order; of an item that is there twice the first counts.
    pub items: Entries<ItemId, 1, ITEMS_LIMIT>,
}

/// What is asked for a person, as over HTTPS.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// `POST /v1/recommendations`
    Recommendation(RecommendationRequest),
    /// `POST /v1/rankings`
    Ranking(RankingRequest),
}

impl Asked {
    /// Whose stored history to use.
    #[must_use]
    pub const fn user_id(&self) -> Option<&UserId> {
        match self {
            Self::Recommendation(request) => request.user_id.as_ref(),
            Self::Ranking(request) => request.user_id.as_ref(),
        }
    }
}

impl Person {
    /// The request that the person would make; `k` is for whoever doesn't say.
    #[must_use]
    pub fn asked(self, k: K) -> Asked {
        match self {
            Self::Recommend(person) => Asked::Recommendation(RecommendationRequest {
                user_id: person.user_id,
                history: person.history,
                k: person.k.unwrap_or(k),
                filters: person.filters.unwrap_or_default(),
                diversity: person.diversity,
                explain: person.explain,
                deadline_ms: DEFAULT_DEADLINE,
            }),
            Self::Rank(person) => Asked::Ranking(RankingRequest {
                user_id: person.user_id,
                history: person.history,
                items: person.items,
                deadline_ms: DEFAULT_DEADLINE,
            }),
        }
    }
}

impl<'de> Deserialize<'de> for Person {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields: Fields = object(deserializer)?;
        Self::try_from(fields).map_err(D::Error::custom)
    }
}

/// The fields of both, read in one pass.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(default, deserialize_with = "present")]
    user_id: Option<UserId>,
    #[serde(default)]
    history: AtMost<HistoryEntry, HISTORY_LIMIT>,
    #[serde(default, deserialize_with = "present")]
    k: Option<K>,
    #[serde(default, deserialize_with = "present_object")]
    filters: Option<Filters>,
    #[serde(default, deserialize_with = "present")]
    diversity: Option<Diversity>,
    #[serde(default, deserialize_with = "present")]
    explain: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    items: Option<Entries<ItemId, 1, ITEMS_LIMIT>>,
}

impl TryFrom<Fields> for Person {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        let Fields { user_id, history, k, filters, diversity, explain, items } = fields;
        let Some(items) = items else {
            let (diversity, explain) = (diversity.unwrap_or_default(), explain.unwrap_or_default());
            let person = RecommendedPerson { user_id, history, k, filters, diversity, explain };
            return Ok(Self::Recommend(person));
        };
        if k.is_some() || filters.is_some() || diversity.is_some() || explain.is_some() {
            return Err("`items` are put in order as they are: without k, filters, diversity and explain");
        }
        Ok(Self::Rank(RankedPerson { user_id, history, items }))
    }
}

impl Check for Person {
    fn check(value: &Value, checker: &mut Checker) {
        if value.get("items").is_some() {
            RankedPerson::check(value, checker);
        } else {
            RecommendedPerson::check(value, checker);
        }
    }
}

impl Check for RecommendedPerson {
    fn check(value: &Value, checker: &mut Checker) {
        let known = ["user_id", "history", "k", "filters", "diversity", "explain", "items"];
        let Some(object) = checker.object(value, &known) else { return };
        checker.optional::<UserId>(object, "user_id");
        checker.optional::<AtMost<HistoryEntry, HISTORY_LIMIT>>(object, "history");
        checker.optional::<K>(object, "k");
        checker.optional::<Filters>(object, "filters");
        checker.optional::<Diversity>(object, "diversity");
        checker.optional::<bool>(object, "explain");
    }
}

impl Check for RankedPerson {
    fn check(value: &Value, checker: &mut Checker) {
        let Some(object) = checker.object(value, &["user_id", "history", "items"]) else { return };
        checker.optional::<UserId>(object, "user_id");
        checker.optional::<AtMost<HistoryEntry, HISTORY_LIMIT>>(object, "history");
        checker.required::<Entries<ItemId, 1, ITEMS_LIMIT>>(object, "items");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::{FaultCode, parse};

    fn faults(body: &Value) -> Vec<(String, FaultCode)> {
        let problem = parse::<Person>(body.to_string().as_bytes()).unwrap_err();
        problem.errors.into_iter().map(|fault| (fault.pointer, fault.code)).collect()
    }

    #[test]
    fn a_person_asks_what_they_would_ask_over_https() {
        let line = br#"{"user_id": "ada", "history": ["alpha"], "k": 3, "diversity": 0.5}"#;
        let Asked::Recommendation(request) = parse::<Person>(line).unwrap().asked(K::clamped(7)) else {
            panic!("no items are given")
        };
        assert_eq!(request, parse(line).unwrap());
        let line = br#"{"user_id": "ada", "items": ["alpha", "bravo"]}"#;
        let Asked::Ranking(request) = parse::<Person>(line).unwrap().asked(K::clamped(7)) else {
            panic!("items are given")
        };
        assert_eq!(request, parse(line).unwrap());
        let Asked::Recommendation(request) = parse::<Person>(b"{}").unwrap().asked(K::clamped(7)) else {
            panic!("no items are given")
        };
        assert_eq!(request.k.get(), 7);
    }

    #[test]
    fn faults_are_those_of_the_route_that_would_answer() {
        assert_eq!(
            faults(&json!({"k": 0, "deadline_ms": 100, "history": ["-"]})),
            [
                ("/deadline_ms".into(), FaultCode::UnknownField),
                ("/history/0".into(), FaultCode::InvalidId),
                ("/k".into(), FaultCode::OutOfRange)
            ]
        );
        assert_eq!(faults(&json!({"items": ["a"], "k": 3})), [("/k".into(), FaultCode::UnknownField)]);
        assert_eq!(faults(&json!({"items": []})), [("/items".into(), FaultCode::TooFew)]);
        assert_eq!(faults(&json!([])), [(String::new(), FaultCode::WrongType)]);
    }
}

//! `POST /v1/rankings`: given items, put in order for a person.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::checker::{Check, Checker};
use super::entries::{AtMost, Entries};
use super::history::{HISTORY_LIMIT, HistoryEntry};
use super::id::{ItemId, UserId};
use super::object::present;
use super::recommendation::{DEFAULT_DEADLINE, DeadlineMs, Receipt, Receipted};

/// Most items to put in order: as many as a recommendation may hold.
pub const ITEMS_LIMIT: usize = 500;

/// The body of `POST /v1/rankings`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct RankingRequest {
    /// Whose stored history to use.
    #[serde(default, deserialize_with = "present")]
    pub user_id: Option<UserId>,
    /// What the person did, newest last.
    #[serde(default)]
    pub history: AtMost<HistoryEntry, HISTORY_LIMIT>,
    /// What to put in order; of an item that is there twice the first counts.
    pub items: Entries<ItemId, 1, ITEMS_LIMIT>,
    /// Milliseconds in which the answer is of use.
    #[serde(default = "default_deadline")]
    pub deadline_ms: DeadlineMs,
}

const fn default_deadline() -> DeadlineMs {
    DEFAULT_DEADLINE
}

impl Check for RankingRequest {
    fn check(value: &Value, checker: &mut Checker) {
        let Some(object) = checker.object(value, &["user_id", "history", "items", "deadline_ms"]) else {
            return;
        };
        checker.optional::<UserId>(object, "user_id");
        checker.optional::<AtMost<HistoryEntry, HISTORY_LIMIT>>(object, "history");
        checker.required::<Entries<ItemId, 1, ITEMS_LIMIT>>(object, "items");
        checker.optional::<DeadlineMs>(object, "deadline_ms");
    }
}

/// The answer to `POST /v1/rankings`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct RankingAnswer {
    /// The id under which logs know this request.
    pub request_id: String,
    /// Every item of the request, best first; those that the catalogue doesn't know last, in the order they came.
    pub items: Vec<RankedItem>,
    /// Where the answer came from.
    pub receipt: Receipt,
}

impl Receipted for RankingAnswer {
    fn into_receipt(self) -> Receipt {
        self.receipt
    }
}

/// One item of a ranking.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct RankedItem {
    /// The item.
    pub item_id: String,
    /// 1 is best.
    pub rank: u32,
    /// The score, as in a recommendation; `null` when the item is unknown.
    pub score: Option<f32>,
    /// Whether the catalogue knows the item.
    pub known: bool,
    /// Title, where the catalogue has one.
    pub title: Option<String>,
}

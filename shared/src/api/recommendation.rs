//! `POST /v1/recommendations`: what is asked, and what is answered.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::checker::{Check, Checker};
use super::entries::AtMost;
use super::error::FaultCode;
use super::history::{HISTORY_LIMIT, HistoryEntry};
use super::id::{ItemId, UserId};
use super::number::{BoundedFloat, BoundedInt};
use super::object::{object, present, present_object};

/// Most items of an answer: ten screens of fifty; more is a batch.
pub const K_LIMIT: u64 = 500;
/// Most ids to leave out: as many as a history may hold.
pub const EXCLUDE_LIMIT: usize = 500;
/// Most genres in a filter: a catalogue has at most 64, one bit each.
pub const GENRES_LIMIT: usize = 64;
/// Longest genre name in characters; the longest of MovieLens has 18.
pub const GENRE_LENGTH: usize = 64;
/// The shortest deadline worth keeping: below it a round trip through API Gateway is already late.
pub const DEADLINE_MIN_MS: u64 = 20;
/// The longest: API Gateway gives up after 30 s, and a person long before.
pub const DEADLINE_MAX_MS: u64 = 5_000;

/// How many items are asked for.
pub type K = BoundedInt<1, K_LIMIT>;
/// Milliseconds in which the answer is of use.
pub type DeadlineMs = BoundedInt<DEADLINE_MIN_MS, DEADLINE_MAX_MS>;
/// What a person hardly notices.
pub const DEFAULT_DEADLINE: DeadlineMs = DeadlineMs::clamped(200);
/// 0 is the best-scored list, 1 the most varied.
pub type Diversity = BoundedFloat<0, 10>;
/// A year of a filter.
pub type Year = BoundedInt<0, 9_999>;

/// A genre's name, compared without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Genre(String);

const GENRE_RULE: &str = "a genre is 1 to 64 characters";

impl Genre {
    /// The name as given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_valid(text: &str) -> bool {
        (1..=GENRE_LENGTH).contains(&text.chars().count())
    }
}

impl TryFrom<String> for Genre {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if Self::is_valid(&text) { Ok(Self(text)) } else { Err(GENRE_RULE) }
    }
}

impl Check for Genre {
    fn check(value: &Value, checker: &mut Checker) {
        if checker.string(value).is_some_and(|text| !Self::is_valid(text)) {
            checker.fault(FaultCode::InvalidValue, GENRE_RULE);
        }
    }
}

/// Years from `min` to `max`, both included; an item of unknown year is outside every range.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct YearRange {
    /// First year.
    #[serde(default, deserialize_with = "present")]
    pub min: Option<Year>,
    /// Last year.
    #[serde(default, deserialize_with = "present")]
    pub max: Option<Year>,
}

impl Check for YearRange {
    fn check(value: &Value, checker: &mut Checker) {
        let Some(object) = checker.object(value, &["min", "max"]) else { return };
        checker.optional::<Year>(object, "min");
        checker.optional::<Year>(object, "max");
    }
}

/// Which items may be answered.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Filters {
    /// Only items of at least one of these genres; a genre the catalogue lacks matches nothing.
    #[serde(default, deserialize_with = "present")]
    pub genres_any: Option<AtMost<Genre, GENRES_LIMIT>>,
    /// No item of any of these genres.
    #[serde(default)]
    pub genres_none: AtMost<Genre, GENRES_LIMIT>,
    /// Only items of these years.
    #[serde(default, deserialize_with = "present_object")]
    pub year: Option<YearRange>,
    /// Never these items.
    #[serde(default)]
    pub exclude_items: AtMost<ItemId, EXCLUDE_LIMIT>,
    /// Whether items of the history may be answered too.
    #[serde(default)]
    pub include_seen: bool,
}

impl Check for Filters {
    fn check(value: &Value, checker: &mut Checker) {
        let known = ["genres_any", "genres_none", "year", "exclude_items", "include_seen"];
        let Some(object) = checker.object(value, &known) else { return };
        checker.optional::<AtMost<Genre, GENRES_LIMIT>>(object, "genres_any");
        checker.optional::<AtMost<Genre, GENRES_LIMIT>>(object, "genres_none");
        checker.optional::<YearRange>(object, "year");
        checker.optional::<AtMost<ItemId, EXCLUDE_LIMIT>>(object, "exclude_items");
        checker.optional::<bool>(object, "include_seen");
    }
}

/// The body of `POST /v1/recommendations`. Every field may be left out: `{}` asks for what is popular.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct RecommendationRequest {
    /// Whose stored history to use.
    #[serde(deserialize_with = "present")]
    pub user_id: Option<UserId>,
    /// What the person did, newest last.
    pub history: AtMost<HistoryEntry, HISTORY_LIMIT>,
    /// How many items to answer.
    pub k: K,
    /// Which items may be answered.
    #[serde(deserialize_with = "object")]
    pub filters: Filters,
    /// How much variety weighs against score.
    pub diversity: Diversity,
    /// Whether to say why each item was chosen.
    pub explain: bool,
    /// Milliseconds in which the answer is of use.
    pub deadline_ms: DeadlineMs,
}

impl Default for RecommendationRequest {
    fn default() -> Self {
        Self {
            user_id: None,
            history: AtMost::default(),
            k: K::clamped(10),
            filters: Filters::default(),
            diversity: Diversity::default(),
            explain: false,
            deadline_ms: DEFAULT_DEADLINE,
        }
    }
}

impl Check for RecommendationRequest {
    fn check(value: &Value, checker: &mut Checker) {
        let known = ["user_id", "history", "k", "filters", "diversity", "explain", "deadline_ms"];
        let Some(object) = checker.object(value, &known) else { return };
        checker.optional::<UserId>(object, "user_id");
        checker.optional::<AtMost<HistoryEntry, HISTORY_LIMIT>>(object, "history");
        checker.optional::<K>(object, "k");
        checker.optional::<Filters>(object, "filters");
        checker.optional::<Diversity>(object, "diversity");
        checker.optional::<bool>(object, "explain");
        checker.optional::<DeadlineMs>(object, "deadline_ms");
    }
}

/// The answer to `POST /v1/recommendations`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Answer {
    /// The id under which logs know this request.
    pub request_id: String,
    /// At most `k` items, best first.
    pub items: Vec<RecommendedItem>,
    /// What the weights in `because` are; only when `explain` is asked, and not on rung `popular`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Explanation>,
    /// Where the answer came from.
    pub receipt: Receipt,
}

/// One item of an answer.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct RecommendedItem {
    /// The item.
    pub item_id: String,
    /// 1 is best.
    pub rank: u32,
    /// The model's score; on the rung `popular`, the number of interactions.
    pub score: f32,
    /// Title, where the catalogue has one.
    pub title: Option<String>,
    /// Year, where the catalogue has one.
    pub year: Option<u16>,
    /// Names of its genres.
    pub genres: Vec<String>,
    /// The five items of the history that weighed most, as `explanation` says; only when `explain` is asked, and not on
    /// rung `popular`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<Vec<Because>>,
    /// The sum of the other contributions: with those in `because` it makes `score`. Only where `explanation` is
    /// `contributions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because_rest: Option<f32>,
}

/// What the weights of an explanation are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub enum Explanation {
    /// The score is a sum over the history: each weight is the share of one item.
    Contributions,
    /// Each weight is how much lower the score would be had the person not met that item; below 0 where it would be
    /// higher. They do not sum to the score. Only the latest ten items are tried.
    LeaveOneOut,
    /// The accelerator's model is another one than the function's: each weight is how alike the two items are to the
    /// latter, from −1 to 1. They have nothing to do with the score.
    Similarity,
}

/// What one item of the history has to do with a score.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Because {
    /// The item of the history.
    pub item_id: String,
    /// Its title, where the catalogue has one.
    pub title: Option<String>,
    /// Its weight, in units of the score.
    pub weight: f32,
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub enum Rung {
    /// The accelerator.
    Accelerator,
    /// The model inside the function.
    Function,
    /// The popularity list.
    Popular,
}

/// Why the rung is not the best one configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub enum Reason {
    /// The accelerator gave no whole reply before the cut-off.
    AcceleratorTimeout,
    /// The accelerator was not asked: it failed before, and is being tried beside the requests.
    AcceleratorOpen,
    /// The accelerator can't be reached, or was lost on the way.
    AcceleratorUnreachable,
    /// The accelerator said no: it has another catalogue, another key, or a fault.
    AcceleratorRejected,
    /// The accelerator's reply broke a rule of the contract; the log has which.
    AcceleratorInvalidOutput,
    /// The rules left fewer of the accelerator's items than were asked for.
    AcceleratorInsufficient,
    /// Nothing in the history attracts to an item that the catalogue knows.
    NoKnownHistory,
    /// The function's own answer broke a rule of the output; the log has which.
    FunctionInvalidOutput,
    /// The store did not say in time what it knows of the person: what was last seen here stands in for it, or nothing.
    /// Never why a rung is not the best: only in `degraded`.
    ProfileUnavailable,
}

impl Rung {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accelerator => "accelerator",
            Self::Function => "function",
            Self::Popular => "popular",
        }
    }
}

impl Reason {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AcceleratorTimeout => "accelerator_timeout",
            Self::AcceleratorOpen => "accelerator_open",
            Self::AcceleratorUnreachable => "accelerator_unreachable",
            Self::AcceleratorRejected => "accelerator_rejected",
            Self::AcceleratorInvalidOutput => "accelerator_invalid_output",
            Self::AcceleratorInsufficient => "accelerator_insufficient",
            Self::NoKnownHistory => "no_known_history",
            Self::FunctionInvalidOutput => "function_invalid_output",
            Self::ProfileUnavailable => "profile_unavailable",
        }
    }
}

/// Where the history came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub enum ProfileSource {
    /// What is stored of the person.
    Store,
    /// The request brought it.
    Request,
    /// Both: what is stored, then what the request brought.
    Both,
    /// There was none.
    None,
    /// There may be one, and it could not be read.
    Unavailable,
}

impl ProfileSource {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Request => "request",
            Self::Both => "both",
            Self::None => "none",
            Self::Unavailable => "unavailable",
        }
    }
}

/// The part of every answer that says where it came from.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Receipt {
    /// Where the answer came from.
    pub rung: Rung,
    /// Why that is not the best rung configured; `null` when it is.
    pub reason: Option<Reason>,
    /// Which model.
    pub model: ModelReceipt,
    /// Where the history came from.
    pub profile: ProfileSource,
    /// How much of the history the catalogue knows.
    pub history: HistoryReceipt,
    /// Every code that applied.
    pub degraded: Vec<Reason>,
    /// Milliseconds from parsing to answering.
    pub elapsed_ms: f64,
    /// Milliseconds that were asked for.
    pub deadline_ms: u64,
}

/// An answer that says where it came from.
pub trait Receipted {
    /// The receipt, when the rest has been sent.
    fn into_receipt(self) -> Receipt;
}

impl Receipted for Answer {
    fn into_receipt(self) -> Receipt {
        self.receipt
    }
}

/// Which model answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ModelReceipt {
    /// Its name; on the rung `accelerator`, that under which it is served there.
    pub name: String,
    /// Its version; `null` where an accelerator doesn't say it.
    pub version: Option<String>,
    /// Its digest, 64 hexadecimal digits; `null` where an accelerator doesn't say it.
    pub digest: Option<String>,
}

/// How the history was taken, in distinct items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct HistoryReceipt {
    /// Items the catalogue knows, dislikes among them.
    pub used: usize,
    /// Items it does not know.
    pub unknown: usize,
}

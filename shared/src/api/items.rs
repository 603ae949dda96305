//! The catalogue over the wire: one item, similar and popular items, search and browsing.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::checker::{Check, Checker};
use super::error::FaultCode;
use super::number::BoundedInt;
use super::object::present;
use super::recommendation::{Genre, K};

/// Items on a page when none are asked for: two screens.
const DEFAULT_LIMIT: Limit = Limit::clamped(20);
/// Items on a page at most; more is for the artifact's catalogue itself.
pub const LIMIT: u64 = 100;
/// Longest search in characters: longer than the longest titles are.
pub const SEARCH_LENGTH: usize = 200;

/// Items on a page.
pub type Limit = BoundedInt<1, LIMIT>;

/// What titles are searched for, 1 to 200 characters.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SearchText(String);

const SEARCH_RULE: &str = "a search has 1 to 200 characters";

impl SearchText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_valid(text: &str) -> bool {
        (1..=SEARCH_LENGTH).contains(&text.chars().count())
    }
}

impl TryFrom<String> for SearchText {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if Self::is_valid(&text) { Ok(Self(text)) } else { Err(SEARCH_RULE) }
    }
}

impl Check for SearchText {
    fn check(value: &Value, checker: &mut Checker) {
        if checker.string(value).is_some_and(|text| !Self::is_valid(text)) {
            checker.fault(FaultCode::InvalidValue, SEARCH_RULE);
        }
    }
}

/// A place in a list: `c` and eight hexadecimal digits. Any such text means a place; one past the end finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cursor(u32);

const CURSOR_RULE: &str = "a cursor is what `next_cursor` of a page says: c and eight hexadecimal digits";

impl Cursor {
    /// The cursor of a position.
    #[must_use]
    pub fn at(position: usize) -> Self {
        Self(u32::try_from(position).unwrap_or(u32::MAX))
    }

    /// The position.
    #[must_use]
    pub fn position(self) -> usize {
        self.0 as usize
    }

    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('c').filter(|digits| digits.len() == 8)?;
        let plain = digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        u32::from_str_radix(digits, 16).ok().filter(|_| plain).map(Self)
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> Self {
        format!("c{:08x}", cursor.0)
    }
}

impl TryFrom<String> for Cursor {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or(CURSOR_RULE)
    }
}

impl Check for Cursor {
    fn check(value: &Value, checker: &mut Checker) {
        if checker.string(value).is_some_and(|text| Self::parse(text).is_none()) {
            checker.fault(FaultCode::InvalidValue, CURSOR_RULE);
        }
    }
}

/// The query of `GET /v1/items`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ItemQuery {
    /// Words, or beginnings of words, of the title.
    #[serde(deserialize_with = "present")]
    pub q: Option<SearchText>,
    /// Only this genre.
    #[serde(deserialize_with = "present")]
    pub genre: Option<Genre>,
    /// Items on the page.
    pub limit: Limit,
    /// Where the page begins.
    #[serde(deserialize_with = "present")]
    pub cursor: Option<Cursor>,
}

impl Default for ItemQuery {
    fn default() -> Self {
        Self { q: None, genre: None, limit: DEFAULT_LIMIT, cursor: None }
    }
}

impl Check for ItemQuery {
    fn check(value: &Value, checker: &mut Checker) {
        let Some(object) = checker.object(value, &["q", "genre", "limit", "cursor"]) else { return };
        checker.optional::<SearchText>(object, "q");
        checker.optional::<Genre>(object, "genre");
        checker.optional::<Limit>(object, "limit");
        checker.optional::<Cursor>(object, "cursor");
    }
}

/// The query of `GET /v1/popular`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct PopularQuery {
    /// Only this genre.
    #[serde(deserialize_with = "present")]
    pub genre: Option<Genre>,
    /// How many.
    pub k: K,
}

impl Default for PopularQuery {
    fn default() -> Self {
        Self { genre: None, k: K::clamped(10) }
    }
}

impl Check for PopularQuery {
    fn check(value: &Value, checker: &mut Checker) {
        let Some(object) = checker.object(value, &["genre", "k"]) else { return };
        checker.optional::<Genre>(object, "genre");
        checker.optional::<K>(object, "k");
    }
}

/// The query of `GET /v1/items/{id}/similar`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct SimilarQuery {
    /// How many.
    pub k: K,
}

impl Default for SimilarQuery {
    fn default() -> Self {
        Self { k: K::clamped(10) }
    }
}

impl Check for SimilarQuery {
    fn check(value: &Value, checker: &mut Checker) {
        let Some(object) = checker.object(value, &["k"]) else { return };
        checker.optional::<K>(object, "k");
    }
}

/// One item of the catalogue.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Item {
    /// The item.
    pub item_id: String,
    /// Title, where the catalogue has one.
    pub title: Option<String>,
    /// Year, where the catalogue has one.
    pub year: Option<u16>,
    /// Names of its genres.
    pub genres: Vec<String>,
    /// Interactions in training.
    pub popularity: u32,
}

/// A page of items.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ItemList {
    /// The items.
    pub items: Vec<Item>,
    /// Where the next page begins; `null` on the last.
    pub next_cursor: Option<Cursor>,
}

/// An item with the score it was chosen by.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ScoredItem {
    /// The item.
    #[serde(flatten)]
    pub item: Item,
    /// Larger is better: a cosine for similar items, a number of interactions for popular ones.
    pub score: f32,
}

/// Items by score, best first.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ScoredList {
    /// The items.
    pub items: Vec<ScoredItem>,
    /// `null`: it is all there is.
    pub next_cursor: Option<Cursor>,
}

//! What is asked of `/v1/batches`.

use serde::Deserialize;
use serde_json::Value;

use super::{Backend, Format, Person};
use crate::api::BatchId;
use crate::api::checker::{Check, Checker};
use crate::api::entries::Entries;
use crate::api::error::FaultCode;
use crate::api::items::Limit;
use crate::api::object::present;
use crate::api::recommendation::K;

/// Most people in a body; more come in a file.
pub const PEOPLE_LIMIT: usize = 1_000;
/// Longest address of an input in bytes: S3 keys have up to 1,024.
pub const URL_LENGTH: usize = 2_048;

/// Batches on a page when none are asked for.
const DEFAULT_LIMIT: Limit = Limit::clamped(20);

/// The body of `POST /v1/batches`: exactly one of `people`, `input` and `all_users`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Fields")]
pub struct NewBatch {
    /// Who is scored.
    pub source: Source,
    /// How many items for whoever doesn't say.
    pub k: Option<K>,
    /// How the answers are written.
    pub format: Format,
    /// Who scores.
    pub backend: Backend,
}

/// Who is scored.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// These people.
    People(Vec<Person>),
    /// The people of a file.
    Input(InputUrl),
    /// Everybody of whom something is stored.
    AllUsers,
}

/// The body of `POST /v1/batches`: exactly one of `people`, `input` and `all_users`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "NewBatch", transform = crate::api::openapi::one_source))]
pub(in crate::api) struct Fields {
    /// The people, each as a line of a file.
    #[serde(deserialize_with = "present")]
    people: Option<Entries<Person, 1, PEOPLE_LIMIT>>,
    /// Where a file of people is, one a line: JSON Lines or CSV, plain or packed with gzip or zstd. `s3://` where the service
    /// is deployed, `file://` below `--batch-dir` where it runs on one machine.
    #[serde(deserialize_with = "present")]
    input: Option<InputUrl>,
    /// Everybody of whom something is stored.
    #[serde(deserialize_with = "present")]
    all_users: Option<AllUsers>,
    /// How many items for whoever doesn't say; without it 10.
    #[serde(deserialize_with = "present")]
    k: Option<K>,
    /// How the answers are written.
    format: Format,
    /// Who scores. With `function` the same input gives the same bytes whenever and wherever it runs.
    backend: Backend,
}

const ONE_SOURCE: &str = "exactly one of people, input and all_users is needed";

impl TryFrom<Fields> for NewBatch {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        let Fields { people, input, all_users, k, format, backend } = fields;
        let source = match (people, input, all_users) {
            (Some(people), None, None) => Source::People(people.into_vec()),
            (None, Some(input), None) => Source::Input(input),
            (None, None, Some(AllUsers)) => Source::AllUsers,
            _ => return Err(ONE_SOURCE),
        };
        Ok(Self { source, k, format, backend })
    }
}

impl Check for NewBatch {
    fn check(value: &Value, checker: &mut Checker) {
        let known = ["people", "input", "all_users", "k", "format", "backend"];
        let Some(object) = checker.object(value, &known) else { return };
        match ["people", "input", "all_users"].iter().filter(|source| object.contains_key(**source)).count() {
            0 => checker.fault(FaultCode::Missing, ONE_SOURCE),
            1 => {}
            _ => checker.fault(FaultCode::TooMany, ONE_SOURCE),
        }
        checker.optional::<Entries<Person, 1, PEOPLE_LIMIT>>(object, "people");
        checker.optional::<InputUrl>(object, "input");
        checker.optional::<AllUsers>(object, "all_users");
        checker.optional::<K>(object, "k");
        checker.optional::<Format>(object, "format");
        checker.optional::<Backend>(object, "backend");
    }
}

/// `true`, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "bool")]
pub struct AllUsers;

const ALL_USERS_RULE: &str = "expected true; leave it out otherwise";

impl TryFrom<bool> for AllUsers {
    type Error = &'static str;

    fn try_from(all: bool) -> Result<Self, Self::Error> {
        if all { Ok(Self) } else { Err(ALL_USERS_RULE) }
    }
}

impl Check for AllUsers {
    fn check(value: &Value, checker: &mut Checker) {
        match value {
            Value::Bool(true) => {}
            Value::Bool(false) => checker.fault(FaultCode::InvalidValue, ALL_USERS_RULE),
            other => checker.wrong_type(other, "true"),
        }
    }
}

/// Where a file is: `s3://BUCKET/KEY` or `file:///PATH`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct InputUrl(String);

const URL_RULE: &str = "expected s3://BUCKET/KEY or file:///PATH of at most 2048 visible ASCII characters";

impl InputUrl {
    /// The address as given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_valid(text: &str) -> bool {
        let rest = text.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
        let in_bucket = rest.is_some_and(|(bucket, key)| !bucket.is_empty() && !key.is_empty());
        let in_folder = text.strip_prefix("file:///").is_some_and(|path| !path.is_empty());
        text.len() <= URL_LENGTH && text.bytes().all(|b| b.is_ascii_graphic()) && (in_bucket || in_folder)
    }
}

impl TryFrom<String> for InputUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if Self::is_valid(&text) { Ok(Self(text)) } else { Err(URL_RULE) }
    }
}

impl Check for InputUrl {
    fn check(value: &Value, checker: &mut Checker) {
        if checker.string(value).is_some_and(|text| !Self::is_valid(text)) {
            checker.fault(FaultCode::InvalidValue, URL_RULE);
        }
    }
}

/// The query of `GET /v1/batches`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct BatchQuery {
    /// Batches on the page.
    pub limit: Limit,
    /// Where the page begins: after the batch of this id. Any id is a place, whether there is such a batch or not.
    #[serde(deserialize_with = "present")]
    pub cursor: Option<BatchId>,
}

impl Default for BatchQuery {
    fn default() -> Self {
        Self { limit: DEFAULT_LIMIT, cursor: None }
    }
}

impl Check for BatchQuery {
    fn check(value: &Value, checker: &mut Checker) {
        let Some(object) = checker.object(value, &["limit", "cursor"]) else { return };
        checker.optional::<Limit>(object, "limit");
        checker.optional::<BatchId>(object, "cursor");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::parse;

    fn said(body: &Value) -> Result<NewBatch, Vec<(String, FaultCode)>> {
        let parsed = parse::<NewBatch>(body.to_string().as_bytes());
        parsed
            .map_err(|problem| problem.errors.into_iter().map(|fault| (fault.pointer, fault.code)).collect())
    }

    #[test]
    fn exactly_one_source_is_needed() {
        let batch = said(&json!({"all_users": true, "k": 3, "format": "personalize"})).unwrap();
        assert_eq!((batch.source, batch.format), (Source::AllUsers, Format::Personalize));
        let batch = said(&json!({"people": [{"history": ["alpha"]}, {}]})).unwrap();
        assert!(matches!(batch.source, Source::People(people) if people.len() == 2));
        assert!(said(&json!({"input": "s3://b/k"})).is_ok());
        assert_eq!(said(&json!({})), Err(vec![(String::new(), FaultCode::Missing)]));
        let two = json!({"all_users": true, "input": "file:///a"});
        assert_eq!(said(&two), Err(vec![(String::new(), FaultCode::TooMany)]));
    }

    #[test]
    fn every_fault_of_every_person_is_told() {
        let body = json!({"people": [{"k": 0}, {"items": []}], "format": "xml", "all_userz": 1});
        assert_eq!(
            said(&body),
            Err(vec![
                ("/all_userz".into(), FaultCode::UnknownField),
                ("/people/0/k".into(), FaultCode::OutOfRange),
                ("/people/1/items".into(), FaultCode::TooFew),
                ("/format".into(), FaultCode::InvalidValue),
            ])
        );
        for url in ["s3://", "s3://b", "s3://b/", "file://a", "http://b/k", "s3://b/ k", "file:///"] {
            assert!(said(&json!({"input": url})).is_err(), "{url}");
        }
        assert_eq!(
            said(&json!({"all_users": false})),
            Err(vec![("/all_users".into(), FaultCode::InvalidValue)])
        );
    }
}

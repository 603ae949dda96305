//! What a schema accepts and what the parser takes are the same.

use std::collections::BTreeMap;

use jsonschema::Validator;
use proptest::prelude::*;
use serde::de::DeserializeOwned;

use super::tests::{component, validator};
use super::*;
use crate::api::events::EventsRequest;
use crate::api::items::{ItemQuery, PopularQuery, SimilarQuery};
use crate::api::ranking::RankingRequest;
use crate::api::tests::{request, value};
use crate::api::users::UserEventsQuery;
use crate::api::{Check, RecommendationRequest, parse, parse_value};

/// Asserts that schema and parser say the same of a body, and what they say where that is known.
pub(super) fn agree<T: DeserializeOwned + Check + std::fmt::Debug>(
    schema: &Validator,
    body: &Value,
    expected: Option<bool>,
) {
    let parsed = parse::<T>(body.to_string().as_bytes());
    let accepted = schema.is_valid(body);
    assert_eq!(accepted, parsed.is_ok(), "by the schema and by the parser: {body} {parsed:?}");
    assert!(expected.is_none_or(|expected| expected == accepted), "{accepted}: {body}");
}

/// What accepts the values of an operation's query, as an object.
fn query(path: &str) -> Validator {
    let document = document(Access::Keys);
    let parameters = document["paths"][path]["get"]["parameters"].as_array().unwrap().clone();
    let fields = parameters.into_iter().filter(|parameter| parameter["in"] == "query");
    let fields: Map<_, _> =
        fields.map(|field| (field["name"].as_str().unwrap().to_owned(), field["schema"].clone())).collect();
    validator(json!({"type": "object", "properties": fields, "additionalProperties": false}))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]
    #[test]
    fn schema_and_parser_agree_on_generated_bodies(body in prop_oneof![9 => request().boxed(), 1 => value().boxed()]) {
        thread_local!(static SCHEMA: Validator = component("RecommendationRequest"));
        SCHEMA.with(|schema| agree::<RecommendationRequest>(schema, &body, None));
    }
}

/// Values of a kind, and whether they are taken.
type Cases = [(Value, bool)];

fn ids() -> Vec<(Value, bool)> {
    let cases = [
        (json!("a"), true),
        (json!("A.b_c:d@e-f"), true),
        (json!("x".repeat(128)), true),
        (json!("x".repeat(129)), false),
        (json!(""), false),
        (json!("-a"), false),
        (json!("a b"), false),
        (json!("a\n"), false),
        (json!("é"), false),
        (json!(7), false),
        (json!(null), false),
    ];
    cases.into()
}

fn times(any_year: bool) -> Vec<(Value, bool)> {
    let cases = [
        (json!("2024-05-01T10:00:00Z"), true),
        (json!("2024-05-01t10:00:00z"), true),
        (json!("2024-02-29T23:59:59.123456789+23:59"), true),
        (json!("2024-05-01T10:00:00.1234567890123-00:00"), true),
        (json!("2023-02-29T10:00:00Z"), false),
        (json!("2024-05-01 10:00:00Z"), false),
        (json!("2024-05-01T10Z"), false),
        (json!("2024-05-01T10:00:00"), false),
        (json!("2024-05-01T10:00:00.Z"), false),
        (json!("2024-05-01T10:00:00.1.2Z"), false),
        (json!("2024-05-01T10:00:001Z"), false),
        (json!("2024-05-01T1é:00:00Z"), false),
        (json!("2024-05-01T10:00:00+01"), false),
        (json!("2024-05-01T10:00:00+25:00"), false),
        (json!("2024-05-01T24:00:00Z"), false),
        (json!("2024-05-01T10:00:00+01:00[Europe/Paris]"), false),
        (json!("1989-12-31T23:59:59-01:00"), any_year),
        (json!("1990-01-01T00:00:00+23:59"), true),
        (json!("2099-12-31T23:59:59-23:59"), true),
        (json!("2100-01-01T00:00:00+01:00"), any_year),
        (json!("0000-01-01T00:00:00+23:59"), any_year),
        (json!("9999-12-31T23:59:59-23:59"), any_year),
        (json!("9999-12-32T23:59:59-23:59"), false),
        (json!("2024-05-01"), false),
        (json!(""), false),
        (json!(1_714_557_600_000_i64), true),
        (json!(1_714_557_600_000.0), true),
        (json!(1_714_557_600_000.5), false),
        (json!(9_223_372_036_854_775_808.0), false),
        (json!(u64::MAX), false),
        (json!(0), any_year),
        (json!(i64::MIN), any_year),
        (json!(i64::MAX), any_year),
        (json!(4_102_444_799_999_i64), true),
        (json!(4_102_444_800_000_i64), any_year),
        (json!(null), false),
        (json!(true), false),
    ];
    cases.into()
}

fn ratings() -> Vec<(Value, bool)> {
    let cases = [
        (json!(0.5), true),
        (json!(5), true),
        (json!(0.49), false),
        (json!(5.01), false),
        (json!("5"), false),
        (json!(null), false),
    ];
    cases.into()
}

fn entries(entry: &Value, most: usize, least: usize) -> Vec<(Value, bool)> {
    let of = |count: usize| Value::from_iter(std::iter::repeat_n(entry.clone(), count));
    vec![(of(0), least == 0), (of(1), true), (of(most), true), (of(most + 1), false), (json!({}), false)]
}

/// Puts each case at a place of a body that is valid without it.
fn placed<T: DeserializeOwned + Check + std::fmt::Debug>(
    schema: &Validator,
    body: &Value,
    pointer: &str,
    cases: &Cases,
) {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    agree::<T>(schema, body, Some(true));
    for (value, valid) in cases {
        let mut body = body.clone();
        match body.pointer_mut(parent).unwrap() {
            Value::Array(array) => array[field.parse::<usize>().unwrap()] = value.clone(),
            object => object[field] = value.clone(),
        }
        agree::<T>(schema, &body, Some(*valid));
    }
}

#[test]
fn schema_and_parser_agree_on_recommendations() {
    let schema = component("RecommendationRequest");
    let body = json!({"history": ["a", {"item_id": "b"}], "filters": {"year": {}}});
    let integers = |least: u64, most: u64| {
        vec![
            (json!(least), true),
            (json!(most), true),
            (json!(most as f64), true),
            (json!(most + 1), false),
            (json!(1e300), false),
            (json!(-1), false),
            (json!(least as f64 + 0.5), false),
            (json!("10"), false),
            (json!(null), false),
        ]
    };
    let genre =
        [(json!("x".repeat(64)), true), (json!("é".repeat(64)), true), (json!("x".repeat(65)), false)];
    let places: &[(&str, Vec<(Value, bool)>)] = &[
        ("/user_id", ids()),
        ("/history", entries(&json!("a"), 500, 0)),
        ("/history/0", ids()),
        ("/history/1/item_id", ids()),
        ("/history/1/occurred_at", times(false)),
        ("/history/1/value", ratings()),
        ("/history/1/type", vec![(json!("dislike"), true), (json!("rating"), false), (json!("love"), false)]),
        ("/k", integers(1, 500)),
        ("/deadline_ms", integers(20, 5_000)),
        ("/diversity", vec![(json!(0), true), (json!(1.0), true), (json!(1.1), false), (json!(-0.1), false)]),
        ("/explain", vec![(json!(true), true), (json!(1), false), (json!(null), false)]),
        (
            "/filters",
            vec![(json!({}), true), (json!([]), false), (json!(null), false), (json!({"x": 1}), false)],
        ),
        (
            "/filters/genres_any",
            [entries(&json!("a"), 64, 0), vec![(json!(null), false), (json!([""]), false)]].concat(),
        ),
        ("/filters/genres_none", genre.map(|(genre, valid)| (json!([genre]), valid)).into()),
        ("/filters/exclude_items", entries(&json!("a"), 500, 0)),
        ("/filters/year", vec![(json!({"min": 9999}), true), (json!(null), false), (json!([1, 2]), false)]),
        ("/filters/year/min", integers(0, 9_999)),
        ("/unknown", vec![(json!(1), false), (json!(null), false)]),
    ];
    for (pointer, cases) in places {
        placed::<RecommendationRequest>(&schema, &body, pointer, cases);
    }
    let rated = json!({"history": [{"item_id": "a", "type": "rating", "value": 4}]});
    agree::<RecommendationRequest>(&schema, &rated, Some(true));
    for body in [json!(null), json!([]), json!("a"), json!(1)] {
        agree::<RecommendationRequest>(&schema, &body, Some(false));
    }
}

#[test]
fn schema_and_parser_agree_on_rankings() {
    let schema = component("RankingRequest");
    let body = json!({"items": ["a"]});
    for (pointer, cases) in
        [("/items", entries(&json!("a"), 500, 1)), ("/items/0", ids()), ("/user_id", ids())]
    {
        placed::<RankingRequest>(&schema, &body, pointer, &cases);
    }
    agree::<RankingRequest>(&schema, &json!({}), Some(false));
}

#[test]
fn schema_and_parser_agree_on_events() {
    let schema = component("EventsRequest");
    let event = json!({"user_id": "a", "item_id": "b", "type": "view"});
    let body = json!({"events": [event]});
    let places: &[(&str, Vec<(Value, bool)>)] = &[
        ("/events", entries(&event, 100, 1)),
        ("/events/0/event_id", ids()),
        ("/events/0/user_id", ids()),
        ("/events/0/item_id", ids()),
        ("/events/0/type", vec![(json!("view"), true), (json!("rating"), false), (json!(null), false)]),
        ("/events/0/value", ratings()),
        ("/events/0/occurred_at", times(true)),
        ("/events/0/unknown", vec![(json!(1), false)]),
    ];
    for (pointer, cases) in places {
        placed::<EventsRequest>(&schema, &body, pointer, cases);
    }
    for missing in ["user_id", "item_id", "type"] {
        let mut event = event.clone();
        event.as_object_mut().unwrap().remove(missing);
        agree::<EventsRequest>(&schema, &json!({"events": [event]}), Some(false));
    }
    let ancient =
        json!({"user_id": "a", "item_id": "b", "type": "view", "occurred_at": "0066-10-14T09:00:00Z"});
    agree::<EventsRequest>(&schema, &json!({"events": [ancient]}), Some(true));
}

#[test]
fn schema_and_parser_agree_on_queries() {
    fn agree<T: DeserializeOwned + Check>(path: &str, cases: &Cases) {
        let schema = query(path);
        for (query, valid) in cases {
            let said = (schema.is_valid(query), parse_value::<T>(query).is_ok());
            assert_eq!(said, (*valid, *valid), "by the schema and by the parser: {path} {query}");
        }
    }
    let pages: BTreeMap<&str, bool> =
        [("c0000000f", true), ("c0000000g", false), ("c0000000", false), ("C0000000f", false)].into();
    let pages = pages.into_iter().map(|(cursor, valid)| (json!({"cursor": cursor}), valid));
    let items = [
        (json!({}), true),
        (json!({"q": "é".repeat(200), "genre": "Drama", "limit": 100}), true),
        (json!({"q": "x".repeat(201)}), false),
        (json!({"q": ""}), false),
        (json!({"limit": 0}), false),
        (json!({"limit": "many"}), false),
        (json!({"sort": "title"}), false),
    ];
    agree::<ItemQuery>("/v1/items", &items.into_iter().chain(pages).collect::<Vec<_>>());
    let k = [(json!({"k": 500}), true), (json!({"k": 501}), false), (json!({"limit": 1}), false)];
    agree::<PopularQuery>("/v1/popular", &k);
    agree::<SimilarQuery>("/v1/items/{id}/similar", &k);
    let cursors = [(json!({"cursor": "any-id"}), true), (json!({"cursor": "-"}), false)];
    agree::<UserEventsQuery>("/v1/users/{id}/events", &cursors);
}

//! Schemas of the types whose rules serde's attributes don't show. Each says what its parser takes, and a property test
//! holds the two together.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use crate::api::batches::{
    AllUsers, InputUrl, NewBatch, NewBatchFields, Person, RankedPerson, RecommendedPerson, URL_LENGTH,
};
use crate::api::entries::Entries;
use crate::api::error::Problem;
use crate::api::history::{EARLIEST_MS, Entry, EventType, GivenTime, HistoryEntry, LATEST_MS, Time};
use crate::api::id::{BatchId, EventId, ID_LENGTH, ItemId, UserId};
use crate::api::items::{Cursor, SEARCH_LENGTH, SearchText};
use crate::api::number::{BoundedFloat, BoundedInt};
use crate::api::recommendation::{GENRE_LENGTH, Genre};

/// A component of this name.
macro_rules! named {
    ($type:ty, $name:literal, |$generator:ident| $schema:expr) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

/// A schema that stands wherever the type is used.
macro_rules! inline {
    ([$($parameters:tt)*] $type:ty, $name:literal, |$generator:ident| $schema:expr) => {
        impl<$($parameters)*> JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

named!(ItemId, "ItemId", |_generator| id("The id of an item.", "alien-1979"));
named!(UserId, "UserId", |_generator| id("The id of a person.", "somebody@example.org"));
named!(EventId, "EventId", |_generator| id("The id of an event among those of its user.", "5e0a6f1c"));

named!(BatchId, "BatchId", |_generator| id("The id of a batch.", "b018f3a2c5d60-9e107d9d372bb682"));

fn id(description: &str, example: &str) -> Schema {
    json_schema!({
        "description": description,
        "type": "string",
        "minLength": 1,
        "maxLength": ID_LENGTH,
        "pattern": "^[A-Za-z0-9][A-Za-z0-9._:@-]*$",
        "examples": [example],
    })
}

named!(Genre, "Genre", |_generator| json_schema!({
    "description": "A genre's name, compared without regard to case.",
    "type": "string",
    "minLength": 1,
    "maxLength": GENRE_LENGTH,
    "examples": ["Drama"],
}));

named!(Cursor, "Cursor", |_generator| json_schema!({
    "description": "A place in a list, as `next_cursor` of a page gives it. One past the end finds nothing.",
    "type": "string",
    "pattern": "^c[0-9a-f]{8}$",
    "examples": ["c00000014"],
}));

named!(HistoryEntry, "HistoryEntry", |generator| json_schema!({
    "description": "One entry of a history: an item's id, which means a `like`, or an object.",
    "anyOf": [generator.subschema_for::<ItemId>(), generator.subschema_for::<Entry>()],
}));

named!(Person, "Person", |generator| json_schema!({
    "description": "One person, and what is asked for them: a line of a file.",
    "anyOf": [
        generator.subschema_for::<RecommendedPerson>(),
        generator.subschema_for::<RankedPerson>(),
    ],
}));

named!(NewBatch, "NewBatch", |generator| NewBatchFields::json_schema(generator));

inline!([] AllUsers, "AllUsers", |_generator| json_schema!({"type": "boolean", "const": true}));

inline!([] InputUrl, "InputUrl", |_generator| json_schema!({
    "type": "string",
    "maxLength": URL_LENGTH,
    "pattern": "^(s3://[!-.0-~]+/|file:///)[!-~]+$",
    "examples": ["s3://my-bucket/requests/newsletter.jsonl"],
}));

inline!([] SearchText, "SearchText", |_generator| json_schema!({
    "type": "string",
    "minLength": 1,
    "maxLength": SEARCH_LENGTH,
}));

inline!([const MIN: u64, const MAX: u64] BoundedInt<MIN, MAX>, "BoundedInt", |_generator| json_schema!({
    "type": "integer",
    "minimum": MIN,
    "maximum": MAX,
}));

inline!([const MIN: u32, const MAX: u32] BoundedFloat<MIN, MAX>, "BoundedFloat", |_generator| json_schema!({
    "type": "number",
    "minimum": f64::from(MIN) / 10.0,
    "maximum": f64::from(MAX) / 10.0,
}));

inline!(
    [T: JsonSchema, const LEAST: usize, const MOST: usize] Entries<T, LEAST, MOST>,
    "Entries",
    |generator| {
        let mut schema = json_schema!({
            "type": "array",
            "items": generator.subschema_for::<T>(),
            "maxItems": MOST,
        });
        if LEAST > 0 {
            schema.insert("minItems".into(), LEAST.into());
        }
        schema
    }
);

inline!([] Time, "Time", |generator| if generator.contract().is_serialize() {
    json_schema!({"type": "string", "format": "date-time", "examples": ["2026-03-12T19:05:43.000Z"]})
} else {
    let description = "RFC 3339, or milliseconds since 1970; from 1990 to the end of 2099.";
    let mut schema = time(EARLIEST_MS, LATEST_MS - 1, description);
    if let Some(text) = schema.pointer_mut("/anyOf/0") {
        text["pattern"] = "^(199[0-9]|20[0-9]{2})-".into();
    }
    schema
});

inline!([] GivenTime, "GivenTime", |_generator| {
    time(i64::MIN, i64::MAX, "RFC 3339, or milliseconds since 1970.")
});

fn time(minimum: i64, maximum: i64, description: &str) -> Schema {
    json_schema!({
        "description": description,
        "anyOf": [
            {"type": "string", "format": "date-time"},
            {"type": "integer", "format": "int64", "minimum": minimum, "maximum": maximum},
        ],
        "examples": ["2026-03-12T19:05:43Z", 1_773_342_343_000_i64],
    })
}

impl JsonSchema for Problem {
    fn schema_name() -> Cow<'static, str> {
        "Problem".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        crate::api::error::Document::json_schema(generator)
    }
}

/// Adds to the schema of an object with a type: a rating has a value.
pub(crate) fn rating_has_value(schema: &mut Schema) {
    let rating = json!({"properties": {"type": {"const": EventType::Rating.name()}}, "required": ["type"]});
    schema.insert("if".into(), rating);
    schema.insert("then".into(), json!({"required": ["value"]}));
}

/// Adds to the schema of a new batch: exactly one source.
pub(crate) fn one_source(schema: &mut Schema) {
    let one = ["people", "input", "all_users"].map(|source| json!({"required": [source]}));
    schema.insert("oneOf".into(), json!(one));
}

/// Writes words with a description each as an `enum`, which more tools read, and the descriptions as one list.
pub(super) fn plain_words(schema: &mut Schema) {
    let Some(words) =
        schema.get("oneOf").and_then(Value::as_array).map(|words| words.iter().map(word).collect())
    else {
        return;
    };
    let Some(words): Option<Vec<(String, String)>> = words else { return };
    let list: Vec<_> = words.iter().map(|(word, meaning)| format!("- `{word}`: {meaning}")).collect();
    let names: Vec<_> = words.into_iter().map(|(word, _)| word).collect();
    let own = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let description = format!("{own}\n\n{}", list.join("\n")).trim_start().to_owned();
    schema.remove("oneOf");
    schema.insert("type".into(), "string".into());
    schema.insert("enum".into(), names.into());
    schema.insert("description".into(), description.into());
}

/// Word and meaning of one alternative.
fn word(alternative: &Value) -> Option<(String, String)> {
    let text = |field: &str| Some(alternative.get(field)?.as_str()?.to_owned());
    Some((text("const")?, text("description")?))
}

/// Drops the formats of unsigned numbers, which no register has; `minimum: 0` says the same.
pub(super) fn known_formats(schema: &mut Schema) {
    if schema.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
        schema.remove("format");
    }
}

/// A field that may be left out is left out, and not `null`.
pub(super) fn absent_not_null(schema: &mut Schema) {
    let required = schema.get("required").cloned().unwrap_or_default();
    let required = required.as_array().map_or(&[][..], Vec::as_slice);
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (name, property) in properties {
        if let (false, Ok(property)) = (required.contains(&json!(name)), property.try_into()) {
            never_null(property);
        }
    }
}

/// A field that may be left out of a request is not `null`: see [`crate::api::parse`].
fn never_null(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    if object.get("default") == Some(&Value::Null) {
        object.remove("default");
    }
    if let Some(types) = object.get_mut("type").and_then(Value::as_array_mut) {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".into(), only);
        }
    }
    let is_null = |schema: &Value| schema.get("type").is_some_and(|name| name == "null");
    if let Some(alternatives) = object.get_mut("anyOf").and_then(Value::as_array_mut) {
        let before = alternatives.len();
        alternatives.retain(|schema| !is_null(schema));
        if let (true, [Value::Object(only)]) = (alternatives.len() < before, alternatives.as_slice()) {
            let only: Map<String, Value> = only.clone();
            object.remove("anyOf");
            // What is said of the field itself stands before what is said of its type.
            for (key, value) in only {
                object.entry(key).or_insert(value);
            }
        }
    }
}

use std::collections::BTreeSet;

use jsonschema::Validator;

use super::agreement::agree;
use super::*;
use crate::api::batches::NewBatch;
use crate::api::events::{EventsRequest, Rejection};
use crate::api::ranking::RankingRequest;
use crate::api::{EventType, FaultCode, ProblemCode, RecommendationRequest};

const COMMITTED: &str = include_str!("../../../../docs/openapi.json");

/// What accepts the values of this schema, which may name the document's components.
pub(super) fn validator(mut schema: Value) -> Validator {
    schema["components"] = document(Access::Keys)["components"].take();
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap()
}

pub(super) fn component(name: &str) -> Validator {
    validator(json!({"$ref": format!("#/components/schemas/{name}")}))
}

fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(|(m, o)| (m.as_str(), path.as_str(), o))
        })
        .collect()
}

/// Every value of this key, wherever it is.
fn all<'v>(value: &'v Value, key: &str, found: &mut Vec<&'v Value>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get(key));
            object.values().for_each(|value| all(value, key, found));
        }
        Value::Array(array) => array.iter().for_each(|value| all(value, key, found)),
        _ => {}
    }
}

#[test]
fn the_committed_document_is_current() {
    let committed: Value = serde_json::from_str(COMMITTED).unwrap();
    let remedy =
        "write it anew: cargo run -p shared --features openapi --example openapi > docs/openapi.json";
    assert!(committed == document(Access::Keys), "docs/openapi.json is not what the types say; {remedy}");
    assert_eq!(
        COMMITTED,
        format!("{committed:#}\n"),
        "docs/openapi.json is laid out in another way; {remedy}"
    );
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let document = document(Access::Keys);
    let described: BTreeSet<_> = operations(&document)
        .iter()
        .map(|(method, path, _)| (method.to_uppercase(), path.to_string()))
        .collect();
    let routes: BTreeSet<_> =
        ROUTES.iter().map(|route| (route.method.to_owned(), route.path.to_owned())).collect();
    assert_eq!(described, routes);
    let ids: BTreeSet<_> = operations(&document).iter().map(|(.., o)| o["operationId"].to_string()).collect();
    assert_eq!(ids.len(), ROUTES.len(), "every operation has an id of its own");
}

#[test]
fn a_route_needs_a_key_unless_it_is_public() {
    let (open, keys) = (document(Access::Open), document(Access::Keys));
    assert_eq!(open["security"], json!([{}, {"bearer": []}]));
    assert_eq!(keys["security"], json!([{"bearer": []}]));
    for (method, path, operation) in operations(&keys) {
        let scope = crate::api::routes::of(&method.to_uppercase(), path).unwrap().scope;
        assert_eq!(operation.get("security"), scope.is_none().then(|| json!([])).as_ref(), "{method} {path}");
        assert_eq!(
            operation.get("x-scope"),
            scope.map(|scope| json!(scope.name())).as_ref(),
            "{method} {path}"
        );
        for status in ["401", "403"] {
            assert_eq!(operation["responses"].get(status).is_some(), scope.is_some(), "{method} {path}");
        }
    }
    let without_security = |mut document: Value| {
        document["security"].take();
        document
    };
    assert_eq!(without_security(open), without_security(keys));
}

#[test]
fn every_reference_leads_somewhere_and_no_component_is_left_over() {
    let document = document(Access::Keys);
    let mut references = Vec::new();
    all(&document, "$ref", &mut references);
    let references: BTreeSet<_> =
        references.into_iter().map(|reference| reference.as_str().unwrap()).collect();
    for reference in &references {
        let found = document.pointer(reference.strip_prefix('#').unwrap());
        assert!(found.is_some(), "{reference} leads nowhere");
    }
    for kind in ["schemas", "responses", "headers"] {
        for name in document["components"][kind].as_object().unwrap().keys() {
            let reference = format!("#/components/{kind}/{name}");
            assert!(references.contains(reference.as_str()), "nothing refers to {reference}");
        }
    }
}

#[test]
fn descriptions_are_for_readers_of_the_document() {
    let document = document(Access::Keys);
    let mut descriptions = Vec::new();
    all(&document, "description", &mut descriptions);
    for description in descriptions.into_iter().filter_map(Value::as_str) {
        assert!(!description.is_empty());
        assert!(!description.contains("::") && !description.contains("[`"), "code is named: {description}");
    }
}

/// The document's lists come from the types, so that a code that somebody left out of its `ALL` shows here.
#[test]
fn every_list_of_codes_is_complete() {
    let document = document(Access::Keys);
    let assert_lists = |name: &str, all: Vec<Value>| {
        let listed = document["components"]["schemas"][name]["enum"].as_array().unwrap();
        assert_eq!(
            BTreeSet::from_iter(listed.iter().map(Value::to_string)),
            all.iter().map(Value::to_string).collect()
        );
        assert_eq!(listed.len(), all.len(), "{name}");
    };
    assert_lists("ProblemCode", ProblemCode::ALL.map(|code| json!(code)).into());
    assert_lists("FaultCode", FaultCode::ALL.map(|code| json!(code)).into());
    assert_lists("Rejection", Rejection::ALL.map(|code| json!(code)).into());
    assert_lists("EventType", EventType::ALL.map(|kind| json!(kind)).into());
}

/// No route can have the one problem that is left out: there is no such route.
#[test]
fn every_problem_is_in_the_document() {
    let document = document(Access::Keys);
    let mut examples = Vec::new();
    all(&document["components"]["responses"], "value", &mut examples);
    let mut codes: Vec<_> = examples.iter().map(|example| example["code"].as_str().unwrap()).collect();
    codes.push(ProblemCode::NotFound.name());
    codes.sort_unstable();
    let mut expected = ProblemCode::ALL.map(ProblemCode::name);
    expected.sort_unstable();
    assert_eq!(codes, expected);
    let problem = component("Problem");
    for example in examples {
        assert!(problem.is_valid(example), "{example}");
    }
}

#[test]
fn examples_of_answers_are_what_is_answered() {
    let document = document(Access::Keys);
    for (method, path, operation) in operations(&document) {
        let responses = operation["responses"].as_object().unwrap();
        let answer = responses.iter().find(|(status, _)| status.starts_with('2')).unwrap().1;
        let content = answer["content"].as_object().unwrap().values().next().unwrap();
        let faults: Vec<_> = validator(content["schema"].clone())
            .iter_errors(&content["example"])
            .map(|e| e.to_string())
            .collect();
        assert!(faults.is_empty(), "{method} {path}: {faults:?}");
    }
}

#[test]
fn examples_of_bodies_are_taken() {
    let document = document(Access::Keys);
    let examples = |path: &str| {
        let content = &document["paths"][path]["post"]["requestBody"]["content"]["application/json"];
        let examples = content["examples"].as_object().unwrap().values();
        examples.map(|example| example["value"].clone()).collect::<Vec<_>>()
    };
    for body in examples("/v1/recommendations") {
        agree::<RecommendationRequest>(&component("RecommendationRequest"), &body, Some(true));
    }
    for body in examples("/v1/rankings") {
        agree::<RankingRequest>(&component("RankingRequest"), &body, Some(true));
    }
    for body in examples("/v1/batches") {
        agree::<NewBatch>(&component("NewBatch"), &body, Some(true));
    }
    for body in examples("/v1/events") {
        agree::<EventsRequest>(&component("EventsRequest"), &body, Some(true));
    }
}

#[test]
fn schema_and_parser_agree_on_batches() {
    let schema = component("NewBatch");
    let person = |person: Value| json!({"people": [{}, person]});
    for (body, taken) in [
        (json!({}), false),
        (json!({"all_users": true}), true),
        (json!({"all_users": false}), false),
        (json!({"all_users": true, "input": "s3://b/k"}), false),
        (json!({"people": []}), false),
        (json!({"people": vec![json!({}); 1_000]}), true),
        (json!({"people": vec![json!({}); 1_001]}), false),
        (person(json!({"user_id": "ada", "k": 500, "filters": {}, "diversity": 1, "explain": true})), true),
        (person(json!({"k": null})), false),
        (person(json!({"filters": null})), false),
        (person(json!({"items": ["a"], "history": ["b"]})), true),
        (person(json!({"items": ["a"], "k": 1})), false),
        (person(json!({"items": []})), false),
        (person(json!({"deadline_ms": 100})), false),
        (person(json!([])), false),
        (json!({"input": "s3://b/k", "format": "personalize", "backend": "accelerator", "k": 1}), true),
        (json!({"input": "s3://b/k", "format": "csv"}), false),
        (json!({"input": "s3://b/"}), false),
        (json!({"input": "s3:///k"}), false),
        (json!({"input": "s3://b/a k"}), false),
        (json!({"input": "file:///a"}), true),
        (json!({"input": "file://a"}), false),
        (json!({"input": format!("file:///{}", "x".repeat(2_040))}), true),
        (json!({"input": format!("file:///{}", "x".repeat(2_041))}), false),
    ] {
        agree::<NewBatch>(&schema, &body, Some(taken));
    }
}

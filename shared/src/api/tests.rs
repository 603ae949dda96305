use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

/// A JSON value that is often nearly right for `history`, `k` and the others.
pub(super) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-5_i64..6_000).prop_map(Value::from),
        Just(json!(0.5)),
        Just(json!(1e300)),
        Just(json!(u64::MAX)),
        Just(json!(1_700_000_000_000_i64)),
        prop::sample::select(vec![
            "alpha",
            "-bad",
            "",
            "like",
            "rating",
            "dislike",
            "Drama",
            "2024-05-01T10:00:00Z",
            "1066-10-14T09:00:00Z",
            "2024-05-01",
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            object(
                inner,
                &["item_id", "type", "value", "occurred_at", "min", "max", "genres_any", "year", "odd"]
            ),
        ]
    })
}

fn object(
    inner: impl Strategy<Value = Value>,
    fields: &'static [&'static str],
) -> impl Strategy<Value = Value> {
    let entry = (prop::sample::select(fields), inner);
    let entries = prop::collection::vec(entry, 0..4);
    entries.prop_map(|entries| Value::Object(entries.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()))
}

/// Valid values of each field, of which some are replaced.
pub(super) fn request() -> impl Strategy<Value = Value> {
    let valid = json!({
        "user_id": "someone@example.org",
        "history": ["alpha", {"item_id": "bravo", "type": "rating", "value": 4.5, "occurred_at": 1_700_000_000_000_i64}],
        "k": 10,
        "filters": {"genres_any": ["Drama"], "genres_none": [], "year": {"min": 1980}, "exclude_items": ["x"], "include_seen": true},
        "diversity": 0.3,
        "explain": true,
        "deadline_ms": 100,
    });
    let fields: Vec<String> = valid.as_object().unwrap().keys().cloned().chain(["odd".to_owned()]).collect();
    let changes = prop::collection::vec((prop::sample::select(fields), value()), 0..3);
    changes.prop_map(move |changes| {
        let mut request: Map<String, Value> = valid.as_object().unwrap().clone();
        request.extend(changes);
        Value::Object(request)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]
    #[test]
    fn the_two_passes_agree_on_what_is_valid(request in prop_oneof![9 => request().boxed(), 1 => value().boxed()]) {
        let parsed = parse::<RecommendationRequest>(request.to_string().as_bytes());
        let faults = Checker::run::<RecommendationRequest>(&request);
        prop_assert_eq!(parsed.is_ok(), faults.is_empty(), "{:?} {:?} {}", parsed, faults, request);
        for fault in faults {
            let there = request.pointer(&fault.pointer).is_some() || fault.code == FaultCode::Missing;
            prop_assert!(there, "{fault:?} points nowhere in {request}");
        }
    }
}

#[test]
fn too_many_entries_are_one_fault() {
    let history: Vec<String> = (0..501).map(|n| format!("item-{n}")).collect();
    let problem =
        parse::<RecommendationRequest>(json!({ "history": history }).to_string().as_bytes()).unwrap_err();
    assert_eq!(problem.errors.len(), 1);
    assert_eq!(
        (problem.errors[0].pointer.as_str(), problem.errors[0].code),
        ("/history", FaultCode::TooMany)
    );
}

#[test]
fn a_reply_lists_a_thousand_faults_and_counts_the_rest() {
    let fields: Map<String, Value> = (0..1_500).map(|n| (format!("f{n}"), json!(0))).collect();
    let problem = parse::<RecommendationRequest>(Value::Object(fields).to_string().as_bytes()).unwrap_err();
    assert_eq!((problem.errors.len(), problem.errors_omitted), (1_000, 500));
    assert_eq!(serde_json::to_value(&problem).unwrap()["errors_omitted"], 500);
}

#[test]
fn codes_have_one_name_everywhere() {
    for code in ProblemCode::ALL {
        assert_eq!(serde_json::to_value(code).unwrap(), code.name());
    }
    for kind in EventType::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
    }
}

/// The cells of each row of the table below a heading.
fn table(page: &str, heading: &str) -> Vec<Vec<String>> {
    let section = page.split("\n## ").find_map(|section| section.strip_prefix(heading)?.strip_prefix('\n'));
    let rows = section.unwrap().lines().filter(|line| line.starts_with('|')).skip(2);
    let cell = |cell: &str| cell.trim().trim_matches('`').to_owned();
    rows.map(|row| row.trim_matches('|').split('|').map(cell).collect()).collect()
}

#[test]
fn the_page_of_errors_names_every_code_and_no_other() {
    let page = include_str!("../../../docs/errors.md");
    let first = |heading, columns| -> Vec<Vec<String>> {
        let rows = table(page, heading);
        assert!(rows.iter().flatten().all(|cell| !cell.is_empty()), "{heading}: an empty cell");
        rows.into_iter().map(|mut row| row.drain(..columns).collect()).collect()
    };
    let name = |code: Value| vec![code.as_str().unwrap().to_owned()];
    let problems = ProblemCode::ALL.map(|code| vec![code.name().to_owned(), code.status().to_string()]);
    assert_eq!(first("Problems", 2), problems);
    assert_eq!(first("Faults", 1), FaultCode::ALL.map(|code| name(serde_json::to_value(code).unwrap())));
    let rejections = events::Rejection::ALL.map(|code| name(serde_json::to_value(code).unwrap()));
    assert_eq!(first("Rejected events", 1), rejections);
    let gateway =
        error::GATEWAY_ANSWERS.map(|(status, message)| vec![status.to_string(), message.to_owned()]);
    assert_eq!(first("What API Gateway answers itself", 2), gateway);
}

#[test]
fn a_time_is_rfc_3339_or_epoch_milliseconds() {
    let millis = |text: &str| serde_json::from_str::<history::Time>(text).ok().map(history::Time::millis);
    assert_eq!(millis("1714557600000"), Some(1_714_557_600_000));
    assert_eq!(millis("1.7145576e12"), Some(1_714_557_600_000));
    assert_eq!(millis("\"2024-05-01T10:00:00Z\""), Some(1_714_557_600_000));
    assert_eq!(millis("\"2024-05-01T12:00:00+02:00\""), Some(1_714_557_600_000));
    for bad in ["1714557600", "\"2024-05-01\"", "-1", "1714557600000.5", "null"] {
        assert_eq!(millis(bad), None, "{bad}");
    }
    assert_eq!(millis("\"1990-01-01T00:00:00+01:00\""), Some(631_152_000_000), "the nearer end");
    assert_eq!(millis("\"2099-12-31T23:59:59.999-01:00\""), Some(4_102_444_799_999), "the nearer end");
}

#[test]
fn a_time_of_any_year_is_read_as_long_as_an_integer_holds_it() {
    let millis =
        |text: &str| serde_json::from_str::<history::GivenTime>(text).ok().map(history::GivenTime::millis);
    assert_eq!(millis("-9223372036854775808"), Some(i64::MIN));
    assert_eq!(millis("9223372036854775807"), Some(i64::MAX));
    for bad in ["-9223372036854775809", "9223372036854775808", "1e19"] {
        assert_eq!(millis(bad), None, "{bad}");
        let value = serde_json::from_str(bad).unwrap();
        assert!(!Checker::run::<history::GivenTime>(&value).is_empty(), "{bad}");
    }
}

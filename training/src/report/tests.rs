use super::*;
use crate::evaluate::{CaseResult, Difference, Protocol};

const PROTOCOLS: [Protocol; 3] = [Protocol::LeaveLastOut, Protocol::Ncf, Protocol::Strong];

fn metric_names(protocol: Protocol) -> &'static [&'static str] {
    match protocol {
        Protocol::LeaveLastOut => {
            &["hr@10", "ndcg@10", "mrr", "hr@10_unmasked", "ndcg@10_unmasked", "coverage@10"]
        }
        Protocol::Ncf => &["hr@10", "ndcg@10", "mrr"],
        Protocol::Strong => &["recall@20", "recall@50", "ndcg@100", "coverage@10"],
    }
}

fn evaluation(protocol: Protocol, models: &[&str], users: usize, scale: f64) -> Evaluation {
    let case =
        |user: usize| CaseResult { history: user % 230 + 1, popularity_rank: user * 7, rank: user % 120 };
    let result = |place: usize, name: &str| {
        let value = scale / (place + 2) as f64;
        let names = metric_names(protocol);
        let intervals = names.iter().filter(|name| !name.starts_with("coverage"));
        // Users find it more or less hard, whoever is asked.
        let of_user = |user: usize| value * (user % 3) as f64;
        ModelResult {
            name: name.to_owned(),
            by_user: intervals
                .clone()
                .map(|name| ((*name).to_owned(), (0..users).map(of_user).collect()))
                .collect(),
            metrics: names.iter().map(|name| ((*name).to_owned(), value)).collect(),
            intervals: intervals
                .map(|name| ((*name).to_owned(), Interval(value * 0.9, value * 1.1)))
                .collect(),
            cases: (0..users).map(case).collect(),
        }
    };
    let models: Vec<_> = models.iter().enumerate().map(|(place, name)| result(place, name)).collect();
    let differences = models.iter().skip(1).map(|model| Difference::of(&models[0], model)).collect();
    Evaluation { protocol, source: "ml-1m".into(), candidates: 100, users, k: 10, models, differences }
}

fn settings() -> Vec<Settings> {
    let values = vec![("factors".into(), "64".into()), ("file".into(), "a&b".into())];
    vec![Settings { of: "als".into(), values }]
}

/// Fails unless every element is closed in its turn and no text holds a stray `<`, `>` or `&`.
fn check(page: &str) {
    let mut open = Vec::new();
    let page = page.strip_prefix("<!DOCTYPE html>").unwrap();
    for part in page.split('<').skip(1) {
        let (inside, after) = part.split_once('>').unwrap();
        assert!(open.last() == Some(&"style") || !after.contains('>'), "stray > in {after}");
        let entities = ["amp;", "lt;", "gt;", "quot;", "#39;"];
        part.split('&')
            .skip(1)
            .for_each(|rest| assert!(entities.iter().any(|e| rest.starts_with(e)), "{rest}"));
        assert_eq!(inside.matches('"').count() % 2, 0, "{inside}");
        let name = inside.split([' ', '/']).next().unwrap();
        match inside.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if inside.ends_with('/') => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
    // The words themselves, for "inf" also begins "information".
    let is_bad = |word: &str| matches!(word, "NaN" | "inf" | "None");
    let words: Vec<&str> =
        page.split(|letter: char| !letter.is_alphanumeric()).filter(|w| is_bad(w)).collect();
    assert!(words.is_empty(), "{words:?}");
}

#[test]
fn every_protocol_gives_a_balanced_page_with_all_models_and_metrics() {
    for protocol in PROTOCOLS {
        let page = html(&evaluation(protocol, &["als", "popularity"], 2_000, 0.4), &settings());
        check(&page);
        for name in metric_names(protocol).iter().chain(&["als", "popularity", "factors", "ml-1m"]) {
            assert!(page.contains(&format!(">{name}<")) || page.contains(&format!(" {name}<")), "{name}");
        }
        assert_eq!(page.matches("<figure").count(), 4);
        assert_eq!(page.matches("<desc").count(), 4);
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let evaluation = evaluation(Protocol::LeaveLastOut, &["als", "popularity"], 500, 0.4);
    assert_eq!(html(&evaluation, &settings()), html(&evaluation.clone(), &settings()));
}

#[test]
fn names_are_text_and_never_markup() {
    let hostile = "<script>\"'&\u{0}";
    let mut evaluation = evaluation(Protocol::LeaveLastOut, &[hostile], 5, 0.4);
    evaluation.source = hostile.into();
    let page =
        html(&evaluation, &[Settings { of: hostile.into(), values: vec![(hostile.into(), hostile.into())] }]);
    check(&page);
    assert!(!page.contains("<script") && !page.contains('\u{0}'));
    assert!(page.contains("&lt;script&gt;&quot;&#39;&amp;\u{fffd}"));
}

#[test]
fn little_or_strange_input_still_gives_a_page() {
    for protocol in PROTOCOLS {
        for (models, users, scale) in
            [(vec!["als"], 1, 0.4), (vec!["a", "b"], 300, 0.0), (vec![], 0, 0.0), (vec!["a"], 0, 0.1)]
        {
            check(&html(&evaluation(protocol, &models, users, scale), &[]));
        }
        let mut one_candidate = evaluation(protocol, &["als", "b"], 3, f64::NAN);
        (one_candidate.candidates, one_candidate.k) = (1, 1_000);
        check(&html(&one_candidate, &[]));
    }
}

#[test]
fn only_the_highest_of_a_column_is_marked() {
    let best = |models: &[&str], scale| {
        html(&evaluation(Protocol::Ncf, models, 10, scale), &[]).matches("class=\"best\"").count()
    };
    assert_eq!(best(&["als", "popularity", "sasrec"], 0.4), 3);
    assert_eq!(best(&["als"], 0.4), 0, "one model has nothing to beat");
    assert_eq!(best(&["als", "popularity"], 0.0), 0, "equals are not marked");
}

#[test]
fn differences_that_are_more_than_chance_are_marked() {
    let page = |models: &[&str], users, scale| html(&evaluation(Protocol::Ncf, models, users, scale), &[]);
    let clear = page(&["als", "popularity"], 900, 0.4);
    assert!(clear.contains(">als − popularity<"), "{clear}");
    assert!(clear.contains("▲ +0.0667"), "a sixth of 0.4 for users of mean 1");
    assert_eq!(clear.matches("class=\"higher\"").count(), 3);
    assert_eq!(clear.matches("class=\"lower\"").count(), 0);
    assert!(clear.contains("Koehn 2004, Statistical"));
    let worse = page(&["als", "popularity"], 900, -0.4);
    assert_eq!((worse.matches("class=\"lower\"").count(), worse.matches("▼ −0.0667").count()), (3, 3));
    let equal = page(&["als", "popularity"], 900, 0.0);
    assert!(equal.contains("+0.0000 to +0.0000"));
    assert!(!equal.contains("class=\"higher\"") && !equal.contains("class=\"lower\""));
}

#[test]
fn one_model_has_no_differences() {
    let page = html(&evaluation(Protocol::Ncf, &["als"], 10, 0.4), &[]);
    assert!(!page.contains("Differences") && !page.contains("Koehn"));
}

#[test]
fn settings_stand_by_what_they_are_of() {
    let none = Settings { of: "nothing".into(), values: Vec::new() };
    let page = html(&evaluation(Protocol::Ncf, &["als"], 10, 0.4), &[settings().remove(0), none]);
    assert!(page.contains("<h3>als</h3>") && !page.contains("<h3>nothing</h3>"));
}

#[test]
fn metrics_stand_in_reading_order() {
    let evaluation = evaluation(Protocol::LeaveLastOut, &["als"], 1, 0.4);
    let expected = ["hr@10", "ndcg@10", "mrr", "hr@10_unmasked", "ndcg@10_unmasked", "coverage@10"];
    assert_eq!(columns(&evaluation), expected.each_ref());
}

#[test]
fn numbers_are_written_for_people() {
    assert_eq!([0, 999, 1_000, 1_234_567].map(words::grouped), ["0", "999", "1,000", "1,234,567"]);
    assert_eq!([950, 1_249, 9_960, 27_278].map(words::short), ["950", "1.2k", "10k", "27k"]);
}

#[test]
fn ticks_are_round_and_reach_the_largest_value() {
    let labels = |most| {
        let ticks = svg::ticks(most);
        ticks.iter().map(|tick| svg::tick_label(*tick, &ticks)).collect::<Vec<_>>()
    };
    assert_eq!(labels(0.23), ["0.00", "0.05", "0.10", "0.15", "0.20", "0.25"]);
    assert_eq!(labels(1.0), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
    assert_eq!(labels(0.0), labels(1.0));
}

#[test]
fn users_are_grouped_by_history_and_empty_groups_are_left_out() {
    let mut evaluation = evaluation(Protocol::LeaveLastOut, &["als"], 12, 0.4);
    let cases = &mut evaluation.models[0].cases;
    for (user, case) in cases.iter_mut().enumerate() {
        case.history = if user < 10 { 10 } else { 500 };
        case.rank = if user < 5 { 0 } else { 50 };
    }
    let page = html(&evaluation, &[]);
    // Wilson's interval for 5 of 10.
    assert!(page.contains("als, 1–10: 0.5000, 95% interval 0.2366 to 0.7634, 10 users"));
    assert!(page.contains("als, 201+: 0.0000, 95% interval 0.0000 to 0.6576, 2 users"));
    assert!(!page.contains("11–20"));
}

#[test]
fn users_are_grouped_by_tenths_and_those_who_sought_one_item_stay_together() {
    let mut evaluation = evaluation(Protocol::LeaveLastOut, &["als"], 20, 0.4);
    let cases = &mut evaluation.models[0].cases;
    cases.iter_mut().enumerate().for_each(|(user, case)| case.popularity_rank = user.max(4));
    let page = html(&evaluation, &[]);
    assert!(page.contains("als, 1: 1.0000, 95% interval 0.5655 to 1.0000, 5 users"));
    assert!(!page.contains("als, 2:"), "its users are all in the first tenth");
    assert!(page.contains("als, 10: 0.0000, 95% interval 0.0000 to 0.6576, 2 users"));
}

#[test]
fn the_hit_rate_grows_with_the_list() {
    let page = html(&evaluation(Protocol::LeaveLastOut, &["als"], 120, 0.4), &[]);
    for point in ["hit rate@1 0.0083", "hit rate@10 0.0833", "hit rate@100 0.8333"] {
        assert!(page.contains(point), "{point}");
    }
}

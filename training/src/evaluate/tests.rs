use proptest::prelude::*;

use super::metrics::{ndcg, recall};
use super::*;
use crate::histories::Histories;

struct Fixed(Vec<f32>);

impl Ranker for Fixed {
    fn name(&self) -> &str {
        "fixed"
    }

    fn scores(&self, _: &[(u32, f32)]) -> Vec<f32> {
        self.0.clone()
    }
}

fn histories(items: usize, by_user: &[&[u32]]) -> Histories {
    let by_user = by_user.iter().map(|items| items.iter().map(|item| (*item, 1.0)).collect()).collect();
    Histories { by_user, items }
}

#[test]
fn the_last_item_is_sought_among_the_unseen() {
    let split = leave_last_out(histories(4, &[&[0, 1, 2], &[3]])).unwrap();
    assert_eq!(split.cases.len(), 1, "one item is no case");
    assert_eq!(split.training.by_user[0], [(0, 1.0), (1, 1.0)]);
    // 0 and 1 score higher and are seen: masked, the target comes second, after item 3.
    let found = evaluate(&split, &[&Fixed(vec![9.0, 8.0, 1.0, 2.0])], 2, "test");
    let metrics = &found.model("fixed").unwrap().metrics;
    assert_eq!(metrics["hr@2"], 1.0);
    assert_eq!(metrics["ndcg@2"], 1.0 / 3.0_f64.log2());
    assert_eq!(metrics["mrr"], 0.5);
    assert_eq!(metrics["hr@2_unmasked"], 0.0);
    assert_eq!(metrics["coverage@2"], 0.5);
}

#[test]
fn ties_count_against_the_model() {
    let split = leave_last_out(histories(4, &[&[0, 2]])).unwrap();
    let found = evaluate(&split, &[&Fixed(vec![1.0; 4])], 2, "test");
    assert_eq!(found.models[0].metrics["hr@2"], 0.0);
    assert_eq!(found.models[0].cases[0].rank, 2);
    let nan = evaluate(&split, &[&Fixed(vec![f32::NAN; 4])], 2, "test");
    assert_eq!(nan.models[0].metrics["hr@2"], 0.0);
}

#[test]
fn held_out_users_are_not_trained_on() {
    let all: Vec<Vec<u32>> = (0..40).map(|user| (0..10).map(|i| (user + i) % 30).collect()).collect();
    let all: Vec<&[u32]> = all.iter().map(Vec::as_slice).collect();
    let split = strong(histories(30, &all), 1).unwrap();
    assert_eq!(split.cases.len(), 4);
    assert_eq!(split.training.by_user.iter().filter(|history| history.is_empty()).count(), 4);
    for case in &split.cases {
        assert_eq!((case.history.len(), case.targets.len()), (8, 2));
        assert!(case.targets.iter().all(|target| case.history.iter().all(|(item, _)| item != target)));
    }
}

#[test]
fn recall_and_ndcg_follow_their_definitions() {
    assert_eq!(recall(&[0, 5, 30], 20), 2.0 / 3.0);
    assert_eq!(recall(&[0, 1, 2], 2), 1.0);
    assert_eq!(ndcg(&[0, 1], 100), 1.0);
    let expected = (1.0 / 3.0_f64.log2()) / (1.0 + 1.0 / 3.0_f64.log2());
    assert!((ndcg(&[1, 200], 100) - expected).abs() < 1e-12);
}

#[test]
fn an_interval_holds_its_mean_and_narrows_with_more_users() {
    let few: Vec<f64> = (0..50).map(|i| f64::from(i % 2)).collect();
    let many: Vec<f64> = (0..5_000).map(|i| f64::from(i % 2)).collect();
    let (few, many) = (bootstrap::interval(&few), bootstrap::interval(&many));
    assert!(few.0 < 0.5 && 0.5 < few.1 && many.0 < 0.5 && 0.5 < many.1);
    assert!(many.1 - many.0 < (few.1 - few.0) / 5.0);
}

/// Knows what follows each item: the one after it.
struct Next(usize);

impl Ranker for Next {
    fn name(&self) -> &str {
        "next"
    }

    fn scores(&self, history: &[(u32, f32)]) -> Vec<f32> {
        let (last, _) = history.last().unwrap();
        (0..self.0).map(|item| f32::from(u8::from(item == (*last as usize + 1) % self.0))).collect()
    }
}

#[test]
fn a_history_is_given_oldest_first() {
    let by_user: Vec<Vec<u32>> =
        (0..20).map(|user| (0..5).map(|place| (user + place) % 20).collect()).collect();
    let by_user: Vec<&[u32]> = by_user.iter().map(Vec::as_slice).collect();
    let split = leave_last_out(histories(20, &by_user)).unwrap();
    let found = evaluate(&split, &[&Next(20)], 1, "test");
    assert_eq!(found.models[0].metrics["hr@1"], 1.0);
    for case in strong(histories(20, &by_user), 3).unwrap().cases {
        let steps = case.history.windows(2).map(|pair| (pair[1].0 + 20 - pair[0].0) % 20);
        assert!(steps.clone().sum::<u32>() < 5 && steps.min() > Some(0), "{:?}", case.history);
    }
}

#[test]
fn every_model_is_compared_with_the_last_and_with_those_before_it() {
    let split = leave_last_out(histories(4, &[&[0, 1, 2], &[0, 3]])).unwrap();
    let (next, fixed, popularity) =
        (Next(4), Fixed(vec![0.0, 1.0, 2.0, 3.0]), Popularity::new(&split.popularity));
    let found = evaluate(&split, &[&next, &fixed, &popularity], 1, "test");
    let names = |difference: &Difference| format!("{} {}", difference.model, difference.baseline);
    let compared: Vec<_> = found.differences.iter().map(names).collect();
    assert_eq!(compared, ["next popularity", "fixed popularity", "fixed next"]);
    let own = |name: &str| found.model(name).unwrap().metrics["hr@1"];
    assert_eq!((own("next"), own("fixed")), (0.5, 0.5));
    let last = &found.differences[2].metrics;
    assert_eq!(last["hr@1"].difference, 0.0);
    assert_eq!(last["hr@1"].interval, Interval(-1.0, 1.0), "each finds another user's item");
    assert!(!last.contains_key("coverage@1"));
}

#[test]
fn json_names_the_models_in_the_order_asked() {
    let split = leave_last_out(histories(4, &[&[0, 1, 2], &[0, 3]])).unwrap();
    let found = evaluate(&split, &[&Next(4), &Fixed(vec![1.0; 4])], 1, "test");
    let json = serde_json::to_string(&found).unwrap();
    let place = |text: &str| json.find(text).unwrap_or_else(|| panic!("no {text} in {json}"));
    assert!(place(r#""models":{"next":{"#) < place(r#""fixed":{"#), "{json}");
    assert!(
        place(r#""hr@1":{"difference":"#) > place(r#""differences":[{"model":"next","baseline":"fixed","#)
    );
}

#[test]
fn one_model_is_compared_with_none() {
    let split = leave_last_out(histories(4, &[&[0, 2]])).unwrap();
    assert!(evaluate(&split, &[&Next(4)], 1, "test").differences.is_empty());
}

#[test]
fn a_planted_improvement_is_found_where_intervals_overlap() {
    // Every fifth user's item is found by the new model alone; half of the users' by both.
    let old: Vec<f64> = (0..100).map(|user| f64::from(u8::from(user % 2 == 0))).collect();
    let new: Vec<f64> =
        old.iter().enumerate().map(|(user, hit)| if user % 5 == 1 { 1.0 } else { *hit }).collect();
    let (own_old, own_new) = (bootstrap::interval(&old), bootstrap::interval(&new));
    assert!(own_old.1 > own_new.0, "{own_old:?} {own_new:?}");
    let found = bootstrap::difference(&new, &old);
    assert_eq!(found.difference, 0.1);
    assert!(found.interval.excludes_zero() && found.interval.0 > 0.0, "{found:?}");
}

proptest! {
    #[test]
    fn a_model_does_not_differ_from_itself(values in prop::collection::vec(0.0..1.0, 1..40)) {
        let found = bootstrap::difference(&values, &values);
        prop_assert_eq!(found, MetricDifference { difference: 0.0, interval: Interval(0.0, 0.0) });
        prop_assert!(!found.interval.excludes_zero());
    }

    #[test]
    fn the_other_way_round_is_the_negative(pairs in prop::collection::vec((0.0..1.0, 0.0..1.0), 1..40)) {
        let (ours, theirs): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        let (one, other) = (bootstrap::difference(&ours, &theirs), bootstrap::difference(&theirs, &ours));
        prop_assert_eq!(one.difference, -other.difference);
        prop_assert_eq!(one.interval, Interval(-other.interval.1, -other.interval.0));
        prop_assert_eq!(one.interval.excludes_zero(), other.interval.excludes_zero());
    }

    #[test]
    fn a_difference_is_paired(pairs in prop::collection::vec((0.0..1.0, 0.0..1.0), 1..40)) {
        let (ours, theirs): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        let by_user: Vec<f64> = pairs.iter().map(|(ours, theirs)| ours - theirs).collect();
        let found = bootstrap::difference(&ours, &theirs);
        prop_assert_eq!(found.interval, bootstrap::interval(&by_user));
        let of_means = bootstrap::mean(&ours) - bootstrap::mean(&theirs);
        prop_assert!((found.difference - of_means).abs() < 1e-12);
    }

    #[test]
    fn what_helps_every_user_is_found(
        values in prop::collection::vec((0.0..1.0, 0.01..0.1), 1..40),
        helps in any::<bool>(),
    ) {
        let old: Vec<f64> = values.iter().map(|(value, _)| *value).collect();
        let new: Vec<f64> =
            values.iter().map(|(value, more)| if helps { value + more } else { value - more }).collect();
        let found = bootstrap::difference(&new, &old);
        prop_assert!(found.interval.excludes_zero());
        prop_assert_eq!(found.difference > 0.0, helps);
    }
}

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
    let metrics = &found.models["fixed"].metrics;
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
    assert_eq!(found.models["fixed"].metrics["hr@2"], 0.0);
    assert_eq!(found.models["fixed"].cases[0].rank, 2);
    let nan = evaluate(&split, &[&Fixed(vec![f32::NAN; 4])], 2, "test");
    assert_eq!(nan.models["fixed"].metrics["hr@2"], 0.0);
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

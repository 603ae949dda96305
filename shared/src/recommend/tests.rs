use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::api::parse;
use crate::api::recommendation::Explanation;
use crate::testing;

const WORDS: usize = 150;

/// An artifact of 150 items whose factors have ties and zeros among them; made once.
fn recommending() -> &'static Recommending {
    static MADE: std::sync::OnceLock<(tempfile::TempDir, Recommending)> = std::sync::OnceLock::new();
    let (_, recommending) = MADE.get_or_init(|| {
        let ids: Vec<String> = (0..WORDS).map(|n| format!("item-{n}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let folder = testing::artifact_of(&ids, 6, |row, d| ((row * 7 + d * 13) % 11) as f32 / 11.0 - 0.3);
        let recommending = Recommending::open(folder.path()).unwrap();
        (folder, recommending)
    });
    recommending
}

fn ask(body: &Value) -> Answer {
    let request = parse(body.to_string().as_bytes()).unwrap();
    recommending().answer(&request, "request".into())
}

fn some_ids() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec((0..WORDS + 10).prop_map(|n| format!("item-{n}")), 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn the_rules_hold_on_every_rung(
        liked in some_ids(),
        disliked in some_ids(),
        excluded in some_ids(),
        k in 1_u64..200,
        include_seen: bool,
        genre in prop::option::of(prop::sample::select(vec!["Calm", "loud", "Unknown"])),
        years in prop::option::of((1980_u64..2140, 1980_u64..2140)),
        diversity in prop::sample::select(vec![0.0, 0.4, 1.0]),
    ) {
        let dislikes = disliked.iter().map(|id| json!({"item_id": id, "type": "dislike"}));
        let history: Vec<Value> = dislikes.chain(liked.iter().map(|id| json!(id))).collect();
        let mut filters = json!({"exclude_items": excluded, "include_seen": include_seen});
        if let Some(genre) = genre {
            filters["genres_any"] = json!([genre]);
        }
        if let Some((min, max)) = years {
            filters["year"] = json!({"min": min, "max": max});
        }
        let answer = ask(&json!({"history": history, "k": k, "filters": filters, "diversity": diversity, "explain": true}));

        let ids: HashSet<&str> = answer.items.iter().map(|item| item.item_id.as_str()).collect();
        prop_assert_eq!(ids.len(), answer.items.len(), "an item is repeated");
        prop_assert!(answer.items.len() as u64 <= k);
        let liked: HashSet<&str> = liked.iter().map(String::as_str).collect();
        let disliked: HashSet<&str> = disliked.iter().map(String::as_str).filter(|id| !liked.contains(id)).collect();
        prop_assert!(excluded.iter().all(|id| !ids.contains(id.as_str())), "an excluded item");
        prop_assert!(disliked.is_disjoint(&ids), "a disliked item");
        prop_assert!(include_seen || liked.is_disjoint(&ids), "a seen item");
        for (item, rank) in answer.items.iter().zip(1..) {
            prop_assert_eq!(item.rank, rank);
            prop_assert!(item.score.is_finite());
            prop_assert!(genre.is_none_or(|genre| item.genres.iter().any(|g| g.eq_ignore_ascii_case(genre))));
            let year = u64::from(item.year.unwrap());
            prop_assert!(years.is_none_or(|(min, max)| (min..=max).contains(&year)));
            if let (Some(because), Some(rest)) = (&item.because, item.because_rest) {
                let sum = because.iter().map(|b| f64::from(b.weight)).sum::<f64>() + f64::from(rest);
                prop_assert!((sum - f64::from(item.score)).abs() < 1e-5, "{sum} {}", item.score);
            }
        }
        if diversity == 0.0 {
            prop_assert!(answer.items.windows(2).all(|pair| pair[0].score >= pair[1].score));
        }
        let attracts = liked.iter().any(|id| recommending().artifact().catalogue.row(id).is_some());
        prop_assert_eq!(answer.receipt.rung, if attracts { Rung::Function } else { Rung::Popular });
        prop_assert_eq!(answer.receipt.reason.is_none(), attracts);
        // As many as the rules leave, up to k.
        let allowed = (0..WORDS).filter(|n| {
            let (id, year) = (format!("item-{n}"), 1980 + *n as u64);
            let name = if *n < WORDS / 2 { "calm" } else { "loud" };
            !excluded.contains(&id)
                && !disliked.contains(id.as_str())
                && (include_seen || !liked.contains(id.as_str()))
                && genre.is_none_or(|genre| genre.eq_ignore_ascii_case(name))
                && years.is_none_or(|(min, max)| (min..=max).contains(&year))
        });
        prop_assert_eq!(answer.items.len(), allowed.count().min(k as usize));
    }
}

#[test]
fn the_latest_entry_of_an_item_counts() {
    let disliked_last = ask(&json!({"history": ["item-1", {"item_id": "item-1", "type": "dislike"}]}));
    assert_eq!(disliked_last.receipt.rung, Rung::Popular);
    let liked_last = ask(&json!({"history": [{"item_id": "item-1", "type": "dislike"}, "item-1"]}));
    assert_eq!(liked_last.receipt.rung, Rung::Function);
    assert_eq!(liked_last.receipt.history, HistoryReceipt { used: 1, unknown: 0 });
}

#[test]
fn the_five_largest_reasons_are_named_in_order() {
    let history: Vec<String> = (0..9).map(|n| format!("item-{n}")).collect();
    let answer = ask(&json!({"history": history, "explain": true}));
    for item in &answer.items {
        let because = item.because.as_ref().unwrap();
        assert_eq!(because.len(), 5);
        assert!(because.windows(2).all(|pair| pair[0].weight >= pair[1].weight));
    }
    assert!(ask(&json!({"history": history})).items[0].because.is_none(), "only when asked");
}

#[test]
fn diversity_brings_other_items_than_score_alone() {
    let plain = ask(&json!({"history": ["item-1", "item-2"], "k": 10}));
    let varied = ask(&json!({"history": ["item-1", "item-2"], "k": 10, "diversity": 0.8}));
    let ids = |answer: &Answer| answer.items.iter().map(|item| item.item_id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&plain)[0], ids(&varied)[0], "the best stays first");
    assert_ne!(ids(&plain), ids(&varied));
}

/// The model is wrong and the answer still right: the list of what is popular, and why it is that.
#[test]
fn a_model_that_gives_nonsense_is_answered_for_by_what_is_popular() {
    let folder = testing::artifact();
    let path = folder.path().join("model.safetensors");
    let serving = folder.path().join("serving.safetensors");
    let nan_everywhere = |path: &Path| {
        let mut bytes = std::fs::read(path).unwrap();
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        bytes[header..].fill(0xff);
        std::fs::write(path, bytes).unwrap();
    };
    nan_everywhere(&path);
    nan_everywhere(&serving);
    let recommending = Recommending::open(folder.path()).unwrap();
    let request = parse(br#"{"history": ["alpha"], "k": 3}"#).unwrap();
    let answer = recommending.answer(&request, "request".into());
    assert_eq!(answer.receipt.rung, Rung::Popular);
    assert_eq!(answer.receipt.reason, Some(Reason::FunctionInvalidOutput));
    let ids: Vec<_> = answer.items.iter().map(|item| item.item_id.as_str()).collect();
    assert_eq!(ids, ["bravo", "charlie", "delta"]);
}

#[test]
fn what_is_remembered_comes_before_what_the_request_brings() {
    let like = |id: &str| -> HistoryEntry { serde_json::from_value(json!(id)).unwrap() };
    let dislike = |id: &str| serde_json::from_value(json!({"item_id": id, "type": "dislike"})).unwrap();
    let source = |remembered: Remembered, body: Value| {
        let request = parse(body.to_string().as_bytes()).unwrap();
        let answer = recommending().answer_knowing(&request, &remembered, "request".into(), Instant::now());
        (answer.receipt.profile, answer.receipt.history.used, answer.receipt.degraded)
    };
    let known = |entries: Vec<HistoryEntry>| Remembered { history: entries.into(), unavailable: false };
    let gone = Remembered { unavailable: true, ..Remembered::default() };
    let brought = json!({"history": ["item-1"]});

    assert_eq!(source(known(vec![like("item-2")]), json!({})), (ProfileSource::Store, 1, vec![]));
    assert_eq!(source(known(vec![like("item-2")]), brought.clone()), (ProfileSource::Both, 2, vec![]));
    let newer = source(known(vec![dislike("item-1")]), brought.clone());
    assert_eq!(newer, (ProfileSource::Both, 1, vec![]), "what the request says of an item is newer");
    assert_eq!(source(gone.clone(), brought), (ProfileSource::Request, 1, vec![Reason::ProfileUnavailable]));
    let both = vec![Reason::NoKnownHistory, Reason::ProfileUnavailable];
    assert_eq!(source(gone, json!({})), (ProfileSource::Unavailable, 0, both));
}

#[tokio::test]
async fn a_sequence_model_answers_explains_ranks_and_finds_similar_items() {
    let folder = testing::sasrec_artifact();
    let recommending = Recommending::open(folder.path()).unwrap();
    let answer = |body: Value| {
        let request = parse(body.to_string().as_bytes()).unwrap();
        recommending.answer(&request, "request".into())
    };
    let explained = answer(json!({"history": ["alpha", "bravo", "hotel"], "k": 3, "explain": true}));
    assert_eq!(explained.receipt.rung, Rung::Function);
    assert_eq!(explained.explanation, Some(Explanation::LeaveOneOut));
    assert_eq!(explained.items.len(), 3);
    for item in &explained.items {
        assert_eq!(item.because.as_ref().unwrap().len(), 3);
        assert!(item.because_rest.is_none(), "effects do not sum to the score");
        for because in item.because.as_ref().unwrap() {
            let rest: Vec<_> =
                ["alpha", "bravo", "hotel"].into_iter().filter(|id| *id != because.item_id).collect();
            let without = answer(json!({"history": rest, "k": 8}));
            let without = without.items.iter().find(|other| other.item_id == item.item_id).unwrap().score;
            assert_eq!(because.weight, item.score - without, "{}", because.item_id);
        }
    }
    assert!(answer(json!({"history": ["alpha"]})).explanation.is_none(), "only when asked");
    assert!(answer(json!({"explain": true})).explanation.is_none(), "nothing to explain by");
    let turned = answer(json!({"history": ["hotel", "bravo", "alpha"], "k": 3}));
    let scores = |answer: &Answer| answer.items.iter().map(|item| item.score).collect::<Vec<_>>();
    assert_ne!(scores(&turned), scores(&explained), "the order of a history counts");

    let similar = recommending.similar("delta", &Default::default()).unwrap();
    assert!(similar.items.len() == 7 && similar.items.iter().all(|item| item.item.item_id != "delta"));
    let request =
        parse(br#"{"history": ["alpha", "bravo", "hotel"], "items": ["echo", "nobody", "alpha"]}"#).unwrap();
    let ranking = recommending.rank_for(&Memory::new(None), &request, "request".into()).await;
    let whole =
        answer(json!({"history": ["alpha", "bravo", "hotel"], "k": 8, "filters": {"include_seen": true}}));
    for ranked in ranking.items.iter().filter(|ranked| ranked.known) {
        let answered = whole.items.iter().find(|item| item.item_id == ranked.item_id).unwrap();
        assert_eq!(ranked.score, Some(answered.score));
    }
    assert_eq!(ranking.items.iter().filter(|ranked| ranked.known).count(), 2);
}

#[test]
fn items_that_made_no_difference_are_no_reasons() {
    let folder = testing::sasrec_artifact();
    let recommending = Recommending::open(folder.path()).unwrap();
    // Five positions: alpha and bravo are out of sight.
    let history = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf"];
    let request = parse(json!({"history": history, "explain": true}).to_string().as_bytes()).unwrap();
    let answer = recommending.answer(&request, "request".into());
    let because = answer.items[0].because.as_ref().unwrap();
    let mut named: Vec<_> = because.iter().map(|because| because.item_id.as_str()).collect();
    named.sort_unstable();
    assert_eq!(named, history[2..]);
}

use std::convert::Infallible;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::accelerator::contract;
use crate::accelerator::protocol::{Data, InferRequest, InferResponse, Tensor};
use crate::api::history::Time;
use crate::api::parse;
use crate::batch::Cutter;
use crate::store::{Profile, StoredProfile};
use crate::testing;

/// Knows that everybody but `nobody` liked `alpha`, once it has failed so often.
#[derive(Debug, Default)]
struct Store {
    failures: AtomicU32,
}

#[async_trait]
impl Profiles for Store {
    async fn profile(&self, user: &UserId) -> Result<Option<StoredProfile>, StoreError> {
        let left =
            self.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left.is_ok() {
            return Err(StoreError::new("throttled"));
        }
        if user.as_str() == "nobody" {
            return Ok(None);
        }
        let profile: Profile =
            serde_json::from_str(r#"{"i": [["alpha", "like", null, "2020-01-01T00:00:00Z", "e1"]]}"#)
                .unwrap();
        Ok(Some(StoredProfile { profile, changed_at: Time::now() }))
    }
}

fn blocks(text: &str) -> Vec<Block> {
    let (mut cutter, mut blocks) = (Cutter::new(Place::START), Vec::new());
    let Ok(()) = cutter.push(text.as_bytes(), |block| {
        blocks.push(block);
        Ok::<_, Infallible>(())
    });
    blocks.extend(cutter.finish());
    blocks
}

fn recommending() -> (tempfile::TempDir, Arc<Recommending>) {
    let folder = testing::artifact();
    let recommending = Arc::new(Recommending::open(folder.path()).unwrap());
    (folder, recommending)
}

/// The lines that a text is answered with.
async fn scored(scorer: &Scorer, text: &str) -> (Vec<Value>, Tally) {
    let (mut lines, mut tally) = (Vec::new(), Tally::default());
    for block in blocks(text) {
        let scored = scorer.score(&block).await.unwrap();
        assert_eq!((scored.from, scored.to), (block.from, block.to));
        tally += scored.tally;
        let text = String::from_utf8(scored.bytes).unwrap();
        lines.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
    (lines, tally)
}

fn people() -> Vec<Value> {
    let mut people = vec![
        json!({}),
        json!({"history": ["unknown"]}),
        json!({"history": [{"item_id": "golf", "type": "dislike"}]}),
    ];
    for (i, first) in testing::ITEMS.iter().enumerate() {
        let second = testing::ITEMS[(i * 3 + 1) % 8];
        people.push(
            json!({"history": [first, {"item_id": second, "type": "rating", "value": 4.5}], "k": i + 1}),
        );
        people.push(json!({"history": [first], "diversity": 0.4, "explain": i % 2 == 0}));
        people.push(
            json!({"history": [second], "filters": {"genres_any": ["Calm"], "include_seen": true}, "k": 500}),
        );
        people.push(json!({"history": [first], "items": [second, "unknown", "alpha"]}));
    }
    people.into_iter().cycle().take(200).collect()
}

#[tokio::test]
async fn every_line_is_the_answer_that_the_person_would_get_alone() {
    for folder in [testing::artifact(), testing::sasrec_artifact()] {
        let recommending = Arc::new(Recommending::open(folder.path()).unwrap());
        let scorer = Scorer::new(Arc::clone(&recommending), None, Manner::default());
        let people = people();
        let text: String = people.iter().map(|person| format!("{person}\n")).collect();
        let (lines, tally) = scored(&scorer, &text).await;
        assert_eq!((lines.len(), tally.rows, tally.errors), (people.len(), people.len() as u64, 0));
        assert_eq!(tally.function + tally.popular, tally.rows);
        for (person, line) in people.iter().zip(&lines) {
            assert_eq!(&line["input"], person);
            let alone = if person.get("items").is_some() {
                let request = parse(person.to_string().as_bytes()).unwrap();
                serde_json::to_string(&recommending.rank_remembering(&request, &Remembered::default()))
            } else {
                let request = parse(person.to_string().as_bytes()).unwrap();
                serde_json::to_string(&recommending.answer(&request, String::new()))
            };
            // By way of text, as lines come: a number is then the shortest that names it.
            let alone: Value = serde_json::from_str(&alone.unwrap()).unwrap();
            assert_eq!(line["output"]["items"], alone["items"], "{person}");
            assert_eq!(line["output"]["model"], alone["receipt"]["model"]);
            assert_eq!(line["output"]["rung"], alone["receipt"]["rung"]);
            assert_eq!(line["output"].get("explanation"), alone.get("explanation"));
        }
    }
}

#[tokio::test]
async fn a_line_that_is_wrong_fails_alone_and_is_told_as_over_https() {
    let (_folder, recommending) = recommending();
    let scorer = Scorer::new(recommending, None, Manner::default());
    let text = "{\"history\": [\"alpha\"]}\nnonsense\n\n{\"k\": 0, \"x\": 1}\n{\"history\": [\"alpha\"]}";
    let (lines, tally) = scored(&scorer, text).await;
    let expected = Tally { rows: 5, errors: 3, function: 2, ..Tally::default() };
    assert_eq!(tally, expected);
    assert_eq!(lines[0], lines[4]);
    let said =
        |line: usize| (lines[line]["error"]["line"].as_u64().unwrap(), lines[line]["error"]["code"].clone());
    assert_eq!(said(1), (2, json!("malformed_json")));
    assert_eq!((said(2), &lines[2]["input"]), ((3, json!("malformed_json")), &json!("")));
    assert_eq!(said(3), (4, json!("invalid_request")));
    let pointers: Vec<_> =
        lines[3]["error"]["errors"].as_array().unwrap().iter().map(|e| &e["pointer"]).collect();
    assert_eq!(pointers, ["/x", "/k"]);
    assert_eq!(lines[3]["error"].get("request_id"), None);
}

#[tokio::test]
async fn the_form_of_personalize_has_items_and_scores_alone() {
    let (_folder, recommending) = recommending();
    let manner = Manner { format: Format::Personalize, k: Some(K::clamped(2)), ..Manner::default() };
    let scorer = Scorer::new(recommending, Some(Arc::new(Store::default())), manner);
    let (lines, _) = scored(&scorer, "{\"userId\": \"ada\"}\n{\"userId\": 7}\n").await;
    assert_eq!(lines[0]["input"], json!({"userId": "ada"}));
    assert_eq!(lines[0]["error"], json!(null));
    assert_eq!(lines[0]["output"]["recommendedItems"].as_array().map(Vec::len), Some(2));
    assert_eq!(lines[0]["output"]["scores"].as_array().map(Vec::len), Some(2));
    assert_eq!(lines[1]["output"], json!(null));
    assert_eq!(lines[1]["error"], "invalid_request: /userId: expected a string, found a number");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_for_a_moment_is_asked_again_and_one_that_goes_on_fails_the_block() {
    let (_folder, recommending) = recommending();
    let text = "{\"user_id\": \"ada\"}\n{\"user_id\": \"nobody\"}\n{\"history\": [\"alpha\"]}";
    let at_once = {
        let scorer =
            Scorer::new(Arc::clone(&recommending), Some(Arc::new(Store::default())), Manner::default());
        scored(&scorer, text).await
    };
    assert_eq!(at_once.1, Tally { rows: 3, function: 2, popular: 1, ..Tally::default() });
    assert_eq!(at_once.0[0]["output"], at_once.0[2]["output"], "what is stored counts as what is given");
    let failing = |failures| {
        let store = Arc::new(Store { failures: AtomicU32::new(failures) });
        Scorer::new(Arc::clone(&recommending), Some(store), Manner::default())
    };
    assert_eq!(scored(&failing(3), text).await, at_once);
    let error = failing(1_000).score(&blocks(text)[0]).await.unwrap_err();
    assert!(error.to_string().contains("throttled"), "{error}");
}

/// Ranks all items for everybody, with the model of this digest.
#[derive(Debug)]
struct Theirs(Mutex<Option<String>>);

#[async_trait]
impl Accelerator for Theirs {
    fn name(&self) -> &str {
        "theirs"
    }

    fn model(&self) -> &str {
        "theirs"
    }

    async fn ready(&self, _: Instant) -> Result<(), CallError> {
        Ok(())
    }

    async fn infer(&self, request: &InferRequest, _: Instant) -> Result<InferResponse, CallError> {
        let people = request.inputs[0].shape[0];
        let shape = vec![people, testing::ITEMS.len()];
        let rows = (0..people).flat_map(|_| 0..testing::ITEMS.len() as i32).collect();
        let scores = (0..people).flat_map(|_| (0..testing::ITEMS.len()).map(|row| -(row as f32))).collect();
        let digest = self.0.lock().unwrap().clone();
        Ok(InferResponse {
            model_name: "theirs".into(),
            model_version: None,
            id: None,
            parameters: digest
                .map(|digest| (contract::DIGEST_PARAMETER.to_owned(), digest.into()))
                .into_iter()
                .collect(),
            outputs: vec![
                Tensor { name: contract::ITEMS.into(), shape: shape.clone(), data: Data::Int32(rows) },
                Tensor { name: contract::SCORES.into(), shape, data: Data::Fp32(scores) },
            ],
        })
    }
}

#[tokio::test]
async fn one_batch_has_one_model_of_an_accelerator() {
    let (_folder, recommending) = recommending();
    let theirs = Arc::new(Theirs(Mutex::new(None)));
    let block = &blocks("{\"history\": [\"alpha\"]}\n")[0];
    let scorer = |digest: Option<&str>| {
        let scorer = Scorer::new(Arc::clone(&recommending), None, Manner::default());
        scorer.with_accelerator(theirs.clone(), digest.map(str::to_owned))
    };
    let (one, other) = ("1".repeat(64), "2".repeat(64));
    // A server that says none is believed.
    let begun = scorer(None);
    let silent = begun.score(block).await.unwrap();
    assert_eq!((silent.tally.accelerator, silent.accelerator), (1, None));
    *theirs.0.lock().unwrap() = Some(one.clone());
    assert_eq!(begun.score(block).await.unwrap().accelerator, Some(one.clone()));
    *theirs.0.lock().unwrap() = Some(other.clone());
    for bound in [begun, scorer(Some(&one))] {
        let error = bound.score(block).await.unwrap_err();
        assert!(
            matches!(&error, ScoreError::OtherModel { before, now } if *before == one && *now == other),
            "{error}"
        );
    }
    assert_eq!(scorer(None).score(block).await.unwrap().accelerator, Some(other));
}

use std::collections::HashSet;
use std::sync::Mutex;

use async_trait::async_trait;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::accelerator::contract::{ITEMS, SCORES};
use crate::accelerator::protocol::{Data, InferRequest, InferResponse, Parameters, Tensor};
use crate::accelerator::{Accelerator, breaker};
use crate::api::recommendation::Rung;
use crate::api::{Answer, RecommendationRequest};
use crate::recommend::{Memory, Recommending};
use crate::testing;

/// What an accelerator does when it is asked.
#[derive(Clone, Debug)]
enum Play {
    /// Ranks every item, the last row first.
    Backwards,
    /// Ranks these rows.
    Rows(Vec<i32>),
    /// Fails.
    Fails(CallError),
    /// Never says anything, not even at the instant that it is given.
    Hangs,
}

/// An accelerator that does, after so much time each, what it is told.
#[derive(Debug)]
struct Scripted {
    play: Mutex<(Play, Duration)>,
    asked: Mutex<Vec<InferRequest>>,
}

impl Scripted {
    fn new(play: Play, after: Duration) -> Arc<Self> {
        Arc::new(Self { play: Mutex::new((play, after)), asked: Mutex::default() })
    }

    fn now(&self, play: Play, after: Duration) {
        *self.play.lock().unwrap() = (play, after);
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

#[async_trait]
impl Accelerator for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    fn model(&self) -> &str {
        "theirs"
    }

    async fn ready(&self, _: Instant) -> Result<(), CallError> {
        match &self.play.lock().unwrap().0 {
            Play::Fails(error) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    async fn infer(&self, request: &InferRequest, by: Instant) -> Result<InferResponse, CallError> {
        self.asked.lock().unwrap().push(request.clone());
        let (play, after) = self.play.lock().unwrap().clone();
        let rows = match play {
            Play::Backwards => (0..testing::ITEMS.len() as i32).rev().collect(),
            Play::Rows(rows) => rows,
            Play::Fails(error) => {
                tokio::time::sleep(after).await;
                return Err(error);
            }
            Play::Hangs => std::future::pending().await,
        };
        if timeout_at(by, tokio::time::sleep(after)).await.is_err() {
            return Err(CallError::Timeout);
        }
        Ok(reply(rows))
    }
}

fn reply(rows: Vec<i32>) -> InferResponse {
    let scores: Vec<f32> = (0..rows.len()).map(|place| 1.0 - place as f32 / 16.0).collect();
    let shape = vec![1, rows.len()];
    InferResponse {
        model_name: "theirs".into(),
        model_version: Some("9".into()),
        id: None,
        parameters: Parameters::new(),
        outputs: vec![
            Tensor { name: ITEMS.into(), shape: shape.clone(), data: Data::Int32(rows) },
            Tensor { name: SCORES.into(), shape, data: Data::Fp32(scores) },
        ],
    }
}

/// The testing artifact with one accelerator over it.
struct Bench {
    _folder: TempDir,
    recommending: Recommending,
    accelerator: Arc<Scripted>,
}

impl Bench {
    fn new(play: Play, after_ms: u64) -> Self {
        let folder = testing::artifact();
        let accelerator = Scripted::new(play, Duration::from_millis(after_ms));
        let recommending = Recommending::open(folder.path()).unwrap();
        let recommending = recommending.with_accelerators([Arc::clone(&accelerator) as Arc<dyn Accelerator>]);
        Self { _folder: folder, recommending, accelerator }
    }

    async fn ask(&self, body: &str) -> Answer {
        let request: RecommendationRequest = crate::api::parse(body.as_bytes()).unwrap();
        self.recommending.answer_for(&Memory::new(None), &request, "r".into()).await
    }
}

fn ids(answer: &Answer) -> Vec<&str> {
    answer.items.iter().map(|item| item.item_id.as_str()).collect()
}

#[test]
fn a_tenth_of_the_deadline_and_at_least_ten_milliseconds_are_kept_in_reserve() {
    for (deadline, millis) in [(20, 10), (100, 90), (200, 180), (5_000, 4_500)] {
        assert_eq!(cut_off(DeadlineMs::clamped(deadline)), Duration::from_millis(millis));
    }
}

#[tokio::test(start_paused = true)]
async fn the_accelerator_answers_when_it_is_in_time_and_the_receipt_says_which_model() {
    let bench = Bench::new(Play::Backwards, 179);
    let answer = bench.ask(r#"{"history": ["hotel", "alpha"], "k": 2, "explain": true}"#).await;
    assert_eq!(ids(&answer), ["golf", "foxtrot"], "seen items are left out");
    assert_eq!((answer.receipt.rung, answer.receipt.reason), (Rung::Accelerator, None));
    assert!(answer.receipt.degraded.is_empty());
    assert_eq!(answer.receipt.model.name, "theirs");
    assert_eq!(answer.receipt.model.version.as_deref(), Some("9"));
    assert_eq!(answer.receipt.model.digest, None);
    assert_eq!(answer.items[0].score, 1.0 - 1.0 / 16.0);
    // Another model than the function's is explained by likeness: golf is like hotel.
    let because = answer.items[0].because.as_ref().unwrap();
    assert_eq!(because[0].item_id, "hotel");
    assert!(because[0].weight > 0.9 && answer.items[0].because_rest.is_none());
    let asked = bench.accelerator.asked.lock().unwrap();
    assert_eq!(asked[0].inputs[0].data, Data::Int32(vec![8, 1]));
    assert_eq!(asked[0].parameters["limit"], 4, "two, and two that are seen");
}

#[tokio::test(start_paused = true)]
async fn what_comes_at_the_cut_off_comes_too_late() {
    for after_ms in [180, 181, 100_000] {
        let bench = Bench::new(Play::Backwards, after_ms);
        let answer = bench.ask(r#"{"history": ["alpha", "bravo"], "k": 2}"#).await;
        assert_eq!(ids(&answer), ["delta", "charlie"]);
        assert_eq!(answer.receipt.rung, Rung::Function);
        assert_eq!(answer.receipt.reason, Some(Reason::AcceleratorTimeout));
        assert_eq!(answer.receipt.degraded, [Reason::AcceleratorTimeout]);
        assert!(answer.receipt.elapsed_ms < 200.0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_too_late_is_a_failure_however_good_it_is() {
    for after_ms in [180, 181] {
        let bench = Bench::new(Play::Backwards, after_ms);
        for expected in [Reason::AcceleratorTimeout; 3].into_iter().chain([Reason::AcceleratorOpen]) {
            let answer = bench.ask(r#"{"history": ["alpha", "bravo"], "k": 2}"#).await;
            assert_eq!(answer.receipt.reason, Some(expected), "after {after_ms} ms");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_failure_has_its_reason_and_the_third_in_a_row_opens_the_breaker() {
    let failures = [
        (CallError::Unreachable("gone".into()), Reason::AcceleratorUnreachable),
        (CallError::Untrusted("who?".into()), Reason::AcceleratorUnreachable),
        (CallError::Rejected { status: 404, said: "no".into() }, Reason::AcceleratorRejected),
        (CallError::InvalidOutput("?".into()), Reason::AcceleratorInvalidOutput),
        (CallError::Timeout, Reason::AcceleratorTimeout),
    ];
    let plays = failures.map(|(error, reason)| (Play::Fails(error), reason)).into_iter();
    let invalid = [vec![0, 8], vec![-1], vec![0, 0], vec![]];
    let invalid = invalid.map(|rows| (Play::Rows(rows), Reason::AcceleratorInvalidOutput));
    for (play, reason) in plays.chain(invalid).chain([(Play::Hangs, Reason::AcceleratorTimeout)]) {
        let bench = Bench::new(play, 100);
        for expected in [reason, reason, reason, Reason::AcceleratorOpen, Reason::AcceleratorOpen] {
            let answer = bench.ask(r#"{"history": ["alpha", "bravo"], "k": 2}"#).await;
            assert_eq!(answer.receipt.reason, Some(expected));
            assert_eq!(answer.receipt.degraded, [expected]);
            assert_eq!(ids(&answer), ["delta", "charlie"]);
        }
        assert_eq!(bench.accelerator.asked(), 3, "nobody asks an open one");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_beside_the_requests_brings_it_back_and_no_request_waits_for_it() {
    let bench = Bench::new(Play::Fails(CallError::Timeout), 180);
    let body = r#"{"history": ["alpha"], "k": 1}"#;
    for _ in 0..breaker::FAILURES {
        bench.ask(body).await;
    }
    bench.accelerator.now(Play::Backwards, Duration::from_millis(900));
    tokio::time::sleep(breaker::OPEN_FIRST.mul_f64(1.5)).await;
    for _ in 0..10 {
        let answer = bench.ask(body).await;
        assert_eq!(answer.receipt.reason, Some(Reason::AcceleratorOpen));
        assert_eq!(answer.receipt.elapsed_ms, 0.0, "on a clock that stands still nobody has waited");
    }
    tokio::task::yield_now().await;
    assert_eq!(bench.accelerator.asked(), 3 + 1, "one probe");
    tokio::time::sleep(Duration::from_millis(901)).await;
    bench.accelerator.now(Play::Backwards, Duration::ZERO);
    assert_eq!(bench.ask(body).await.receipt.rung, Rung::Accelerator);
}

#[tokio::test(start_paused = true)]
async fn callers_in_a_hurry_do_not_cut_the_others_off() {
    let bench = Bench::new(Play::Backwards, 40);
    for _ in 0..10 {
        let answer = bench.ask(r#"{"history": ["alpha"], "deadline_ms": 40}"#).await;
        assert_eq!(answer.receipt.reason, Some(Reason::AcceleratorTimeout));
    }
    assert_eq!(bench.ask(r#"{"history": ["alpha"]}"#).await.receipt.rung, Rung::Accelerator);
}

#[tokio::test(start_paused = true)]
async fn the_rules_hold_and_what_they_leave_too_little_of_is_no_failure() {
    let bench = Bench::new(Play::Rows(vec![7, 6, 5, 0, 1, 2]), 1);
    let body = r#"{"history": ["hotel", {"item_id": "golf", "type": "dislike"}], "k": 2, "diversity": 0.5,
        "filters": {"exclude_items": ["foxtrot"], "include_seen": true, "year": {"max": 1981}}}"#;
    let answer = bench.ask(body).await;
    assert_eq!(answer.receipt.rung, Rung::Accelerator);
    assert_eq!(ids(&answer).into_iter().collect::<HashSet<_>>(), HashSet::from(["alpha", "bravo"]));
    for _ in 0..10 {
        let answer = bench.ask(r#"{"history": ["hotel"], "k": 6}"#).await;
        assert_eq!(answer.receipt.reason, Some(Reason::AcceleratorInsufficient));
        assert_eq!((answer.receipt.rung, answer.items.len()), (Rung::Function, 6));
    }
    // Where nobody could have answered more, it is enough.
    let all_but_two =
        r#"{"history": ["hotel"], "k": 6, "filters": {"genres_any": ["Calm"], "exclude_items": ["delta"]}}"#;
    let answer = bench.ask(all_but_two).await;
    assert_eq!((answer.receipt.rung, answer.items.len()), (Rung::Accelerator, 3));
}

#[tokio::test(start_paused = true)]
async fn without_a_known_history_nobody_is_asked() {
    let bench = Bench::new(Play::Backwards, 1);
    let answer = bench.ask(r#"{"history": ["nobody-knows"], "k": 2}"#).await;
    assert_eq!((answer.receipt.rung, answer.receipt.reason), (Rung::Popular, Some(Reason::NoKnownHistory)));
    assert_eq!(bench.accelerator.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn of_several_the_first_that_is_not_open_is_asked() {
    let folder = testing::artifact();
    let (broken, second) = (
        Scripted::new(Play::Fails(CallError::Unreachable("gone".into())), Duration::ZERO),
        Scripted::new(Play::Backwards, Duration::ZERO),
    );
    let both = [Arc::clone(&broken) as Arc<dyn Accelerator>, Arc::clone(&second) as _];
    let recommending = Recommending::open(folder.path()).unwrap().with_accelerators(both);
    let request: RecommendationRequest = crate::api::parse(br#"{"history": ["alpha"]}"#).unwrap();
    for asked in 1..=6 {
        let answer = recommending.answer_for(&Memory::new(None), &request, "r".into()).await;
        let expected = if asked <= breaker::FAILURES { Rung::Function } else { Rung::Accelerator };
        assert_eq!(answer.receipt.rung, expected, "request {asked}");
    }
    assert_eq!((broken.asked(), second.asked()), (3, 3));
}

fn play() -> impl Strategy<Value = (Play, u64)> {
    let play = prop_oneof![
        3 => Just(Play::Backwards),
        1 => proptest::collection::vec(-1..9_i32, 0..10).prop_map(Play::Rows),
        1 => Just(Play::Fails(CallError::Unreachable("gone".into()))),
        1 => Just(Play::Fails(CallError::Rejected { status: 500, said: String::new() })),
        1 => Just(Play::Hangs),
    ];
    (play, prop_oneof![Just(0_u64), 0..400_u64, 170..190_u64])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// Requests one after another and side by side, under an accelerator of ever new moods: every one is answered by its
    /// deadline, with as many items as the rules leave, none that they rule out, and a receipt that holds together.
    #[test]
    fn under_random_schedules_every_request_is_answered_in_time(
        steps in proptest::collection::vec((play(), 0..3_000_u64, 1..5_usize, 20..400_u64), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let bench = Bench::new(Play::Backwards, 0);
            for ((play, after), pause, together, deadline) in steps {
                bench.accelerator.now(play, Duration::from_millis(after));
                tokio::time::sleep(Duration::from_millis(pause)).await;
                let body = format!(
                    r#"{{"history": ["hotel", {{"item_id": "golf", "type": "dislike"}}], "k": 4, "deadline_ms": {deadline}}}"#
                );
                let answers = futures_util::future::join_all((0..together).map(|_| bench.ask(&body))).await;
                for answer in answers {
                    let receipt = &answer.receipt;
                    assert!(receipt.elapsed_ms <= deadline as f64, "{receipt:?}");
                    assert_eq!(answer.items.len(), 4, "{receipt:?}");
                    assert!(!ids(&answer).contains(&"golf") && !ids(&answer).contains(&"hotel"));
                    assert_eq!(receipt.rung == Rung::Accelerator, receipt.reason.is_none());
                    assert_eq!(receipt.degraded, receipt.reason.into_iter().collect::<Vec<_>>());
                }
            }
        });
    }
}

//! The queue and its batches, over an engine that waits until it is let go.

use std::sync::{Mutex, mpsc};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{Instant, sleep};

use super::*;
use crate::batcher::{Batcher, Refusal};
use crate::engine::{Engine, EngineError, Query};

/// An engine that says what it is given, and then waits. Its lists hold the rows of their histories.
#[derive(Debug)]
struct Gated {
    given: UnboundedSender<Vec<Row>>,
    gate: Mutex<mpsc::Receiver<Go>>,
}

#[derive(Debug)]
enum Go {
    Answer,
    Panic,
    LoseOne,
}

impl Engine for Gated {
    fn recommend(&self, batch: &[Query]) -> Result<Vec<Vec<Scored>>, EngineError> {
        self.given.send(batch.iter().map(|query| query.history[0].row).collect()).unwrap();
        // Let go for ever when the test is over.
        let go = self.gate.lock().unwrap().recv().unwrap_or(Go::Answer);
        assert!(!matches!(go, Go::Panic), "asked to");
        let lists = batch.iter().map(|query| vec![Scored { row: query.history[0].row, score: 1.0 }]);
        Ok(lists.skip(usize::from(matches!(go, Go::LoseOne))).collect())
    }
}

struct Bench {
    batcher: Arc<Batcher>,
    given: UnboundedReceiver<Vec<Row>>,
    gate: mpsc::Sender<Go>,
    metrics: crate::metrics::ModelMetrics,
}

type Answer = Result<Vec<Vec<Scored>>, Refusal>;

impl Bench {
    fn new(batching: Batching) -> Self {
        let (given, received) = unbounded_channel();
        let (gate, opened) = mpsc::channel();
        let metrics = Metrics::new().of_model("m");
        let engine = Arc::new(Gated { given, gate: Mutex::new(opened) });
        let batcher = Arc::new(Batcher::start(engine, batching, metrics.clone()));
        Self { batcher, given: received, gate, metrics }
    }

    /// Sends a request of these histories, and waits until it is queued or refused.
    async fn send(&self, rows: &[Row], deadline: Option<Instant>) -> JoinHandle<Answer> {
        let queries = rows.iter().map(|&row| Query { history: liked(&[row]), limit: 1 }).collect();
        let batcher = Arc::clone(&self.batcher);
        let sent = tokio::spawn(async move { batcher.lists(queries, deadline).await });
        yield_now().await;
        sent
    }

    fn go(&self) {
        self.gate.send(Go::Answer).unwrap();
    }

    async fn given(&mut self) -> Vec<Row> {
        self.given.recv().await.unwrap()
    }
}

fn rows(answer: Result<Answer, tokio::task::JoinError>) -> Vec<Row> {
    answer.unwrap().unwrap().iter().map(|list| list[0].row).collect()
}

#[tokio::test]
async fn what_finds_the_engine_idle_waits_for_nobody() {
    let mut bench = Bench::new(Batching { max_delay: Duration::from_secs(3600), ..BATCHING });
    let sent = bench.send(&[3], None).await;
    assert_eq!(bench.given().await, [3]);
    bench.go();
    assert_eq!(rows(sent.await), [3]);
}

#[tokio::test]
async fn what_waits_is_computed_together_in_order_and_answered_apart() {
    let mut bench = Bench::new(Batching { max_batch: 4, ..BATCHING });
    let first = bench.send(&[0], None).await;
    assert_eq!(bench.given().await, [0]);
    let waiting = [
        bench.send(&[1], None).await,
        bench.send(&[2, 3], None).await,
        // Doesn't fit beside them.
        bench.send(&[4, 5], None).await,
        bench.send(&[6], None).await,
    ];
    assert_eq!(bench.batcher.waiting(), 6);
    for batch in [&[1, 2, 3][..], &[4, 5, 6]] {
        bench.go();
        assert_eq!(bench.given().await, batch);
    }
    bench.go();
    assert_eq!(rows(first.await), [0]);
    let mut answers = Vec::new();
    for sent in waiting {
        answers.push(rows(sent.await));
    }
    assert_eq!(answers, [vec![1], vec![2, 3], vec![4, 5], vec![6]]);
    assert_eq!(bench.batcher.waiting(), 0);
}

#[tokio::test]
async fn more_histories_than_a_batch_are_computed_in_parts() {
    let mut bench = Bench::new(Batching { max_batch: 2, ..BATCHING });
    let sent = bench.send(&[1, 2, 3, 4, 5], None).await;
    for part in [&[1, 2][..], &[3, 4], &[5]] {
        assert_eq!(bench.given().await, part);
        bench.go();
    }
    assert_eq!(rows(sent.await), [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn what_finds_the_engine_busy_waits_a_little_for_company() {
    let delay = Duration::from_millis(2);
    let mut bench = Bench::new(Batching { max_delay: delay, ..BATCHING });
    let _first = bench.send(&[0], None).await;
    assert_eq!(bench.given().await, [0]);
    let _second = bench.send(&[1], None).await;
    bench.go();
    sleep(delay / 2).await;
    let _third = bench.send(&[2], None).await;
    assert_eq!(bench.given().await, [1, 2]);
}

#[tokio::test]
async fn a_full_queue_refuses_and_has_room_again_when_it_moves() {
    let mut bench = Bench::new(Batching { queue: 3, ..BATCHING });
    let _running = bench.send(&[0], None).await;
    assert_eq!(bench.given().await, [0]);
    let _waiting = bench.send(&[1, 2], None).await;
    let refused = bench.send(&[3, 4], None).await;
    assert_eq!(refused.await.unwrap(), Err(Refusal::Full));
    let fits = bench.send(&[5], None).await;
    bench.go();
    assert_eq!(bench.given().await, [1, 2, 5]);
    assert_eq!((bench.batcher.waiting(), bench.metrics.full.get()), (0, 1));
    bench.go();
    assert_eq!(rows(fits.await), [5]);
}

#[tokio::test(start_paused = true)]
async fn what_comes_too_late_or_for_nobody_is_not_computed() {
    let mut bench = Bench::new(BATCHING);
    let _running = bench.send(&[0], None).await;
    assert_eq!(bench.given().await, [0]);
    let late = bench.send(&[1], Some(Instant::now() + Duration::from_millis(10))).await;
    let in_time = bench.send(&[2], Some(Instant::now() + Duration::from_millis(30))).await;
    let gone = bench.send(&[3], None).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    tokio::time::advance(Duration::from_millis(20)).await;
    bench.go();
    assert_eq!(bench.given().await, [2]);
    assert_eq!(late.await.unwrap(), Err(Refusal::Late));
    bench.go();
    assert_eq!(rows(in_time.await), [2]);
    assert_eq!((bench.metrics.late.get(), bench.metrics.gone.get()), (1, 1));
}

#[tokio::test]
async fn a_batch_that_fails_fails_alone() {
    let mut bench = Bench::new(BATCHING);
    for go in [Go::Panic, Go::LoseOne] {
        let sent = bench.send(&[1, 2], None).await;
        assert_eq!(bench.given().await, [1, 2]);
        bench.gate.send(go).unwrap();
        assert_eq!(sent.await.unwrap(), Err(Refusal::Failed));
    }
    assert_eq!(bench.metrics.failed.get(), 2);
    let sent = bench.send(&[3], None).await;
    assert_eq!(bench.given().await, [3]);
    bench.go();
    assert_eq!(rows(sent.await), [3]);
}

#[tokio::test]
async fn a_queue_that_is_dropped_finishes_what_is_in_it() {
    let mut bench = Bench::new(BATCHING);
    let running = bench.send(&[0], None).await;
    assert_eq!(bench.given().await, [0]);
    let waiting = bench.send(&[1], None).await;
    bench.batcher = Bench::new(BATCHING).batcher;
    bench.go();
    bench.go();
    assert_eq!((rows(running.await), rows(waiting.await)), (vec![0], vec![1]));
}

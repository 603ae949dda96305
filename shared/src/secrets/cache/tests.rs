use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;
use tokio::time::advance;

use super::*;

const TTL: Duration = Duration::from_secs(300);

/// A source whose answer the test changes, and which counts how often it is asked.
#[derive(Clone, Debug)]
struct Fake(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    answer: Mutex<Option<&'static str>>,
    asked: AtomicUsize,
    /// While there is one, an answer waits for it.
    gate: Mutex<Option<Arc<Notify>>>,
}

impl Fake {
    fn new(answer: Option<&'static str>) -> Self {
        let (answer, gate) = (Mutex::new(answer), Mutex::default());
        Self(Arc::new(Inside { answer, asked: AtomicUsize::new(0), gate }))
    }

    fn now_says(&self, answer: Option<&'static str>) {
        *self.0.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }

    fn close_gate(&self) -> Arc<Notify> {
        let gate = Arc::new(Notify::new());
        *self.0.gate.lock().unwrap() = Some(Arc::clone(&gate));
        gate
    }
}

#[async_trait]
impl Source for Fake {
    async fn fetch(&self) -> Result<String, SecretError> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        let gate = self.0.gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            gate.notified().await;
        }
        let answer = *self.0.answer.lock().unwrap();
        answer.map(str::to_owned).ok_or_else(|| SecretError::new("fake can't be read: it is out"))
    }

    fn name(&self) -> &str {
        "fake"
    }
}

fn cached(fake: &Fake) -> Arc<Cached<u32>> {
    Arc::new(Cached::new(fake.clone(), TTL, |text| text.parse().map_err(|_| "not a number".to_owned())))
}

async fn value(cached: &Cached<u32>) -> Option<u32> {
    cached.get().await.ok().map(|value| *value)
}

/// Lets every task go as far as it gets.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_used_until_it_is_as_old_as_its_time_to_live() {
    let fake = Fake::new(Some("1"));
    let cached = cached(&fake);
    assert_eq!(fake.asked(), 0, "nothing is read before it is needed");
    assert_eq!(value(&cached).await, Some(1));
    fake.now_says(Some("2"));
    advance(TTL - Duration::from_millis(1)).await;
    assert_eq!((value(&cached).await, fake.asked()), (Some(1), 1));
    advance(Duration::from_millis(1)).await;
    assert_eq!((value(&cached).await, fake.asked()), (Some(2), 2));
    assert_eq!((value(&cached).await, fake.asked()), (Some(2), 2));
}

#[tokio::test(start_paused = true)]
async fn an_outage_leaves_the_copy_in_use_and_is_looked_into_now_and_then() {
    let fake = Fake::new(Some("1"));
    let cached = cached(&fake);
    cached.warm_up().await;
    fake.now_says(None);
    advance(TTL).await;
    for round in 0..100 {
        assert_eq!((value(&cached).await, fake.asked()), (Some(1), 2 + round));
        advance(RETRY_WAIT - Duration::from_millis(1)).await;
        assert_eq!((value(&cached).await, fake.asked()), (Some(1), 2 + round), "not before the wait is over");
        advance(Duration::from_millis(1)).await;
    }
    fake.now_says(Some("2"));
    assert_eq!(value(&cached).await, Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_text_that_makes_no_sense_leaves_the_copy_in_use() {
    let fake = Fake::new(Some("1"));
    let cached = cached(&fake);
    cached.warm_up().await;
    fake.now_says(Some("one"));
    advance(TTL).await;
    assert_eq!((value(&cached).await, fake.asked()), (Some(1), 2));
}

#[tokio::test(start_paused = true)]
async fn without_any_copy_a_failure_is_an_error_until_the_source_answers() {
    let fake = Fake::new(None);
    let cached = cached(&fake);
    cached.warm_up().await;
    let error = cached.get().await.unwrap_err();
    assert_eq!(error.to_string(), "the secret fake can't be read: it is out");
    assert_eq!(fake.asked(), 1, "who asks in the next moment gets the same answer");
    fake.now_says(Some("1"));
    advance(RETRY_WAIT).await;
    assert_eq!((value(&cached).await, fake.asked()), (Some(1), 2));
}

#[tokio::test(start_paused = true)]
async fn callers_without_a_copy_wait_for_one_read() {
    let fake = Fake::new(Some("1"));
    let (cached, gate) = (cached(&fake), fake.close_gate());
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let cached = Arc::clone(&cached);
            tokio::spawn(async move { value(&cached).await })
        })
        .collect();
    settle().await;
    assert_eq!(fake.asked(), 1);
    gate.notify_one();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), Some(1));
    }
    assert_eq!(fake.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn while_one_caller_reads_again_the_others_use_the_copy() {
    let fake = Fake::new(Some("1"));
    let cached = cached(&fake);
    cached.warm_up().await;
    advance(TTL).await;
    fake.now_says(Some("2"));
    let gate = fake.close_gate();
    let reader = tokio::spawn({
        let cached = Arc::clone(&cached);
        async move { value(&cached).await }
    });
    settle().await;
    assert_eq!((value(&cached).await, fake.asked()), (Some(1), 2), "it doesn't wait");
    gate.notify_one();
    assert_eq!(reader.await.unwrap(), Some(2));
    assert_eq!((value(&cached).await, fake.asked()), (Some(2), 2));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_dropped_keeps_nobody_from_reading() {
    let fake = Fake::new(Some("1"));
    let cached = cached(&fake);
    fake.close_gate();
    let reader = tokio::spawn({
        let cached = Arc::clone(&cached);
        async move { value(&cached).await }
    });
    settle().await;
    reader.abort();
    assert!(reader.await.unwrap_err().is_cancelled());
    *fake.0.gate.lock().unwrap() = None;
    assert_eq!((value(&cached).await, fake.asked()), (Some(1), 2));
}

#[tokio::test(start_paused = true)]
async fn something_newer_is_looked_for_at_most_once_in_a_while() {
    let fake = Fake::new(Some("1"));
    let cached = cached(&fake);
    cached.warm_up().await;
    fake.now_says(Some("2"));
    assert_eq!((cached.get_newer().await.map(|v| *v), fake.asked()), (Ok(1), 1), "it was read just now");
    advance(EARLY_WAIT).await;
    assert_eq!((cached.get_newer().await.map(|v| *v), fake.asked()), (Ok(2), 2));
    for _ in 0..100 {
        assert_eq!((cached.get_newer().await.map(|v| *v), fake.asked()), (Ok(2), 2));
    }
    fake.now_says(None);
    advance(EARLY_WAIT).await;
    assert_eq!((cached.get_newer().await.map(|v| *v), fake.asked()), (Ok(2), 3));
    assert_eq!(
        (cached.get_newer().await.map(|v| *v), fake.asked()),
        (Ok(2), 3),
        "an attempt that failed counts"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_shown_for_debugging_holds_no_text() {
    let fake = Fake::new(Some("271828"));
    let cached = cached(&fake);
    cached.warm_up().await;
    let shown = format!("{cached:?}");
    assert!(shown.contains("fake") && !shown.contains("271828"), "{shown}");
}

//! The loop that hands the embedded store's changes to a function, as Lambda hands it a table's stream.

use std::sync::Mutex;
use std::time::Duration;

use aws_lambda_events::dynamodb;
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use shared::api::history::Time;
use shared::store::embedded::{Embedded, feed};
use shared::store::table::EventItem;
use shared::store::{Event, Events, Profiles};
use tempfile::TempDir;
use tokio::sync::{Notify, oneshot};

use crate::given::{event, user};

/// Events of a record, in the order of the batch, with their sequence numbers.
fn events(batch: &dynamodb::Event) -> Vec<(String, Event)> {
    let read = |record: &dynamodb::EventRecord| {
        let item = EventItem::from_item(record.change.new_image.clone()).unwrap();
        (record.change.sequence_number.clone().unwrap(), item.into_event())
    };
    batch.records.iter().map(read).collect()
}

fn failed<'a>(sequences: impl IntoIterator<Item = &'a str>) -> DynamoDbEventResponse {
    let mut response = DynamoDbEventResponse::default();
    for sequence in sequences {
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = Some(sequence.to_owned());
        response.batch_item_failures.push(failure);
    }
    response
}

async fn open(count: usize) -> (TempDir, Embedded) {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(&folder.path().join("state.redb")).unwrap();
    let events: Vec<Event> = (0..count).map(|i| event("ada", &format!("e{i:04}"))).collect();
    if count > 0 {
        assert!(store.put(&events).await.iter().all(Result::is_ok));
    }
    (folder, store)
}

/// Ids of the events of each batch that was handed over.
#[derive(Default)]
struct Seen(Mutex<Vec<Vec<String>>>);

impl Seen {
    fn note(&self, batch: &dynamodb::Event) -> Vec<(String, Event)> {
        let events = events(batch);
        let ids = events.iter().map(|(_, event)| event.event_id.to_string()).collect();
        self.0.lock().unwrap().push(ids);
        events
    }

    fn batches(&self) -> Vec<Vec<String>> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Runs the loop until nothing is left to do; a test that waits for ever has failed.
async fn run_until_empty<H, F, E>(store: &Embedded, handle: H)
where
    H: Fn(dynamodb::Event) -> F,
    F: Future<Output = Result<DynamoDbEventResponse, E>>,
    E: std::fmt::Display,
{
    let empty = async {
        while !store.changes(1).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let run = feed::run(store, handle, empty);
    tokio::time::timeout(Duration::from_secs(120), run).await.unwrap();
}

#[tokio::test]
async fn changes_come_in_order_at_most_a_hundred_at_once() {
    let (_folder, store) = open(230).await;
    let seen = Seen::default();
    run_until_empty(&store, async |batch| {
        seen.note(&batch);
        Ok::<_, String>(DynamoDbEventResponse::default())
    })
    .await;
    let batches = seen.batches();
    assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 30]);
    let ids: Vec<String> = (0..230).map(|i| format!("e{i:04}")).collect();
    assert_eq!(batches.concat(), ids);
}

#[tokio::test]
async fn it_goes_on_from_the_lowest_that_failed() {
    let (_folder, store) = open(6).await;
    let seen = Seen::default();
    let first = Mutex::new(true);
    run_until_empty(&store, async |batch| {
        let events = seen.note(&batch);
        let first = std::mem::take(&mut *first.lock().unwrap());
        Ok::<_, String>(if first { failed([&*events[4].0, &events[2].0]) } else { failed([]) })
    })
    .await;
    let batches = seen.batches();
    assert_eq!(batches.len(), 2);
    assert_eq!(batches[1], ["e0002", "e0003", "e0004", "e0005"]);
    assert_eq!(store.dead_letters().await.unwrap(), 0);
}

#[tokio::test]
async fn a_record_that_fails_each_time_becomes_a_dead_letter_and_the_others_are_done() {
    let (_folder, store) = open(150).await;
    let seen = Seen::default();
    run_until_empty(&store, async |batch| {
        let events = seen.note(&batch);
        let poison = |event: &Event| ["e0003", "e0120"].contains(&event.event_id.as_str());
        Ok::<_, String>(failed(events.iter().filter(|(_, event)| poison(event)).map(|(s, _)| s.as_str())))
    })
    .await;
    assert_eq!(store.dead_letters().await.unwrap(), 2);
    let batches = seen.batches().concat();
    let times = |id: &str| batches.iter().filter(|seen| *seen == id).count();
    assert_eq!(times("e0003"), feed::ATTEMPTS as usize);
    assert_eq!(times("e0120"), feed::ATTEMPTS as usize);
    assert_eq!(times("e0002"), 1);
    assert_eq!(times("e0149"), feed::ATTEMPTS as usize + 1, "after the poison, and once more without it");
}

#[tokio::test]
async fn a_batch_that_fails_as_a_whole_is_halved_until_the_poison_is_alone() {
    for panics in [false, true] {
        let (_folder, store) = open(20).await;
        let seen = Seen::default();
        run_until_empty(&store, async |batch| {
            let events = seen.note(&batch);
            let poison = events.iter().any(|(_, event)| event.event_id.as_str() == "e0007");
            assert!(!(poison && panics), "a function that panics");
            if poison { Err("a function that fails") } else { Ok(DynamoDbEventResponse::default()) }
        })
        .await;
        assert_eq!(store.dead_letters().await.unwrap(), 1);
        let batches = seen.batches();
        let alone = batches.iter().filter(|batch| *batch == &["e0007"]).count();
        assert_eq!(alone, feed::ATTEMPTS as usize);
    }
}

#[tokio::test]
async fn a_failure_of_no_known_record_is_one_of_the_batch() {
    let (_folder, store) = open(1).await;
    let seen = Seen::default();
    run_until_empty(&store, async |batch| {
        seen.note(&batch);
        Ok::<_, String>(failed(["12345"]))
    })
    .await;
    assert_eq!(seen.batches().len(), feed::ATTEMPTS as usize);
    assert_eq!(store.dead_letters().await.unwrap(), 1);
}

#[tokio::test]
async fn it_wakes_for_an_event_and_the_profile_follows() {
    let (_folder, store) = open(0).await;
    let (stop, stopped) = oneshot::channel::<()>();
    let folded = Notify::new();
    let handle = async |batch: dynamodb::Event| {
        for (_, event) in events(&batch) {
            shared::store::fold(&store, &event.user_id.clone(), &[event], &[], Time::now()).await?;
        }
        folded.notify_one();
        Ok::<_, shared::store::FoldError>(DynamoDbEventResponse::default())
    };
    let run = feed::run(&store, handle, async { drop(stopped.await) });
    let client = async {
        for i in 1..=3 {
            assert!(store.put(&[event("ada", &format!("e{i}"))]).await[0].is_ok());
            folded.notified().await;
            let profile = store.profile(&user("ada")).await.unwrap().unwrap().profile;
            assert_eq!(profile.entries().len(), i);
        }
        drop(stop);
    };
    tokio::time::timeout(Duration::from_secs(120), async { tokio::join!(run, client) }).await.unwrap();
}

#[tokio::test]
async fn told_to_stop_it_finishes_its_batch() {
    let (_folder, store) = open(150).await;
    let (stop, stopped) = oneshot::channel::<()>();
    let stop = Mutex::new(Some(stop));
    let handle = async |_| {
        drop(stop.lock().unwrap().take());
        tokio::task::yield_now().await;
        Ok::<_, String>(DynamoDbEventResponse::default())
    };
    feed::run(&store, handle, async { drop(stopped.await) }).await;
    assert_eq!(store.changes(1_000).await.unwrap().len(), 50);
}

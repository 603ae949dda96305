use std::sync::Mutex;
use std::time::Duration;

use redb::TableHandle;
use tempfile::TempDir;

use super::*;
use crate::api::{EventType, ItemId};

fn user(id: &str) -> UserId {
    UserId::try_from(id.to_owned()).unwrap()
}

fn now() -> Time {
    Time::from_millis(1_750_000_000_000).unwrap()
}

/// An event `ms` after [`now`].
fn event(user_id: &str, id: &str, ms: i64) -> Event {
    let time = Time::from_millis(now().millis() + ms).unwrap();
    Event {
        user_id: user(user_id),
        event_id: EventId::try_from(id.to_owned()).unwrap(),
        item_id: ItemId::try_from(format!("item-of-{id}")).unwrap(),
        kind: EventType::Play,
        value: None,
        occurred_at: time,
        received_at: time,
        time_given: true,
    }
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    (folder, path)
}

async fn accept(store: &Embedded, events: &[Event]) {
    let outcomes = store.put(events).await;
    assert!(outcomes.iter().all(|outcome| *outcome.as_ref().unwrap() == Put::Accepted), "{outcomes:?}");
}

async fn sequences(store: &Embedded) -> Vec<u64> {
    store.changes(1_000).await.unwrap().into_iter().map(|(sequence, _)| sequence).collect()
}

/// Whether a text is anywhere in the files of a folder.
fn somewhere(folder: &TempDir, text: &str) -> bool {
    let mut files = std::fs::read_dir(folder.path()).unwrap();
    files.any(|file| {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        bytes.windows(text.len()).any(|part| part == text.as_bytes())
    })
}

#[tokio::test]
async fn everything_is_there_after_opening_again() {
    let (_folder, path) = folder();
    let store = Embedded::open(&path).unwrap();
    accept(&store, &[event("ada", "e1", 0), event("bob", "e1", 0)]).await;
    crate::store::fold(&store, &user("ada"), &[event("ada", "e1", 0)], &[], now()).await.unwrap();
    store.erase(&user("eve"), now()).await.unwrap();
    store.mark_seeded("ml-latest-small").await.unwrap();
    let profile = store.profile(&user("ada")).await.unwrap();
    let basis = store.basis(&user("ada")).await.unwrap();
    let feed = store.changes(10).await.unwrap();
    drop(store);

    let store = Embedded::open(&path).unwrap();
    assert_eq!(store.profile(&user("ada")).await.unwrap(), profile);
    assert_eq!(store.basis(&user("ada")).await.unwrap(), basis);
    assert_eq!(store.changes(10).await.unwrap(), feed);
    assert_eq!(store.events(&user("bob"), None, 10).await.unwrap().events, [event("bob", "e1", 0)]);
    // The tombstone is found, so the key of pseudonyms is the same.
    assert_eq!(store.erased_until(&user("eve")).await.unwrap(), Some(now()));
    assert!(store.seeded("ml-latest-small").await.unwrap());
    assert!(!store.seeded("ml-1m").await.unwrap());
}

#[tokio::test]
async fn no_byte_of_an_erased_person_stays() {
    let (folder, path) = folder();
    let store = Embedded::open(&path).unwrap();
    let events: Vec<Event> = (0..300).map(|i| event("ada-lovelace", &format!("hers-{i:04}"), i)).collect();
    accept(&store, &events).await;
    accept(&store, &[event("bob", "his-1", 0)]).await;
    crate::store::fold(&store, &user("ada-lovelace"), &events, &[], now()).await.unwrap();
    store.dead_letter(1, "why").await.unwrap();
    for text in ["ada-lovelace", "hers-0000", "hers-0299", "item-of-hers-0150", "his-1"] {
        assert!(somewhere(&folder, text), "{text} was there before");
    }

    let erased = store.erase(&user("ada-lovelace"), now()).await.unwrap();
    assert_eq!((erased.events, erased.profiles, erased.until), (300, 1, events[299].occurred_at));
    for text in ["ada-lovelace", "hers-"] {
        assert!(!somewhere(&folder, text), "{text} is gone");
    }
    assert!(somewhere(&folder, "his-1"));
    // The same store goes on with the new file.
    assert_eq!(store.dead_letters().await.unwrap(), 0);
    assert_eq!(store.changes(1_000).await.unwrap().len(), 1);
    accept(&store, &[event("bob", "his-2", 0)]).await;
    drop(store);
    let store = Embedded::open(&path).unwrap();
    assert_eq!(store.events(&user("bob"), None, 10).await.unwrap().events.len(), 2);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "there is one file");
}

#[tokio::test]
async fn an_interrupted_erasure_is_finished_when_the_file_is_opened() {
    let (folder, path) = folder();
    let store = Embedded::open(&path).unwrap();
    let events: Vec<Event> =
        (0..300).map(|i| event("ada-lovelace", &format!("hers-{i:04}"), i - 300)).collect();
    accept(&store, &events).await;
    accept(&store, &[event("bob", "his-1", 0)]).await;
    // As far as it comes when the process dies before the file is rewritten, or in the midst of that.
    store.write(|file, key| people::erase(file, key, &user("ada-lovelace"), now())).await.unwrap();
    drop(store);
    std::fs::write(folder.path().join("state.redb.new"), "half of a file, about ada-lovelace").unwrap();
    assert!(somewhere(&folder, "hers-"), "a database leaves what was removed in its free pages");

    let store = Embedded::open(&path).unwrap();
    assert!(!somewhere(&folder, "ada-lovelace") && !somewhere(&folder, "hers-"));
    assert_eq!(store.erased_until(&user("ada-lovelace")).await.unwrap(), Some(now()));
    assert_eq!(store.events(&user("bob"), None, 10).await.unwrap().events, [event("bob", "his-1", 0)]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "there is one file");
    let pending = store.read(|file| Ok(file.open_table(tables::NUMBERS)?.get(tables::ERASING)?.is_some()));
    assert!(!pending.await.unwrap(), "it is not done again");
}

#[tokio::test]
async fn a_file_that_a_crash_left_beside_it_is_no_obstacle() {
    let (folder, path) = folder();
    std::fs::write(folder.path().join("state.redb.new"), "half of a first file").unwrap();
    drop(Embedded::open(&path).unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "there is one file");
    std::fs::write(folder.path().join("state.redb.new"), "half of a second file").unwrap();
    let store = Embedded::open(&path).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "there is one file");
    store.erase(&user("ada"), now()).await.unwrap();
    // An empty file, as `mktemp` makes it, is made a store.
    let empty = folder.path().join("empty.redb");
    std::fs::write(&empty, "").unwrap();
    let store = Embedded::open(&empty).unwrap();
    accept(&store, &[event("ada", "e1", 0)]).await;
}

#[tokio::test]
async fn a_file_is_open_once() {
    let (_folder, path) = folder();
    let store = Embedded::open(&path).unwrap();
    let words = |error: OpenError| {
        assert!(matches!(error, OpenError::InUse(_)), "{error:?}");
        error.to_string()
    };
    let message = words(Embedded::open(&path).unwrap_err());
    assert!(message.contains("state.redb is in use"), "{message}");
    // The new file of an erasure is locked as the old one was.
    store.erase(&user("ada"), now()).await.unwrap();
    words(Embedded::open(&path).unwrap_err());
    drop(store);
    Embedded::open(&path).unwrap();
}

#[tokio::test]
async fn what_is_no_store_is_refused_by_name() {
    let (folder, path) = folder();
    let refused = |path: &Path| {
        let error = Embedded::open(path).unwrap_err();
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        error
    };
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "It was a dark and stormy night. ".repeat(1_000)).unwrap();
    assert!(matches!(refused(&text), OpenError::NotAStore { .. }));
    assert!(std::fs::read_to_string(&text).unwrap().ends_with("stormy night. "), "it is left as it was");
    refused(folder.path());
    refused(&folder.path().join("missing").join("state.redb"));

    let other = folder.path().join("other.redb");
    let database = Database::create(&other).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(redb::TableDefinition::<u64, u64>::new(tables::NUMBERS.name())).unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert!(matches!(refused(&other), OpenError::NotAStore { .. }));

    let store = Embedded::open(&path).unwrap();
    let next_format = |file: &WriteTransaction, _: &PersonKey| {
        file.open_table(tables::NUMBERS)?.insert(tables::FORMAT_NUMBER, 2)?;
        Ok(())
    };
    store.write(next_format).await.unwrap();
    drop(store);
    assert!(matches!(refused(&path), OpenError::Format { format: 2, .. }));
}

#[tokio::test]
async fn a_truncated_file_is_an_error_and_no_panic() {
    let (folder, path) = folder();
    let store = Embedded::open(&path).unwrap();
    for part in 0..20 {
        let events: Vec<Event> = (0..100).map(|i| event("ada", &format!("e{part}-{i}"), i)).collect();
        accept(&store, &events).await;
    }
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    let cut = folder.path().join("cut.redb");
    for length in [1, 9, 100, 320, 4_096, 5_000, whole.len() / 4, whole.len() / 2, whole.len() / 2 + 1] {
        std::fs::write(&cut, &whole[..length]).unwrap();
        let error = Embedded::open(&cut).unwrap_err();
        assert!(error.to_string().contains("cut.redb"), "{length}: {error}");
    }
}

#[tokio::test]
async fn loading_is_past_the_feed_and_past_the_erased() {
    let (folder, path) = folder();
    let store = Embedded::open(&path).unwrap();
    store.erase(&user("eve"), now()).await.unwrap();
    let events = [event("ada", "e1", 0), event("eve", "e1", 0), event("eve", "e2", 1), event("ada", "e2", 2)];
    store.load(&events).await.unwrap();
    assert!(sequences(&store).await.is_empty());
    let ids = async |id: &str| {
        let profile = store.profile(&user(id)).await.unwrap().unwrap().profile;
        profile.entries().iter().map(|entry| entry.event_id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(ids("ada").await, ["e1", "e2"]);
    assert_eq!(ids("eve").await, ["e2"]);
    assert_eq!(store.events(&user("eve"), None, 10).await.unwrap().events, [event("eve", "e2", 1)]);
    let basis = store.basis(&user("ada")).await.unwrap();
    store.load(&events).await.unwrap();
    assert_eq!(store.basis(&user("ada")).await.unwrap(), basis, "loading again writes no profile");
    drop(folder);
}

#[tokio::test]
async fn work_that_fails_fails_alone() {
    let (_folder, path) = folder();
    let store = Embedded::open(&path).unwrap();
    // The first holds the writer until the others wait together.
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let first = store.write(move |_, _| {
        // Nobody sends a second time: done again it doesn't wait.
        let _released = wait.lock().unwrap().recv();
        Ok(())
    });
    let damaged = store.write(|file, _| {
        file.open_table(tables::SEEDED)?.insert("half", ())?;
        Err::<(), _>(Fault::Time)
    });
    let (one, two) = ([event("ada", "e1", 0)], [event("bob", "e1", 0)]);
    let release = async move {
        tokio::task::yield_now().await;
        go.send(()).unwrap();
    };
    let (first, damaged, one, two, ()) =
        tokio::join!(first, damaged, store.put(&one), store.put(&two), release);
    first.unwrap();
    assert!(damaged.unwrap_err().detail.contains("a time out of range"));
    for outcome in [one, two] {
        assert_eq!(*outcome[0].as_ref().unwrap(), Put::Accepted);
    }
    assert!(!store.seeded("half").await.unwrap(), "nothing of what failed is kept");
}

#[tokio::test]
async fn the_feed_keeps_what_is_not_done() {
    let (_folder, path) = folder();
    let store = Embedded::open(&path).unwrap();
    accept(&store, &[event("ada", "e1", 0), event("ada", "e2", 0), event("bob", "e1", 0)]).await;
    // Somebody is told even if they ask only afterwards.
    tokio::time::timeout(Duration::from_secs(60), store.changed()).await.unwrap();
    let first = sequences(&store).await;
    assert_eq!((first.len(), first.is_sorted()), (3, true));
    assert_eq!(store.changes(2).await.unwrap().len(), 2);
    assert!(store.put(&[event("ada", "e1", 0)]).await[0].is_ok());
    assert_eq!(sequences(&store).await, first, "a duplicate is no change");

    store.done(first[0]).await.unwrap();
    store.dead_letter(first[2], "why").await.unwrap();
    store.dead_letter(9_999, "not there").await.unwrap();
    drop(store);
    let store = Embedded::open(&path).unwrap();
    assert_eq!(sequences(&store).await, first[1..2]);
    assert_eq!(store.dead_letters().await.unwrap(), 1);
    store.done(first[2]).await.unwrap();
    accept(&store, &[event("bob", "e2", 0)]).await;
    assert!(sequences(&store).await[0] > first[2], "no number is given twice");
}

//! Processes that write to the embedded store are killed, and what they acknowledged is there.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use shared::api::history::Time;
use shared::store::embedded::Embedded;
use shared::store::{Event, Events, Loading, People, Profiles, Put};
use tempfile::TempDir;

use crate::given::{event, user};

/// What the folders are called in which the ignored tests below do something.
const FOLDER: &str = "killed-";

fn folder() -> TempDir {
    tempfile::Builder::new().prefix(FOLDER).tempdir().unwrap()
}

/// Whether this is a process that [`start`] started, and not somebody who runs all ignored tests.
fn is_child() -> bool {
    let folder = std::env::current_dir().unwrap();
    folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(FOLDER))
}

/// Starts this very program as a process that runs one of the ignored tests below in `folder`.
fn start(child: &str, folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("killed::{child}"), "--ignored", "--nocapture", "--test-threads=1"])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What a process says, line by line, of the lines that begin with `word`.
fn said(child: &mut Child, word: &'static str) -> impl Iterator<Item = String> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    lines.filter_map(move |line| Some(line.split_once(word)?.1.trim().to_owned()))
}

#[ignore = "a process for killed_at_any_instant_it_keeps_what_it_acknowledged"]
#[tokio::test]
async fn child_puts() {
    if !is_child() {
        return;
    }
    let store = Embedded::open(Path::new("state.redb")).unwrap();
    let run = Time::now().millis();
    for i in 0.. {
        let events = [event("ada", &format!("{run}-{i:06}-a")), event("bob", &format!("{run}-{i:06}-b"))];
        let (one, other) = tokio::join!(store.put(&events[..1]), store.put(&events[1..]));
        assert!(matches!((&one[0], &other[0]), (Ok(Put::Accepted), Ok(Put::Accepted))));
        println!("kept {run}-{i:06}");
    }
}

#[tokio::test]
async fn killed_at_any_instant_it_keeps_what_it_acknowledged() {
    let folder = folder();
    let mut kept = Vec::new();
    for killed_after in [1, 7, 40] {
        let mut child = start("child_puts", folder.path());
        let mut lines = said(&mut child, "kept ");
        kept.extend(lines.by_ref().take(killed_after));
        child.kill().unwrap();
        // It went on until it was killed; all that it said counts.
        kept.extend(lines);
        child.wait().unwrap();
    }
    assert!(kept.len() >= 48, "it worked before it was killed: {}", kept.len());
    let store = Embedded::open(&folder.path().join("state.redb")).unwrap();
    let feed = store.changes(usize::MAX).await.unwrap().len();
    let mut events = 0;
    for (person, end) in [("ada", "a"), ("bob", "b")] {
        let page = store.events(&user(person), None, usize::MAX).await.unwrap();
        let ids: Vec<&str> = page.events.iter().map(|event| event.event_id.as_str()).collect();
        for id in &kept {
            assert!(ids.contains(&&*format!("{id}-{end}")), "{id} was acknowledged");
        }
        events += ids.len();
    }
    assert_eq!(feed, events, "what is kept is also in the feed");
}

#[ignore = "a process for killed_while_erasing_it_leaves_nothing"]
#[tokio::test]
async fn child_erases() {
    if !is_child() {
        return;
    }
    let store = Embedded::open(Path::new("state.redb")).unwrap();
    let time = event("ada", "e").occurred_at;
    for i in 0.. {
        // Nobody is erased in vain: each time the whole file is rewritten.
        println!("erasing {i}");
        store.erase(&user("ada-lovelace"), time).await.unwrap();
        store.erase(&user(&format!("u{i}")), time).await.unwrap();
    }
}

#[tokio::test]
async fn killed_while_erasing_it_leaves_nothing() {
    let folder = folder();
    let path = folder.path().join("state.redb");
    let others: Vec<Event> = (0..2_000).map(|i| event("bob", &format!("his-{i:05}"))).collect();
    let hers: Vec<Event> = (0..200).map(|i| event("ada-lovelace", &format!("hers-{i:05}"))).collect();
    let store = Embedded::open(&path).unwrap();
    store.load(&[&others[..], &hers].concat()).await.unwrap();
    drop(store);
    for wait_ms in [0, 3, 10, 25, 60] {
        let mut child = start("child_erases", folder.path());
        let mut lines = said(&mut child, "erasing ");
        assert!(lines.next().is_some());
        // Somewhere in the transaction, the rewriting or the exchange.
        tokio::time::sleep(std::time::Duration::from_millis(wait_ms)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let store = Embedded::open(&path).unwrap();
        let page = store.events(&user("bob"), None, usize::MAX).await.unwrap();
        assert_eq!(page.events, others, "what is left is whole");
        let hers_left = store.events(&user("ada-lovelace"), None, usize::MAX).await.unwrap().events.len();
        assert!(hers_left == 0 || hers_left == hers.len(), "erased or not, and not half");
        assert_eq!(store.profile(&user("ada-lovelace")).await.unwrap().is_none(), hers_left == 0);
        drop(store);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "there is one file");
        let bytes = std::fs::read(&path).unwrap();
        let somewhere = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
        assert_eq!(somewhere("hers-"), hers_left > 0);
        assert_eq!(somewhere("ada-lovelace"), hers_left > 0);
    }
}

//! Batches: claimed once, kept once, changed in turn, listed newest first; and everybody who can be in one.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use super::{Person, accept, fold, user};
use crate::api::BatchId;
use crate::api::batches::{BatchSource, BatchState};
use crate::store::jobs::{self, Claim, Job, Segment};
use crate::store::{Saved, Store};

/// A batch id that nobody has heard of, and those after it.
fn ids(count: usize) -> Vec<BatchId> {
    let name = Person::new().user.to_string();
    // Far in the future, so that other cases' batches are older.
    let id = |i: usize| BatchId::try_from(format!("bffffffffffff-{name}-{i:04}"));
    (0..count).map(|i| id(i).expect("cases use valid ids")).collect()
}

fn job(batch_id: &BatchId) -> Job {
    Job {
        input: Some("s3://bucket/requests/x.jsonl".into()),
        input_tag: Some("e-1".into()),
        ..Job::new(batch_id.clone(), BatchSource::Input)
    }
}

pub(super) async fn the_first_claim_of_a_name_stands(store: &dyn Store) {
    let ids = ids(8);
    let name = ids[0].as_str();
    let claims: Vec<Claim> =
        ids.iter().map(|id| Claim { batch_id: id.clone(), fingerprint: format!("of {id}") }).collect();
    let held = join_all(claims.iter().map(|claim| store.claim(name, claim))).await;
    let held: Vec<Claim> = held.into_iter().map(|claim| claim.expect("the store takes claims")).collect();
    assert!(held.iter().all(|claim| *claim == held[0]) && claims.contains(&held[0]), "{held:?}");
    assert_eq!(store.claim(&format!("{name}-other"), &claims[7]).await.expect("another name"), claims[7]);
}

pub(super) async fn a_batch_is_made_once_and_replaced_in_turn(store: &dyn Store) {
    let id = &ids(1)[0];
    assert!(store.job(id).await.expect("the store reads batches").is_none());
    let new = job(id);
    assert!(store.create(&new).await.expect("the store keeps batches"));
    let other = Job { state: BatchState::Failed, ..new.clone() };
    assert!(!store.create(&other).await.expect("the store knows the batch"));
    let kept = store.job(id).await.expect("the store reads batches").expect("it is there");
    assert_eq!(kept.job, new);
    let running = Job { state: BatchState::Running, rows: Some(7), ..new };
    assert_eq!(store.replace(&running, &kept.revision).await.expect("it is replaced"), Saved::Kept);
    assert_eq!(store.replace(&other, &kept.revision).await.expect("it is not"), Saved::Changed);
    assert_eq!(store.job(id).await.expect("the store reads batches").map(|kept| kept.job), Some(running));
}

pub(super) async fn changes_of_a_batch_at_the_same_time_are_all_made(store: &dyn Store) {
    let id = &ids(1)[0];
    assert!(store.create(&job(id)).await.expect("the store keeps batches"));
    let add = |job: &mut Job| job.rows = Some(job.rows.unwrap_or(0) + 1);
    join_all((0..8).map(|_| async { jobs::change(store, id, add).await.expect("a change is made") })).await;
    let kept = store.job(id).await.expect("the store reads batches").expect("it is there");
    assert_eq!(kept.job.rows, Some(8));
    assert_eq!(jobs::change(store, &ids(1)[0], add).await.expect("there is none"), None);
}

pub(super) async fn batches_come_newest_first_page_by_page(store: &dyn Store) {
    let ids = ids(7);
    for id in &ids {
        assert!(store.create(&job(id)).await.expect("the store keeps batches"));
    }
    let (mut listed, mut before, own) = (Vec::new(), None, |id: &BatchId| ids.contains(id));
    loop {
        let page = store.jobs(before.as_ref(), 3).await.expect("the store lists batches");
        assert!(page.jobs.len() <= 3);
        listed.extend(page.jobs.iter().map(|job| job.batch_id.clone()));
        before = page.jobs.last().map(|job| job.batch_id.clone());
        if !page.more {
            break;
        }
    }
    assert!(listed.is_sorted_by(|a, b| a > b), "{listed:?}");
    assert_eq!(listed.into_iter().filter(own).count(), ids.len());
}

pub(super) async fn everybody_with_a_profile_is_in_one_segment(store: &dyn Store) {
    let mut people = BTreeSet::new();
    for _ in 0..5 {
        let person = Person::new();
        let events = person.events(3);
        accept(store, &events).await;
        fold(store, &events).await;
        people.insert(person.user.to_string());
    }
    // Events alone make no profile.
    let unknown = Person::new();
    accept(store, &unknown.events(1)).await;
    let mut found = Vec::new();
    for index in 0..3 {
        let mut from = None;
        loop {
            let page = store.users(Segment { index, of: 3 }, from.as_deref()).await;
            let page = page.expect("the store enumerates people");
            found.extend(page.users.iter().map(ToString::to_string));
            from = page.next;
            if from.is_none() {
                break;
            }
        }
    }
    let distinct: BTreeSet<_> = found.iter().cloned().collect();
    assert_eq!(distinct.len(), found.len(), "somebody is there twice");
    assert!(people.is_subset(&distinct), "somebody is missing");
    assert!(!distinct.contains(user(unknown.user.as_str()).as_str()));
}

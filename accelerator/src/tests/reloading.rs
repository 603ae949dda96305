//! New artifacts, while requests are answered.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use shared::testing::{self, ITEMS};

use super::*;

/// Factors that make two artifacts of one catalogue differ.
fn factor(variant: usize) -> impl Fn(usize, usize) -> f32 {
    move |row, d| ((row * 7 + d * 3 + variant * 5) % 11) as f32 / 5.0 + 0.1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_reply_is_the_callers_own_and_of_one_artifact_while_artifacts_change() {
    const CHANGES: usize = 12;
    let folder = testing::artifact_of(&ITEMS, 4, factor(0));
    let other = testing::artifact_of(&ITEMS, 4, factor(1));
    let open = |folder: &TempDir| Arc::new(Artifact::open(folder.path()).unwrap());
    let artifacts = [open(&folder), open(&other)];
    let by_digest: BTreeMap<_, _> =
        artifacts.map(|artifact| (artifact.manifest.digest.clone(), artifact)).into();
    let Server { mut sources, router, app } = Server::of(&[&folder]).await;
    let path = format!("/v2/models/{}/infer", app.models.table().keys().next().unwrap());
    let changes = Arc::new(AtomicUsize::new(0));

    let asking: Vec<_> = (0..16_u32)
        .map(|caller| {
            let (router, path) = (router.clone(), path.clone());
            let (by_digest, changes) = (by_digest.clone(), Arc::clone(&changes));
            tokio::spawn(async move {
                let mut seen: BTreeMap<String, usize> = BTreeMap::new();
                for turn in 0.. {
                    if changes.load(Ordering::SeqCst) >= CHANGES {
                        break;
                    }
                    let row = |place: u32| (caller * 31 + turn * 17 + place * 5) % 8;
                    let history = |place: u32| liked(&[row(place), (row(place) + 1 + caller % 7) % 8]);
                    let histories: Vec<_> = (0..=caller % 3).map(history).collect();
                    let limit = 1 + (caller + turn) as usize % 8;
                    let (body, _) = encoded(&histories, limit, Encoding::Json);
                    let reply = send(&router, request("POST", &path, body)).await.decoded();
                    let digest = reply.parameters["digest"].as_str().unwrap();
                    let expected = histories.iter().map(|history| direct(&by_digest[digest], history, limit));
                    let found = contract::lists(&reply, histories.len(), 8).unwrap();
                    assert_eq!(found, expected.collect::<Vec<_>>(), "caller {caller}, turn {turn}");
                    *seen.entry(digest.to_owned()).or_default() += 1;
                }
                seen
            })
        })
        .collect();
    for change in 1..=CHANGES {
        testing::write_artifact(folder.path(), &ITEMS, 4, factor(change % 2));
        sources.look(false).await;
        // So that something is asked of each.
        sources_settle().await;
        changes.store(change, Ordering::SeqCst);
    }
    let mut seen = BTreeMap::new();
    for asked in asking {
        for (digest, count) in asked.await.unwrap() {
            *seen.entry(digest).or_insert(0) += count;
        }
    }
    assert_eq!(seen.len(), 2, "both artifacts were asked: {seen:?}");
}

async fn sources_settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_broken_artifact_leaves_the_old_one_in_service() {
    let folder = testing::artifact();
    let mut server = Server::of(&[&folder]).await;
    let before = server.infer(&of_rows(&[1], 3)).await.json();
    let broken = testing::artifact_of(&ITEMS, 4, factor(1));
    let weights = broken.path().join("model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&weights, bytes).unwrap();
    // Into the place of the old one by renames, as an operator does it by hand.
    let aside = tempfile::tempdir().unwrap();
    let exchange = |new: &std::path::Path, kept: &str| {
        fs::rename(folder.path(), aside.path().join(kept)).unwrap();
        fs::rename(new, folder.path()).unwrap();
    };
    exchange(broken.path(), "good");
    for _ in 0..3 {
        server.sources.look(false).await;
    }
    assert_eq!(server.infer(&of_rows(&[1], 3)).await.json(), before);
    // It is tried once, and not again until it changes.
    assert!(text(&server).await.contains("reloads_total{what=\"model\",outcome=\"failed\"} 1\n"));

    testing::write_artifact(&folder.path().with_extension("next"), &ITEMS, 4, factor(1));
    exchange(&folder.path().with_extension("next"), "broken");
    server.sources.look(false).await;
    let after = server.infer(&of_rows(&[1], 3)).await.json();
    assert_ne!(after["parameters"]["digest"], before["parameters"]["digest"]);
    assert!(text(&server).await.contains("reloads_total{what=\"model\",outcome=\"ok\"} 1\n"));
}

async fn text(server: &Server) -> String {
    String::from_utf8(server.get("/metrics").await.body.to_vec()).unwrap()
}

#[tokio::test]
async fn a_directory_that_is_gone_for_a_while_disturbs_nobody() {
    let folder = testing::artifact();
    let mut server = Server::of(&[&folder]).await;
    let aside = folder.path().with_extension("aside");
    fs::rename(folder.path(), &aside).unwrap();
    server.sources.look(false).await;
    assert_eq!(server.infer(&of_rows(&[1], 3)).await.status, 200);
    fs::rename(&aside, folder.path()).unwrap();
    server.sources.look(true).await;
    assert_eq!(server.infer(&of_rows(&[1], 3)).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_new_catalogue_is_a_new_name_beside_the_old_for_a_while() {
    let folder = testing::artifact();
    let mut server = Server::of(&[&folder]).await;
    let old = server.name();
    testing::write_artifact(folder.path(), &["x", "y", "z"], 2, factor(0));
    server.sources.look(false).await;
    let names: Vec<String> = server.app.models.table().keys().cloned().collect();
    assert_eq!(names.len(), 2);
    let new = names.into_iter().find(|name| *name != old).unwrap();
    for name in [&old, &new] {
        let path = format!("/v2/models/{name}/infer");
        let reply = send(&server.router, request("POST", &path, of_rows(&[1], 3).to_string())).await;
        assert_eq!(reply.decoded().model_name, *name);
    }
    tokio::time::advance(GRACE).await;
    server.sources.look(false).await;
    assert_eq!(server.get(&format!("/v2/models/{old}")).await.status, 404);
    assert_eq!(server.get(&format!("/v2/models/{new}")).await.status, 200);
}

//! Triton, `MLServer` and `KServe` in the place of Marquee's own accelerator, and their clients.

use anyhow::Result;
use serde_json::{Value, json};
use tests::{Finished, Peer, PeerKind, Service, kserve_client, model_dir, triton_client};

use crate::answers::{answer, ask, item_ids, items, receipt, text};

/// What `triton_client` checks and only servers with binary tensors have.
const BINARY: [&str; 5] = [
    "binary_inputs",
    "binary_both_ways",
    "binary_of_all_outputs",
    "request_gzip_binary",
    "response_gzip_binary",
];

#[test]
fn triton_answers_as_the_function_does() -> Result<()> {
    answers_as_the_function_does(PeerKind::Triton)
}

#[test]
fn mlserver_answers_as_the_function_does() -> Result<()> {
    answers_as_the_function_does(PeerKind::MlServer)
}

#[test]
fn kserve_answers_as_the_function_does() -> Result<()> {
    answers_as_the_function_does(PeerKind::KServe)
}

#[test]
fn tritons_client_is_content_with_triton() -> Result<()> {
    let peer = Peer::start(PeerKind::Triton, model_dir())?;
    all_passed(&triton_client(peer.base(), peer.model(), &[])?);
    // Its replies to questions about health have no body, where this client reads one.
    all_passed(&kserve_client(peer.base(), peer.model(), &["live", "ready"])?);
    Ok(())
}

#[test]
fn tritons_client_is_content_with_mlserver_but_for_what_it_lacks() -> Result<()> {
    let peer = Peer::start(PeerKind::MlServer, model_dir())?;
    let without: Vec<_> = BINARY.into_iter().chain(["model_config", "request_deflate"]).collect();
    all_passed(&triton_client(peer.base(), peer.model(), &without)?);
    Ok(())
}

#[test]
fn kserves_client_is_content_with_kserve() -> Result<()> {
    let peer = Peer::start(PeerKind::KServe, model_dir())?;
    all_passed(&kserve_client(peer.base(), peer.model(), &[])?);
    Ok(())
}

/// Asserts that a service which uses this server answers from it, and with the items and scores of one that uses none.
fn answers_as_the_function_does(kind: PeerKind) -> Result<()> {
    let mut peer = Peer::start(kind, model_dir())?;
    let alone = Service::demo()?;
    let accelerated = Service::start_with(model_dir(), ["--accelerator", peer.base()])?;
    // Both ways to tell of an item, a wish that only the rules know of, and time enough for a debug build.
    for history in
        [json!(["alien-1979", "blade-runner-1982"]), json!([{"item_id": "alien-1979", "type": "view"}])]
    {
        for more in [json!({}), json!({"filters": {"exclude_items": ["aliens-1986"], "year": {"min": 1970}}})]
        {
            let mut request = json!({"history": history, "k": 10, "deadline_ms": 5000});
            request.as_object_mut().into_iter().for_each(|request| request.extend(fields_of(&more)));
            let expected = answer(&alone.send(&ask(&request))?);
            let found = answer(&accelerated.send(&ask(&request))?);
            let used = history.as_array().map_or(0, Vec::len);
            receipt(&found, "accelerator", None, used, 0);
            assert_eq!(found["receipt"]["degraded"], json!([]), "{found}\n{}", peer.log());
            assert_eq!(item_ids(&found), item_ids(&expected), "{kind:?}, asked for {request}");
            close(&found, &expected);
        }
    }
    Ok(())
}

/// Asserts that the scores are the same to 1e-4 of their size.
fn close(found: &Value, expected: &Value) {
    for (found, expected) in items(found).iter().zip(items(expected)) {
        let pair = found["score"].as_f64().zip(expected["score"].as_f64());
        let near = pair.is_some_and(|(found, expected)| (found - expected).abs() <= 1e-4 * expected.abs());
        assert!(near, "{} and {}: {found} {expected}", text(&found["item_id"]), text(&expected["item_id"]));
    }
}

fn fields_of(object: &Value) -> impl Iterator<Item = (String, Value)> {
    object.as_object().cloned().into_iter().flatten()
}

fn all_passed(finished: &Finished) {
    let checks: Vec<Value> =
        finished.stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let failed: Vec<_> = checks.iter().filter(|check| check["ok"] != json!(true)).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(finished.status.success() && !checks.is_empty(), "{finished}");
}

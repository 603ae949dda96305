//! API keys: `marquee keys`, and `marquee serve --api-keys` over real sockets.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tests::{Finished, Reply, Request, Service, marquee, model_dir};

use crate::answers::{answer, ask, problem, text};

/// A ring in a folder of its own.
pub(crate) struct Ring {
    _folder: TempDir,
    path: PathBuf,
}

impl Ring {
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("keys.json");
        Ok(Self { _folder: folder, path })
    }

    fn path(&self) -> &str {
        self.path.to_str().expect("a path in UTF-8")
    }

    /// A new key of these scopes.
    pub(crate) fn key(&self, scopes: &str) -> Result<String> {
        let made = marquee(["keys", "new", "--scopes", scopes, "--ring", self.path()])?;
        assert!(made.status.success(), "{made}");
        Ok(made.stdout.trim().to_owned())
    }

    fn revoke(&self, key: &str) -> Result<Finished> {
        marquee(["keys", "revoke", id(key), "--ring", self.path()])
    }

    /// What the file holds.
    pub(crate) fn text(&self) -> String {
        fs::read_to_string(&self.path).expect("the ring is there")
    }

    fn document(&self) -> Value {
        serde_json::from_str(&self.text()).expect("the ring is JSON")
    }

    pub(crate) fn serve(&self) -> Result<Service> {
        Service::start_with(model_dir(), ["--api-keys", self.path()])
    }
}

fn id(key: &str) -> &str {
    key.split('_').nth(1).expect("a key has an id")
}

fn digest(key: &str) -> String {
    Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `key` with its last character exchanged for one that it is not.
fn with_another_ending(key: &str) -> String {
    let (rest, last) = key.split_at(key.len() - 1);
    format!("{rest}{}", if last == "x" { "y" } else { "x" })
}

fn with(key: &str, request: &Request) -> Request {
    request.clone().header("authorization", &format!("Bearer {key}"))
}

fn unauthorized(reply: &Reply) {
    problem(reply, 401, "unauthorized");
    assert_eq!(reply.headers.get("www-authenticate").map(String::as_str), Some("Bearer"), "{reply:?}");
}

#[test]
fn a_key_opens_the_routes_of_its_scopes_and_no_others() -> Result<()> {
    let ring = Ring::new()?;
    let (recommend, users, admin) = (ring.key("recommend")?, ring.key("users,events")?, ring.key("admin")?);
    let service = ring.serve()?;
    let recommendations = ask(&json!({"k": 3}));
    let person = Request::new("GET", "/v1/users/somebody");

    unauthorized(&service.send(&recommendations)?);
    unauthorized(&service.send(&person)?);
    unauthorized(&service.send(&with(&with_another_ending(&recommend), &recommendations))?);
    unauthorized(&service.send(&recommendations.clone().header("authorization", &recommend))?);
    unauthorized(&service.send(&recommendations.clone().header("authorization", "Basic bWFycXVlZTo="))?);

    answer(&service.send(&with(&recommend, &recommendations))?);
    answer(&service.send(&with(&admin, &recommendations))?);
    answer(&service.send(&recommendations.clone().header("authorization", &format!("bearer {recommend}")))?);
    assert_eq!(service.send(&with(&users, &person))?.status, 200);

    let lacks = problem(&service.send(&with(&users, &recommendations))?, 403, "forbidden");
    assert!(text(&lacks["detail"]).contains("`recommend`"), "{lacks}");
    let lacks = problem(&service.send(&with(&recommend, &person))?, 403, "forbidden");
    assert!(text(&lacks["detail"]).contains("`users`"), "{lacks}");
    Ok(())
}

#[test]
fn public_routes_stay_open_and_unknown_ones_unknown() -> Result<()> {
    let ring = Ring::new()?;
    ring.key("recommend")?;
    let service = ring.serve()?;
    for path in ["/", "/v1/health", "/v1/ready"] {
        assert_eq!(service.send(&Request::new("GET", path))?.status, 200, "{path}");
    }
    problem(&service.send(&Request::new("GET", "/v1/nothing"))?, 404, "not_found");
    let wrong = service.send(&Request::new("PUT", "/v1/users/somebody"))?;
    problem(&wrong, 405, "method_not_allowed");
    assert_eq!(wrong.headers.get("allow").map(String::as_str), Some("GET,DELETE"), "{wrong:?}");
    Ok(())
}

#[test]
fn with_keys_the_service_answers_to_any_name() -> Result<()> {
    let ring = Ring::new()?;
    let key = ring.key("recommend")?;
    let service = ring.serve()?;
    let request = with(&key, &ask(&json!({}))).header("host", "marquee.example");
    answer(&service.send(&request)?);
    Ok(())
}

#[test]
fn a_changed_ring_is_read_without_a_restart() -> Result<()> {
    let ring = Ring::new()?;
    let old = ring.key("recommend")?;
    let service = ring.serve()?;
    let request = ask(&json!({}));
    answer(&service.send(&with(&old, &request))?);
    let new = ring.key("recommend")?;
    answer(&service.send(&with(&new, &request))?);
    answer(&service.send(&with(&old, &request))?);
    assert!(ring.revoke(&old)?.status.success());
    unauthorized(&service.send(&with(&old, &request))?);
    answer(&service.send(&with(&new, &request))?);
    Ok(())
}

#[test]
fn a_ring_that_breaks_or_goes_leaves_the_keys_before_in_use_and_is_said() -> Result<()> {
    let ring = Ring::new()?;
    let key = ring.key("recommend")?;
    let service = ring.serve()?;
    let request = with(&key, &ask(&json!({})));
    fs::write(&ring.path, r#"{"keys": [{"id": "short"}]}"#)?;
    answer(&service.send(&request)?);
    answer(&service.send(&request)?);
    fs::remove_file(&ring.path)?;
    answer(&service.send(&request)?);
    unauthorized(&service.send(&ask(&json!({})))?);
    service.interrupt()?;
    let finished = service.finish()?;
    let said = finished.stderr.lines().filter(|line| line.contains("stay in use")).count();
    assert_eq!(said, 2, "once for each change: {finished}");
    assert!(finished.stderr.contains("/keys/0/id"), "which fault? {finished}");
    assert!(!finished.stderr.contains(&key), "a key is in the log: {finished}");
    Ok(())
}

#[test]
fn without_keys_no_other_machine_is_let_in() -> Result<()> {
    for host in ["0.0.0.0", "::", "192.0.2.1"] {
        let finished = marquee([
            "serve".as_ref(),
            "--model".as_ref(),
            model_dir().as_os_str(),
            "--host".as_ref(),
            host.as_ref(),
            "--port".as_ref(),
            "0".as_ref(),
        ])?;
        assert!(!finished.status.success(), "{finished}");
        assert!(finished.stderr.contains(host) && finished.stderr.contains("--api-keys"), "{finished}");
        assert_eq!(finished.stderr.trim().lines().count(), 1, "{finished}");
        assert!(!finished.stdout.contains("http://"), "{finished}");
    }
    Ok(())
}

#[test]
fn without_its_ring_the_service_does_not_start() -> Result<()> {
    let ring = Ring::new()?;
    let serve = |path: &Path| {
        marquee([
            "serve".as_ref(),
            "--model".as_ref(),
            model_dir().as_os_str(),
            "--api-keys".as_ref(),
            path.as_os_str(),
        ])
    };
    let finished = serve(&ring.path)?;
    assert!(!finished.status.success() && finished.stderr.contains(ring.path()), "{finished}");
    fs::write(&ring.path, r#"{"keys": [{"id": 1, "key": "x"}]}"#)?;
    let finished = serve(&ring.path)?;
    assert!(!finished.status.success(), "{finished}");
    for fault in ["/keys/0/id", "/keys/0/key", "/keys/0/digest", "/keys/0/scopes"] {
        assert!(finished.stderr.contains(fault), "every fault at once, {fault} too: {finished}");
    }
    Ok(())
}

#[test]
fn a_ring_keeps_digests_alone_and_is_its_owners() -> Result<()> {
    let ring = Ring::new()?;
    let (first, second) = (ring.key("recommend")?, ring.key("events,users,events")?);
    let document = ring.document();
    let keys = document["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    for (kept, key) in keys.iter().zip([&first, &second]) {
        assert_eq!((text(&kept["id"]), text(&kept["digest"])), (id(key), digest(key).as_str()));
        assert!(!document.to_string().contains(key.as_str()), "{document}");
    }
    assert_eq!(keys[1]["scopes"], json!(["events", "users"]));
    assert_eq!(fs::metadata(&ring.path)?.permissions().mode() & 0o777, 0o600);
    let others: Vec<_> = fs::read_dir(ring.path.parent().unwrap())?.collect();
    assert_eq!(others.len(), 1, "nothing is left beside it: {others:?}");
    Ok(())
}

#[test]
fn without_a_file_the_ring_goes_to_standard_output_and_the_key_does_not() -> Result<()> {
    let made = marquee(["keys", "new", "--scopes", "recommend", "--note", "the app", "--days", "30"])?;
    assert!(made.status.success(), "{made}");
    let ring: Value = serde_json::from_str(&made.stdout)?;
    let kept = &ring["keys"][0];
    assert_eq!((&kept["note"], &kept["scopes"]), (&json!("the app"), &json!(["recommend"])));
    assert!(kept["expires_at"].as_str() > kept["created_at"].as_str(), "{ring}");
    let key = made.stderr.split_whitespace().find(|word| word.starts_with("mq_")).expect("the key is shown");
    assert_eq!(text(&kept["digest"]), digest(key));
    assert!(made.stderr.contains("put-secret-value"), "{made}");
    Ok(())
}

#[test]
fn keys_are_listed_without_their_digests_and_revoked_by_their_id() -> Result<()> {
    let ring = Ring::new()?;
    let (key, other) = (ring.key("recommend")?, ring.key("admin")?);
    let listed = marquee(["keys", "list", "--ring", ring.path()])?;
    assert!(listed.stdout.contains(id(&key)) && listed.stdout.contains(id(&other)), "{listed}");
    assert!(!listed.stdout.contains(&digest(&key)), "{listed}");
    assert!(ring.revoke(&key)?.status.success());
    let again = ring.revoke(&key)?;
    assert!(!again.status.success() && again.stderr.contains(id(&key)), "{again}");
    assert_eq!(ring.document()["keys"].as_array().unwrap().len(), 1);
    Ok(())
}

#[test]
fn what_is_no_scope_or_no_ring_is_said() -> Result<()> {
    let ring = Ring::new()?;
    let wrong = marquee(["keys", "new", "--scopes", "recommend,everything", "--ring", ring.path()])?;
    assert!(!wrong.status.success() && wrong.stderr.contains("recommend, events, users"), "{wrong}");
    assert!(!ring.path.exists());
    fs::write(&ring.path, "{}")?;
    let wrong = marquee(["keys", "new", "--scopes", "recommend", "--ring", ring.path()])?;
    assert!(!wrong.status.success() && wrong.stderr.contains(ring.path()), "{wrong}");
    assert_eq!(fs::read_to_string(&ring.path)?, "{}", "what can't be read is not written over");
    assert!(!wrong.stdout.contains("mq_"), "no key is shown that no ring has: {wrong}");
    Ok(())
}

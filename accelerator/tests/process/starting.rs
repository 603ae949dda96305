//! What it says at start, and what keeps it from starting.

use std::fs;
use std::net::TcpListener;

use serde_json::json;
use shared::testing;

use crate::running::{self, Running, finished, path};

#[test]
fn it_says_what_it_serves_and_the_line_it_prints_works() {
    let folder = testing::artifact();
    let server = Running::start(&["--model", path(&folder)]);
    assert!(server.screen.contains("als 1, 8 items, on the CPU"), "{}", server.screen);
    assert!(server.screen.contains("open to this machine alone, without TLS"), "{}", server.screen);
    let url = server.screen.split_whitespace().find(|word| word.ends_with("/infer")).unwrap();
    let body = server.screen.split_once("-d '").unwrap().1.split_once('\'').unwrap().0;
    let reply = running::post(url, body);
    assert_eq!(reply["outputs"][0]["shape"], json!([1, 5]));
}

#[test]
fn what_keeps_it_from_starting_is_one_sentence() {
    let folder = testing::artifact();
    let same = testing::sasrec_artifact();
    let broken = testing::artifact();
    fs::write(broken.path().join("config.json"), "{}").unwrap();
    let empty = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let (model, text) = (path(&folder), path(&empty));
    for (arguments, words) in [
        (vec!["--model", "/no/such/model"], "/no/such/model: no model there"),
        (vec!["--model", text], "manifest.json"),
        (vec!["--model", path(&broken)], "config.json"),
        (vec!["--model", model, "--model", path(&same)], "hold models of one catalogue"),
        (vec!["--model", model, "--listen", &taken], "the port is taken"),
        (vec!["--model", model, "--listen", "0.0.0.0:0"], "--token-file"),
        (vec!["--model", model, "--token-file", "/no/tokens"], "/no/tokens: the tokens can't be read"),
        (vec!["--model", model, "--device", "cuda:0"], "--features cuda"),
        (vec!["--model", model, "--device", "tpu"], "expected cpu, or cuda:N"),
        (vec!["--model", model, "--tls-cert", "/no/cert"], "--tls-key"),
        (vec!["--model", model, "--tls-cert", "/no/cert", "--tls-key", "/no/key"], "/no/cert: can't be read"),
        (vec!["--model", model, "--queue", "1"], "--queue"),
        (vec!["--model", model, "--max-delay-ms", "1001"], "--max-delay-ms"),
        (vec![], "--model"),
    ] {
        let output = finished(&arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.starts_with("error: ") && said.contains(words), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
        let mut causes: Vec<_> = said.trim().split(": ").collect();
        causes.sort_unstable();
        assert!(
            causes.windows(2).all(|two| two[0] != two[1]),
            "{arguments:?}: a cause is told twice: {said}"
        );
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

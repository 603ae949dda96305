//! What changes while it runs: artifacts, certificates.

use std::fs;

use rustix::process::Signal;
use shared::testing;

use crate::running::{self, Running, path, until};

#[test]
fn a_new_artifact_takes_over_and_a_broken_one_does_not() {
    let folder = testing::artifact();
    let server = Running::start(&["--model", path(&folder)]);
    let digest = || server.infer(&running::of_row(1))["parameters"]["digest"].as_str().unwrap().to_owned();
    let reloads = |outcome: &str, count: usize| {
        let line = format!("reloads_total{{what=\"model\",outcome=\"{outcome}\"}} {count}\n");
        until(&line, || server.get("/metrics").contains(&line));
    };
    let first = digest();
    testing::write_artifact(folder.path(), &testing::ITEMS, 2, |row, d| 1.0 / (1 + row + d) as f32);
    reloads("ok", 1);
    let second = digest();
    assert_ne!(first, second);

    let manifest = folder.path().join("manifest.json");
    let good = fs::read(&manifest).unwrap();
    fs::write(&manifest, "{").unwrap();
    reloads("failed", 1);
    assert_eq!(digest(), second);
    fs::write(&manifest, good).unwrap();
    reloads("ok", 2);
    // Nothing has changed, and yet it looks.
    server.signal(Signal::HUP);
    reloads("ok", 3);
    assert_eq!(digest(), second);
}

#[test]
fn tls_with_a_token_and_a_certificate_that_is_replaced() {
    let folder = testing::artifact();
    let kept = tempfile::tempdir().unwrap();
    let file = |name: &str| kept.path().join(name).to_str().unwrap().to_owned();
    let (certificate, key, tokens) = (file("cert.pem"), file("key.pem"), file("tokens"));
    fs::write(&tokens, "a-token-of-many-letters\n").unwrap();
    let first = write_certificate(&certificate, &key);
    let arguments = ["--tls-cert", &certificate, "--tls-key", &key, "--token-file", &tokens];
    // Other machines may reach it.
    let listen = ["--model", path(&folder), "--listen", "0.0.0.0:0"];
    let server = Running::start(&[&listen[..], &arguments].concat());
    assert!(server.screen.contains("listening on https://0.0.0.0:"), "{}", server.screen);
    let port = server.authority.rsplit_once(':').unwrap().1.to_owned();
    let url = format!("https://localhost:{port}/v2");
    let status = |certificate: &str, token: &str| {
        let sent = running::agent(Some(certificate)).get(&url).header("authorization", token).call();
        sent.map(|reply| reply.status().as_u16()).ok()
    };
    assert_eq!(status(&first, "Bearer a-token-of-many-letters"), Some(200));
    assert_eq!(status(&first, "Bearer another-token-of-many"), Some(401));
    assert!(running::agent(None).get(url.replace("https", "http")).call().is_err());

    let second = write_certificate(&certificate, &key);
    until("the new certificate", || status(&second, "Bearer a-token-of-many-letters") == Some(200));
    assert_eq!(status(&first, "Bearer a-token-of-many-letters"), None);
    fs::write(&certificate, "none").unwrap();
    until("the refusal", || server.errors().contains("the certificate read before stays in use"));
    assert_eq!(status(&second, "Bearer a-token-of-many-letters"), Some(200));
}

/// Writes a certificate for localhost and its key; with the certificate.
fn write_certificate(certificate: &str, key: &str) -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(key, made.signing_key.serialize_pem()).unwrap();
    fs::write(certificate, made.cert.pem()).unwrap();
    made.cert.pem()
}

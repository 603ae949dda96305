//! The running service against its own OpenAPI document: schemathesis sends what the document allows and what it forbids,
//! and holds every reply to it.

use anyhow::{Result, ensure};
use tests::{Process, Service, command, root, venv};

use crate::keys::Ring;

/// Requests that it makes up for each operation, beside those that it derives from the schemas' limits. With these the run
/// takes about half a minute.
const EXAMPLES: &str = "60";

#[test]
fn an_open_service_does_what_its_document_says() -> Result<()> {
    conforms(&Service::demo()?, None)
}

#[test]
fn a_service_with_keys_does_what_its_document_says() -> Result<()> {
    let ring = Ring::new()?;
    let key = ring.key("admin")?;
    conforms(&ring.serve()?, Some(&key))
}

/// Runs every check on a service, as the owner of `key` where it asks for one.
fn conforms(service: &Service, key: Option<&str>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut schemathesis = command(&venv().program("schemathesis"));
    // It keeps what it found below the folder that it runs in.
    schemathesis.current_dir(folder.path());
    schemathesis.arg("--config-file").arg(root().join("tests/schemathesis.toml")).arg("--no-color");
    schemathesis.arg("run").arg(format!("{}/openapi.json", service.base()));
    schemathesis.args(["--max-examples", EXAMPLES, "--continue-on-failure"]);
    // The same requests each time: whoever breaks the contract is who sees it.
    schemathesis.arg("--generation-deterministic");
    if let Some(key) = key {
        schemathesis.args(["--header", &format!("Authorization: Bearer {key}")]);
    }
    let finished = Process::spawn(schemathesis)?.finish()?;
    ensure!(finished.status.success(), "the service and its document do not agree: {finished}");
    for expected in ["Examples", "Coverage", "Fuzzing", "Stateful"] {
        ensure!(finished.stdout.contains(&format!("✅ {expected}")), "{expected} did not run: {finished}");
    }
    Ok(())
}

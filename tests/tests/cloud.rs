//! The functions with everything that they use on AWS, played by moto: the table, the secret of its tombstones, and one
//! with no keys in it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use shared::config::TableSettings;

use tests::{Emulator, Moto, Reply, Request, binaries, model_dir, root};

use crate::answers::{answer, shown, text};
use crate::events;
use crate::store::store_at;

const TABLE: &str = "people";
const SECRET: &str = "erasure";
const KEYS: &str = "keys";
/// The bucket of batches.
pub(crate) const BUCKET: &str = "marquee-batches";

const MACHINE: &str = "arn:aws:states:eu-central-1:123456789012:stateMachine:marquee-batches";

/// A table, a bucket and secrets of its own.
pub(crate) struct Cloud {
    moto: Moto,
}

impl Cloud {
    pub(crate) fn start() -> Result<Self> {
        let moto = Moto::start()?;
        let key = "0123456789abcdef".repeat(4);
        moto.secrets_manager("CreateSecret", &json!({"Name": SECRET, "SecretString": key}))?;
        moto.secrets_manager("CreateSecret", &json!({"Name": KEYS, "SecretString": r#"{"keys":[]}"#}))?;
        let settings = TableSettings {
            table: TABLE.into(),
            region: "eu-central-1".into(),
            regions: vec!["eu-central-1".into()],
            event_retention_days: None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(store_at(moto.endpoint(), settings).create_table())?;
        let cloud = Self { moto };
        cloud.s3(&format!("/{BUCKET}"), &[])?;
        // Its executions are noted here, and not run.
        let definition = fs::read_to_string(root().join("deploy/batches.asl.json"))?;
        let role = "arn:aws:iam::123456789012:role/batches";
        let machine = json!({"name": "marquee-batches", "definition": definition, "roleArn": role});
        cloud.moto.step_functions("CreateStateMachine", &machine)?;
        Ok(cloud)
    }

    /// Where it listens.
    pub(crate) fn endpoint(&self) -> &str {
        self.moto.endpoint()
    }

    /// Puts an object into the bucket.
    pub(crate) fn put(&self, key: &str, bytes: &[u8]) -> Result<()> {
        self.s3(&format!("/{BUCKET}/{key}"), bytes)
    }

    fn s3(&self, path: &str, bytes: &[u8]) -> Result<()> {
        // What is not signed moto takes for a call of S3.
        let mut request = Request::new("PUT", path);
        request.body = bytes.to_vec();
        let reply = tests::send(self.endpoint(), &request)?;
        anyhow::ensure!(reply.status == 200, "{path}: {reply:?}");
        Ok(())
    }

    /// An environment of a function that finds them.
    pub(crate) fn function(&self, name: &str) -> Result<Emulator> {
        self.function_with(name, [])
    }

    /// The same with more variables.
    pub(crate) fn function_with<const N: usize>(
        &self,
        name: &str,
        more: [(&'static str, String); N],
    ) -> Result<Emulator> {
        self.function_of(name, model_dir(), more)
    }

    /// The same with the model in this folder.
    pub(crate) fn function_of<const N: usize>(
        &self,
        name: &str,
        model: &Path,
        more: [(&'static str, String); N],
    ) -> Result<Emulator> {
        let mut variables = self.moto.variables();
        variables.push(("MARQUEE_MODEL_DIR", model.to_str().context("a path in UTF-8")?.into()));
        variables.push(("MARQUEE_TABLE", TABLE.into()));
        variables.push(("MARQUEE_ERASURE_SECRET", SECRET.into()));
        variables.push(("MARQUEE_KEYS_SECRET", KEYS.into()));
        variables.push(("MARQUEE_BUCKET", BUCKET.into()));
        variables.push(("MARQUEE_STATE_MACHINE", MACHINE.into()));
        variables.extend(more);
        Emulator::start(binaries().path(name), variables)
    }
}

/// A stream event of `events/update-profiles`.
fn stream(name: &str) -> Result<Value> {
    let path = root().join("events/update-profiles").join(name).with_extension("json");
    Ok(serde_json::from_str(&fs::read_to_string(&path).with_context(|| path.display().to_string())?)?)
}

/// The sequence numbers that an invocation of `update-profiles` reports as failed.
fn failures(function: &Emulator, event: &Value) -> Result<Vec<String>> {
    let answer = function.hand(event)?.map_err(|(status, said)| anyhow::anyhow!("{status}: {said}"))?;
    let failed = answer["batchItemFailures"].as_array().context("a list of failures")?;
    Ok(failed.iter().map(|failure| text(&failure["itemIdentifier"]).to_owned()).collect())
}

/// The sequence number of one record of a stream event.
fn number(event: &Value, record: usize) -> String {
    text(&event["Records"][record]["dynamodb"]["SequenceNumber"]).to_owned()
}

#[test]
fn every_stream_event_is_folded_and_what_fails_is_named() -> Result<()> {
    let cloud = Cloud::start()?;
    let function = cloud.function("update-profiles")?;
    let (poison, removed) = (stream("poison")?, stream("removed-without-tombstone")?);
    assert_eq!(failures(&function, &stream("events")?)?, [""; 0]);
    assert_eq!(failures(&function, &stream("expired")?)?, [""; 0]);
    assert_eq!(failures(&function, &poison)?, [number(&poison, 1)], "the poison record alone");
    assert_eq!(failures(&function, &removed)?, [number(&removed, 0)], "its tombstone may come yet");
    let mut files: Vec<_> = fs::read_dir(root().join("events/update-profiles"))?
        .map(|file| {
            Ok(file?.path().file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned())
        })
        .collect::<Result<_>>()?;
    files.sort();
    assert_eq!(files, ["events", "expired", "poison", "removed-without-tombstone"]);
    let log = function.end()?;
    assert!(!log.contains("reader-"), "a person's id is in the log:\n{log}");
    Ok(())
}

fn sent(function: &mut Emulator, name: &str) -> Result<Reply> {
    let case = events::CASES.iter().find(|case| case.name == name).context("no such event")?;
    function.answer(&case.event())
}

#[test]
fn what_is_sent_is_folded_answered_shown_and_erased() -> Result<()> {
    let cloud = Cloud::start()?;
    let (mut events, mut users) = (cloud.function("events")?, cloud.function("users")?);
    let (update_profiles, mut recommend) = (cloud.function("update-profiles")?, cloud.function("recommend")?);
    assert_eq!(sent(&mut events, "events/accepted")?.status, 202);
    let again = sent(&mut events, "events/accepted")?.json();
    assert_eq!(again["duplicates"].as_array().map(Vec::len), Some(3), "those with ids: {again}");
    assert_eq!(failures(&update_profiles, &stream("events")?)?, [""; 0]);

    let known = answer(&sent(&mut recommend, "recommend/known-person")?);
    let counted = json!({"used": 3, "unknown": 0});
    assert_eq!((&known["receipt"]["history"], &known["receipt"]["profile"]), (&counted, &json!("both")));
    let person = shown(&sent(&mut users, "users/show")?);
    assert_eq!(person["history"].as_array().map(Vec::len), Some(2), "{person}");
    let held = shown(&sent(&mut users, "users/events")?);
    assert!(held["items"].as_array().is_some_and(|events| !events.is_empty()), "{held}");

    let mut erase = events::CASES.iter().find(|case| case.name == "users/erase").context("no event")?.event();
    let of_reader_7 = erase.to_string().replace("reader-8", "reader-7");
    erase = serde_json::from_str(&of_reader_7)?;
    let erased = shown(&users.answer(&erase)?);
    assert_eq!(erased["removed"]["profiles"], 1, "{erased}");
    assert!(erased["removed"]["events"].as_u64().is_some_and(|events| events >= 3), "{erased}");
    // Late records of the stream bring nothing back.
    assert_eq!(failures(&update_profiles, &stream("events")?)?, [""; 0]);
    let person = shown(&sent(&mut users, "users/show")?);
    assert_eq!(person["history"], json!([]), "{person}");
    let late = sent(&mut events, "events/accepted")?.json();
    let codes: Vec<_> = late["rejected"].as_array().into_iter().flatten().map(|r| text(&r["code"])).collect();
    assert_eq!(codes, ["erased", "erased"], "what was done before is not taken again: {late}");
    for (name, function) in [("events", events), ("users", users), ("recommend", recommend)] {
        let log = function.end()?;
        assert!(!log.contains("reader-7"), "{name} logs a person's id:\n{log}");
    }
    Ok(())
}

#[test]
fn when_the_table_is_gone_answers_go_on_and_nothing_is_promised() -> Result<()> {
    let cloud = Cloud::start()?;
    let (mut recommend, mut rank) = (cloud.function("recommend")?, cloud.function("rank")?);
    let (mut events, mut users) = (cloud.function("events")?, cloud.function("users")?);
    sent(&mut recommend, "recommend/known-person")?;
    sent(&mut events, "events/accepted")?;
    drop(cloud);
    let known = answer(&sent(&mut recommend, "recommend/known-person")?);
    assert_eq!(known["receipt"]["degraded"], json!(["profile_unavailable"]), "{known}");
    assert_eq!(known["receipt"]["profile"], "request", "{known}");
    let ranked = shown(&sent(&mut rank, "rank/known-person")?);
    let degraded = json!(["no_known_history", "profile_unavailable"]);
    assert_eq!(
        (&ranked["receipt"]["degraded"], &ranked["receipt"]["profile"]),
        (&degraded, &json!("unavailable"))
    );
    for reply in [
        sent(&mut events, "events/accepted")?,
        sent(&mut users, "users/show")?,
        sent(&mut users, "users/erase")?,
    ] {
        crate::answers::problem(&reply, 424, "store_unavailable");
        assert_eq!(reply.headers.get("retry-after").map(String::as_str), Some("1"), "{reply:?}");
    }
    Ok(())
}

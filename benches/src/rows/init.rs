//! How long functions take to start under the Lambda runtime emulator, as its `INIT REPORT` says: with a table configured
//! and without, with the AWS SDK in the binary and without.
//!
//! A sample starts an emulator, hands it one event, which starts the function, and checks the answer. The table and the
//! secret are moto's, on this machine.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use shared::store::table::{PARTITION_KEY, SORT_KEY};
use tests::{Emulator, Moto, Request, send};

use super::Bench;
use crate::measure::{Contender, Samples, interleave};
use crate::report::{Findings, Row, Unit};
use crate::{Options, binaries, fixture};

pub(crate) const BENCH: Bench =
    Bench { name: "init", about: "functions' starts under the Lambda runtime emulator", run };

const TABLE: &str = "bench";
const SECRET: &str = "bench/erasure";
/// A real event of the gateway.
const EVENTS: &str = include_str!("../../../events/events/accepted.json");

fn run(&Options { quick, .. }: &Options) -> Result<Findings> {
    let recommend = binaries::build("recommend", "recommend")?;
    let similar = binaries::build("similar", "similar")?;
    let events = binaries::build("events", "events")?;
    let folder = fixture::artifact()?;
    let moto = Moto::start()?;
    prepare(&moto)?;

    let model = vec![("MARQUEE_MODEL_DIR", folder.path().display().to_string())];
    let mut table = moto.variables();
    table.push(("MARQUEE_TABLE", TABLE.to_owned()));
    let model_and_table = [model.clone(), table.clone()].concat();
    let mut table_and_secret = table;
    table_and_secret.push(("MARQUEE_ERASURE_SECRET", SECRET.to_owned()));
    let (to_recommend, to_similar) = (fixture::recommend_event()?, fixture::similar_event()?);
    let to_events: Value = serde_json::from_str(EVENTS).context("the sample event of events is not JSON")?;

    let mut plain = Contender::new(|| init_s(&recommend, &model, &to_recommend, 200));
    let mut with_table = Contender::new(|| init_s(&recommend, &model_and_table, &to_recommend, 200));
    let mut no_sdk = Contender::new(|| init_s(&similar, &model, &to_similar, 200));
    let mut taking = Contender::new(|| init_s(&events, &table_and_secret, &to_events, 202));
    let (warm_up, rounds) = if quick { (0, 3) } else { (1, 25) };
    interleave(warm_up, rounds, &mut [&mut plain, &mut with_table, &mut no_sdk, &mut taking])?;

    let row = |what: &str, samples| Row::alone(format!("{what}: INIT REPORT"), Unit::Seconds, samples);
    let plain = Samples::of(plain.samples);
    Ok(Findings {
        rows: vec![
            row("recommend", plain.clone()).beside("similar, without the SDK", Samples::of(no_sdk.samples)),
            row("recommend with MARQUEE_TABLE set", Samples::of(with_table.samples))
                .beside("the same without", plain),
            row("events, table and secret at moto", Samples::of(taking.samples)),
        ],
        notes: vec![format!(
            "INIT REPORT: what the Lambda runtime emulator says that a function took to start, its own work included; {}. \
             recommend connects to its table when a request names a person, so its start does not; events reads from \
             table and secret before its first event, and most of its start is waiting for moto, a server in Python.",
            fixture::description()
        )],
        ..Findings::default()
    })
}

/// Makes the table and the secret with the key of its tombstones.
fn prepare(moto: &Moto) -> Result<()> {
    let attribute = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
    let key = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
    let table = json!({
        "TableName": TABLE,
        "AttributeDefinitions": [attribute(PARTITION_KEY), attribute(SORT_KEY)],
        "KeySchema": [key(PARTITION_KEY, "HASH"), key(SORT_KEY, "RANGE")],
        "BillingMode": "PAY_PER_REQUEST",
    });
    // moto reads from it which service and region are meant, and checks no signature.
    let authorization = "AWS4-HMAC-SHA256 Credential=emulator/20260101/eu-central-1/dynamodb/aws4_request, \
                         SignedHeaders=host, Signature=0";
    let request = Request::post("/", table.to_string())
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", "DynamoDB_20120810.CreateTable")
        .header("authorization", authorization);
    let reply = send(moto.endpoint(), &request)?;
    ensure!(reply.status == 200, "the table could not be made: {reply:?}");
    moto.secrets_manager("CreateSecret", &json!({"Name": SECRET, "SecretString": "k".repeat(64)}))?;
    Ok(())
}

/// Seconds that one start takes, whose first event must be answered with this status.
fn init_s(binary: &Path, variables: &[(&str, String)], event: &Value, status: u16) -> Result<f64> {
    let mut emulator = Emulator::start(binary, variables.iter().map(|(name, value)| (*name, value)))?;
    let reply = emulator.answer(event)?;
    ensure!(reply.status == status, "{} answered {reply:?}", binary.display());
    Ok(emulator.init_ms()? / 1e3)
}

//! The authorizer: its place in the template, and the real binary under the runtime emulator with keys in Secrets
//! Manager, as moto plays it.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tests::{Emulator, Moto, binaries, root, template};

/// The key of the sample events.
const SAMPLE: &str = "mq_SampleKeyNo1_ThisKeyIsPublishedAndOpensNothingAnywhere01";
/// What of it nobody may see.
const SAMPLE_SECRET: &str = "ThisKeyIsPublishedAndOpensNothingAnywhere01";
/// A key that replaces it.
const NEWER: &str = "mq_SampleKeyNo2_ThisKeyIsPublishedAndOpensNothingAnywhere02";

/// Routes that whoever has no key may ask.
const PUBLIC: [&str; 3] = ["/v1/health", "/v1/ready", "/openapi.json"];

#[test]
fn the_gateway_asks_about_every_route_and_keeps_its_answers_apart() -> Result<()> {
    let template = template()?;
    let auth = &template["Resources"]["Api"]["Properties"]["Auth"];
    let name = auth["DefaultAuthorizer"].as_str().expect("whoever forgets a route's Auth leaves it closed");
    let authorizer = &auth["Authorizers"][name];
    assert_eq!(authorizer["FunctionArn"], json!({"Ref": "Authorize.Alias"}), "the version that was judged");
    assert_eq!(authorizer["AuthorizerPayloadFormatVersion"], "2.0");
    assert_eq!(authorizer["EnableSimpleResponses"], true);
    assert_eq!(authorizer["EnableFunctionDefaultPermissions"], true, "the gateway may invoke it");
    // Without the route, one route's answer would open another.
    let identity = &authorizer["Identity"];
    assert_eq!(
        (&identity["Headers"], &identity["Context"]),
        (&json!(["Authorization"]), &json!(["routeKey"]))
    );
    Ok(())
}

#[test]
fn the_public_routes_ask_nobody_and_all_others_do() -> Result<()> {
    let template = template()?;
    let mut routes = 0;
    for (name, resource) in template["Resources"].as_object().unwrap() {
        let events = resource["Properties"]["Events"].as_object().into_iter().flatten();
        for (_, event) in events.filter(|(_, event)| event["Type"] == "HttpApi") {
            routes += 1;
            let path = event["Properties"]["Path"].as_str().unwrap();
            let authorizer = &event["Properties"]["Auth"]["Authorizer"];
            let expected = if PUBLIC.contains(&path) { json!("NONE") } else { Value::Null };
            assert_eq!(*authorizer, expected, "{name}: {path}");
        }
    }
    assert!(routes >= 8, "{routes} routes");
    Ok(())
}

#[test]
fn a_new_stack_knows_no_key() -> Result<()> {
    let template = template()?;
    let authorize = &template["Resources"]["Authorize"]["Properties"];
    assert_eq!(authorize["Environment"]["Variables"]["MARQUEE_KEYS_SECRET"], json!({"Ref": "KeysSecret"}));
    let keys = &template["Resources"]["KeysSecret"]["Properties"]["SecretString"];
    assert_eq!(*keys, json!("{\"keys\":[]}"));
    Ok(())
}

fn sample(event: &str) -> Value {
    let path = root().join("events/authorize").join(event).with_extension("json");
    serde_json::from_str(&fs::read_to_string(path).expect("the sample is there")).expect("the sample is JSON")
}

/// A sample event with another key.
fn with_key(key: &str) -> Value {
    let mut event = sample("allowed");
    event["headers"]["authorization"] = json!(format!("Bearer {key}"));
    event["identitySource"][0] = event["headers"]["authorization"].clone();
    event
}

#[test]
fn the_sample_events_look_as_the_gateway_sends_them() {
    let mut names: Vec<_> = fs::read_dir(root().join("events/authorize"))
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["allowed", "missing-scope", "unknown-route", "wrong-key"]);
    for name in names {
        let event = sample(&name);
        assert_eq!((&event["version"], &event["type"]), (&json!("2.0"), &json!("REQUEST")), "{name}");
        assert_eq!(event["routeKey"], event["requestContext"]["routeKey"], "{name}");
        assert_eq!(
            event["identitySource"],
            json!([event["headers"]["authorization"], event["routeKey"]]),
            "{name}"
        );
        let http = &event["requestContext"]["http"];
        let arn = event["routeArn"].as_str().unwrap();
        let ending =
            format!("/$default/{}{}", http["method"].as_str().unwrap(), http["path"].as_str().unwrap());
        assert!(arn.ends_with(&ending), "{name}: {arn}");
    }
}

/// A ring of these keys, all of them for recommendations.
fn ring(keys: &[&str]) -> String {
    let key = |key: &&str| {
        let digest: String = Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
        json!({"id": key.split('_').nth(1), "digest": digest, "scopes": ["recommend"]})
    };
    json!({"keys": keys.iter().map(key).collect::<Vec<_>>()}).to_string()
}

/// The authorizer with its keys in a Secrets Manager of its own.
struct Authorizer {
    moto: Option<Moto>,
    emulator: Emulator,
}

const SECRET: &str = "marquee-keys";

impl Authorizer {
    fn start(keys: &[&str]) -> Result<Self> {
        let moto = Moto::start()?;
        moto.secrets_manager("CreateSecret", &json!({"Name": SECRET, "SecretString": ring(keys)}))?;
        let mut variables = moto.variables();
        variables.push(("MARQUEE_KEYS_SECRET", SECRET.into()));
        // The shortest there is, so that the tests see its end.
        variables.push(("MARQUEE_KEYS_TTL_SECONDS", "1".into()));
        let emulator = Emulator::start(binaries().path("authorize"), variables)?;
        Ok(Self { moto: Some(moto), emulator })
    }

    fn now_holds(&self, keys: &[&str]) -> Result<()> {
        let moto = self.moto.as_ref().expect("it runs");
        moto.secrets_manager("PutSecretValue", &json!({"SecretId": SECRET, "SecretString": ring(keys)}))?;
        Ok(())
    }

    fn decide(&self, event: &Value) -> Result<Value> {
        let decided = self.emulator.hand(event)?;
        decided.map_err(|(status, said)| anyhow::anyhow!("no decision: {status} {said}"))
    }

    fn allows(&self, key: &str) -> Result<bool> {
        Ok(self.decide(&with_key(key))?["isAuthorized"] == true)
    }

    /// Asks until the answer is this one, which it must become.
    fn comes_to(&self, key: &str, allowed: bool) -> Result<()> {
        for _ in 0..600 {
            if self.allows(key)? == allowed {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("still {}", if allowed { "refused" } else { "allowed" });
    }
}

#[test]
fn it_decides_the_sample_events() -> Result<()> {
    let authorizer = Authorizer::start(&[SAMPLE])?;
    let allowed = json!({"isAuthorized": true, "context": {"keyId": "SampleKeyNo1", "scopes": "recommend"}});
    assert_eq!(authorizer.decide(&sample("allowed"))?, allowed);
    assert_eq!(authorizer.decide(&sample("wrong-key"))?, json!({"isAuthorized": false, "context": {}}));
    let known = json!({"isAuthorized": false, "context": {"keyId": "SampleKeyNo1"}});
    assert_eq!(authorizer.decide(&sample("missing-scope"))?, known);
    assert_eq!(authorizer.decide(&sample("unknown-route"))?, json!({"isAuthorized": false, "context": {}}));

    let log = authorizer.emulator.end()?;
    assert!(!log.contains(SAMPLE_SECRET), "a key is in the log:\n{log}");
    assert!(!log.contains("somebody"), "a person is in the log:\n{log}");
    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let decided = |reason: Value| {
        let found = |line: &&Value| line["Authorizations"].is_number() && line["reason"] == reason;
        lines.iter().filter(found).collect::<Vec<_>>()
    };
    for (reason, route, key_id) in [
        (Value::Null, "POST /v1/recommendations", json!("SampleKeyNo1")),
        (json!("unknown_key"), "POST /v1/recommendations", Value::Null),
        (json!("missing_scope"), "DELETE /v1/users/{id}", json!("SampleKeyNo1")),
        (json!("unknown_route"), "GET /v1/secrets", Value::Null),
    ] {
        let found = decided(reason.clone());
        assert_eq!(found.len(), 1, "one line with the reason {reason}:\n{log}");
        assert_eq!((&found[0]["route"], &found[0]["key_id"]), (&json!(route), &key_id), "{log}");
    }
    Ok(())
}

#[test]
fn a_rotation_has_old_and_new_keys_valid_together_and_then_the_new_alone() -> Result<()> {
    let authorizer = Authorizer::start(&[SAMPLE])?;
    assert!(authorizer.allows(SAMPLE)?);
    assert!(!authorizer.allows(NEWER)?);
    authorizer.now_holds(&[SAMPLE, NEWER])?;
    authorizer.comes_to(NEWER, true)?;
    assert!(authorizer.allows(SAMPLE)?);
    authorizer.now_holds(&[NEWER])?;
    authorizer.comes_to(SAMPLE, false)?;
    assert!(authorizer.allows(NEWER)?);
    Ok(())
}

#[test]
fn an_outage_of_secrets_manager_changes_nothing_for_known_keys() -> Result<()> {
    let mut authorizer = Authorizer::start(&[SAMPLE])?;
    assert!(authorizer.allows(SAMPLE)?);
    drop(authorizer.moto.take());
    // Past its time to live, the copy is still the best there is.
    thread::sleep(Duration::from_millis(1_100));
    for _ in 0..3 {
        assert!(authorizer.allows(SAMPLE)?);
        assert!(!authorizer.allows(NEWER)?);
    }
    let log = authorizer.emulator.end()?;
    assert!(log.contains("stays in use"), "the log says what is in use:\n{log}");
    assert!(!log.contains(SAMPLE_SECRET), "a key is in the log:\n{log}");
    Ok(())
}

#[test]
fn when_there_never_were_keys_it_fails_and_lets_nobody_in() -> Result<()> {
    let moto = Moto::start()?;
    let mut variables = moto.variables();
    variables.push(("MARQUEE_KEYS_SECRET", "not-there".into()));
    let emulator = Emulator::start(binaries().path("authorize"), variables)?;
    let decided = emulator.hand(&sample("allowed"))?;
    let (_, said) = decided.expect_err("without keys there is no decision");
    assert!(said.contains("not-there") && !said.contains(SAMPLE_SECRET), "{said}");
    Ok(())
}

#[test]
fn without_the_name_of_a_secret_it_says_at_start_which_variable_is_missing() -> Result<()> {
    let emulator = Emulator::start(binaries().path("authorize"), [("AWS_REGION", "eu-central-1")])?;
    assert!(emulator.hand(&sample("allowed"))?.is_err());
    let log = emulator.end()?;
    assert!(log.contains("INIT RTDONE(status: error)"), "it must fail at start:\n{log}");
    assert!(log.contains("MARQUEE_KEYS_SECRET"), "{log}");
    assert!(!log.contains("panicked at"), "a broken deployment is no panic:\n{log}");
    Ok(())
}

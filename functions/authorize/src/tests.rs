use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use shared::api::routes::{ROUTES, Scope};
use shared::keys::Digest;
use shared::secrets::{EARLY_WAIT, RETRY_WAIT, Source};

use super::*;

const TTL: Duration = Duration::from_secs(300);

/// The key of the sample events.
const SAMPLE: &str = "mq_SampleKeyNo1_ThisKeyIsPublishedAndOpensNothingAnywhere01";

/// A secret whose text the test changes; `None` is an outage.
#[derive(Clone, Debug, Default)]
struct Fake(Arc<Mutex<Option<String>>>);

impl Fake {
    fn now_holds(&self, keys: &[(&str, &[Scope])]) {
        let key = |(text, scopes): &(&str, &[Scope])| {
            let id = text.split('_').nth(1);
            json!({"id": id, "digest": Digest::of(text), "scopes": scopes})
        };
        let ring = json!({"keys": keys.iter().map(key).collect::<Vec<_>>()});
        *self.0.lock().unwrap() = Some(ring.to_string());
    }

    fn is_out(&self) {
        *self.0.lock().unwrap() = None;
    }
}

#[async_trait]
impl Source for Fake {
    async fn fetch(&self) -> Result<String, SecretError> {
        self.0.lock().unwrap().clone().ok_or_else(|| SecretError::new("fake can't be read"))
    }

    fn name(&self) -> &str {
        "fake"
    }
}

fn start(fake: &Fake) -> State {
    let read = |text: &str| KeyRing::parse(text.as_bytes()).map_err(|error| error.to_string());
    State::new(Cached::new(fake.clone(), TTL, read))
}

fn with(keys: &[(&str, &[Scope])]) -> (Fake, State) {
    let fake = Fake::default();
    fake.now_holds(keys);
    let state = start(&fake);
    (fake, state)
}

fn sample(event: &str) -> Value {
    serde_json::from_str(match event {
        "allowed" => include_str!("../../../events/authorize/allowed.json"),
        "wrong-key" => include_str!("../../../events/authorize/wrong-key.json"),
        "missing-scope" => include_str!("../../../events/authorize/missing-scope.json"),
        "unknown-route" => include_str!("../../../events/authorize/unknown-route.json"),
        other => panic!("no event {other}"),
    })
    .unwrap()
}

async fn ask(state: &State, event: Value) -> Result<Value, String> {
    let question: Question = serde_json::from_value(event).unwrap();
    let decision = handle(question, state).await.map_err(|error| error.to_string())?;
    Ok(serde_json::to_value(decision).unwrap())
}

async fn allows(state: &State, key: &str, route: &str) -> bool {
    let mut event = sample("allowed");
    event["headers"]["authorization"] = json!(format!("Bearer {key}"));
    event["routeKey"] = json!(route);
    ask(state, event).await.unwrap()["isAuthorized"] == true
}

#[tokio::test(start_paused = true)]
async fn the_answers_are_what_the_gateway_reads() {
    let (_, state) = with(&[(SAMPLE, &[Scope::Recommend, Scope::Events])]);
    let allowed = json!({
        "isAuthorized": true,
        "context": {"keyId": "SampleKeyNo1", "scopes": "recommend events"},
    });
    assert_eq!(ask(&state, sample("allowed")).await.unwrap(), allowed);
    let nobody = json!({"isAuthorized": false, "context": {}});
    assert_eq!(ask(&state, sample("wrong-key")).await.unwrap(), nobody);
    assert_eq!(ask(&state, sample("unknown-route")).await.unwrap(), nobody);
    let known = json!({"isAuthorized": false, "context": {"keyId": "SampleKeyNo1"}});
    assert_eq!(ask(&state, sample("missing-scope")).await.unwrap(), known);
}

#[tokio::test(start_paused = true)]
async fn a_key_opens_the_routes_of_its_scope_and_whoever_has_none_the_public_ones() {
    let (_, state) = with(&[(SAMPLE, &[Scope::Users])]);
    for route in ROUTES {
        let key = format!("{} {}", route.method, route.path);
        let expected = route.scope.is_none_or(|scope| scope == Scope::Users);
        assert_eq!(allows(&state, SAMPLE, &key).await, expected, "{key}");
        let mut anonymous = sample("allowed");
        anonymous["headers"].as_object_mut().unwrap().remove("authorization");
        anonymous["routeKey"] = json!(key);
        let decision = ask(&state, anonymous).await.unwrap();
        assert_eq!(decision["isAuthorized"], route.scope.is_none(), "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_route_that_is_not_in_the_table_is_closed_even_to_admin() {
    let (_, state) = with(&[(SAMPLE, &[Scope::Admin])]);
    for route in
        ["", "$default", "GET /v1/secrets", "PUT /v1/items", "POST  /v1/recommendations", "ANY /v1/items"]
    {
        assert!(!allows(&state, SAMPLE, route).await, "{route}");
    }
    assert!(allows(&state, SAMPLE, "DELETE /v1/users/{id}").await);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_fails_no_request() {
    let new = SAMPLE.replace("Anywhere01", "AnywhereN2");
    let route = "POST /v1/recommendations";
    let (fake, state) = with(&[(SAMPLE, &[Scope::Recommend])]);
    assert!(allows(&state, SAMPLE, route).await);
    tokio::time::advance(EARLY_WAIT).await;
    fake.now_holds(&[(SAMPLE, &[Scope::Recommend]), (&new, &[Scope::Recommend])]);
    assert!(allows(&state, &new, route).await, "the new key works long before the copy is old");
    assert!(allows(&state, SAMPLE, route).await, "and the old one still does");
    fake.now_holds(&[(&new, &[Scope::Recommend])]);
    tokio::time::advance(TTL).await;
    assert!(!allows(&state, SAMPLE, route).await, "removed, it is refused when the copy is old");
    assert!(allows(&state, &new, route).await);
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_secret_changes_nothing_for_known_keys() {
    let (fake, state) = with(&[(SAMPLE, &[Scope::Recommend])]);
    assert!(allows(&state, SAMPLE, "POST /v1/rankings").await);
    fake.is_out();
    tokio::time::advance(TTL * 10).await;
    assert!(allows(&state, SAMPLE, "POST /v1/rankings").await);
    assert!(!allows(&state, SAMPLE, "POST /v1/events").await);
}

#[tokio::test(start_paused = true)]
async fn without_any_ring_the_answer_is_an_error_and_public_routes_stay_open() {
    let fake = Fake::default();
    let state = start(&fake);
    assert_eq!(ask(&state, sample("allowed")).await, Err("the secret fake can't be read".into()));
    assert!(allows(&state, SAMPLE, "GET /v1/health").await);
    fake.now_holds(&[(SAMPLE, &[Scope::Recommend])]);
    tokio::time::advance(RETRY_WAIT).await;
    assert!(allows(&state, SAMPLE, "POST /v1/recommendations").await);
}

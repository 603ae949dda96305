use std::fs;
use std::sync::Mutex;

use serde_json::json;
use shared::api::routes::ROUTES;
use shared::recommend::Recommending;
use shared::testing;

use super::*;

/// Functions that answer as those of the release do, but for one fault.
#[derive(Debug)]
struct Played {
    release: Release,
    /// Of the function in front, this is answered.
    fault: Option<(&'static str, Value)>,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Functions for Played {
    async fn invoke(&self, arn: &str, event: &Value) -> Result<Value, String> {
        let key = event["routeKey"].as_str().unwrap_or_default();
        self.asked.lock().unwrap().push(format!("{arn} {key}"));
        if let Some((function, answer)) = &self.fault
            && arn == *function
        {
            return Ok(answer.clone());
        }
        let http = |status: u16, body: Value| json!({"statusCode": status, "body": body.to_string()});
        Ok(match (arn, key) {
            ("authorize", _) => json!({"isAuthorized": false, "context": {}}),
            ("update-profiles", _) => json!({"batchItemFailures": []}),
            (_, "POST /v1/recommendations" | "POST /v1/rankings") => {
                let body: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
                let asked = |q: &&shared::release::Question| json!(q.history) == body["history"];
                let question = self.release.questions.iter().find(asked).unwrap();
                let model = json!({"digest": self.release.digest});
                http(200, json!({"items": question.items, "receipt": {"rung": "function", "model": model}}))
            }
            ("plan-batch", _) => json!({"go": false}),
            ("score-batch", _) => json!({"done": true}),
            ("finish-batch", _) => Value::Null,
            (_, "GET /v1/batches/{id}" | "GET /v1/batches/{id}/results") => {
                http(404, json!({"code": "unknown_batch"}))
            }
            (_, "POST /v1/events" | "POST /v1/batches" | "DELETE /v1/users/{id}") => {
                http(422, json!({"code": "invalid_request"}))
            }
            _ => http(200, json!({})),
        })
    }
}

#[derive(Debug, Default)]
struct Told(Mutex<Vec<bool>>);

#[async_trait]
impl Deployments for Told {
    async fn report(&self, hook: &Hook, passed: bool) -> Result<(), String> {
        assert_eq!(hook.deployment_id, "d-1");
        self.0.lock().unwrap().push(passed);
        Ok(())
    }
}

struct Trial {
    layer: tempfile::TempDir,
    played: Arc<Played>,
    told: Arc<Told>,
    functions: Vec<&'static str>,
}

impl Trial {
    fn new(fault: Option<(&'static str, Value)>) -> Self {
        let layer = tempfile::tempdir().unwrap();
        let model = layer.path().join("model");
        fs::create_dir(&model).unwrap();
        testing::write_artifact(&model, &testing::ITEMS, 2, |row, d| {
            if (row < 4) == (d == 0) { 1.0 + row as f32 / 16.0 } else { 0.1 }
        });
        let release = Release::of(&Recommending::open(&model).unwrap()).unwrap();
        fs::write(layer.path().join(FILE), serde_json::to_vec(&release).unwrap()).unwrap();
        let mut functions: Vec<_> = ROUTES.iter().map(|route| route.function).collect();
        functions.extend(["authorize", "update-profiles", "plan-batch", "score-batch", "finish-batch"]);
        functions.sort_unstable();
        functions.dedup();
        let played = Arc::new(Played { release, fault, asked: Mutex::default() });
        Self { layer, played, told: Arc::default(), functions }
    }

    /// What CodeDeploy is told.
    async fn passes(&self) -> bool {
        let version = |name: &&str| Version { function: (*name).into(), arn: (*name).into() };
        let state = State {
            model: self.layer.path().join("model"),
            versions: self.functions.iter().map(version).collect(),
            functions: self.played.clone(),
            deployments: self.told.clone(),
        };
        let hook = json!({"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "e-1"});
        handle(serde_json::from_value(hook).unwrap(), &state).await.unwrap();
        let told = self.told.0.lock().unwrap();
        assert_eq!(told.len(), 1, "CodeDeploy is told once");
        told[0]
    }
}

#[tokio::test]
async fn a_release_that_answers_as_it_should_goes_on_and_every_route_was_asked() {
    let trial = Trial::new(None);
    assert!(trial.passes().await);
    let asked = trial.played.asked.lock().unwrap();
    for route in ROUTES {
        let key = format!("{} {} {}", route.function, route.method, route.path);
        assert!(asked.contains(&key), "{key} was not asked: {asked:?}");
    }
    for function in ["authorize", "update-profiles", "plan-batch", "score-batch", "finish-batch"] {
        assert!(asked.iter().any(|asked| asked.starts_with(function)), "{function} was not asked");
    }
}

#[tokio::test]
async fn one_function_that_answers_otherwise_holds_back_all() {
    let popular = json!({"items": [], "receipt": {"rung": "popular"}}).to_string();
    for (function, answer) in [
        ("recommend", json!({"statusCode": 200, "body": popular})),
        ("recommend", json!({"statusCode": 500, "body": ""})),
        ("rank", json!({"statusCode": 200, "body": "{}"})),
        ("items", json!({"statusCode": 404, "body": "{\"code\":\"unknown_item\"}"})),
        ("users", json!({"statusCode": 424, "body": "{\"code\":\"store_unavailable\"}"})),
        ("events", json!({"statusCode": 202, "body": "{}"})),
        ("health", json!({"statusCode": 502})),
        ("authorize", json!({"isAuthorized": true})),
        ("update-profiles", json!({"batchItemFailures": [{"itemIdentifier": "1"}]})),
        ("batches", json!({"statusCode": 202, "body": "{}"})),
        ("plan-batch", json!({"go": true})),
        ("score-batch", json!({"errorMessage": "no such table", "errorType": "Error"})),
        ("finish-batch", json!("failed")),
        ("similar", json!(null)),
    ] {
        assert!(!Trial::new(Some((function, answer.clone()))).passes().await, "{function}: {answer}");
    }
}

#[tokio::test]
async fn an_altered_model_is_held_back_before_anybody_is_asked() {
    let trial = Trial::new(None);
    let config = trial.layer.path().join("model/config.json");
    let text = fs::read_to_string(&config).unwrap().replace("\"testing\"", "\"tasting\"");
    fs::write(&config, text).unwrap();
    assert!(!trial.passes().await);
    assert!(trial.played.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_layer_that_marquee_release_did_not_make_is_held_back() {
    let trial = Trial::new(None);
    fs::remove_file(trial.layer.path().join(FILE)).unwrap();
    assert!(!trial.passes().await);
    let mut other = trial.played.release.clone();
    other.digest = "0".repeat(64);
    let trial = Trial::new(None);
    fs::write(trial.layer.path().join(FILE), serde_json::to_vec(&other).unwrap()).unwrap();
    assert!(!trial.passes().await);
}

#[tokio::test]
async fn a_function_that_nothing_is_known_to_ask_holds_back_the_release() {
    let mut trial = Trial::new(None);
    trial.functions.push("compose-music");
    assert!(!trial.passes().await);
}

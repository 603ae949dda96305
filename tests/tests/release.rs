//! Releases: `marquee release` as operators run it, and the hook that judges one, which asks the real binaries of every
//! function and tells a CodeDeploy that is played here.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::{Path as Captured, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use shared::api::routes::ROUTES;
use tempfile::TempDir;
use tests::{Emulator, Finished, binaries, copy_dir, marquee, model_dir, root};

use crate::cloud::Cloud;

/// What a release is made of, of a checkout.
const FILES: [&str; 5] =
    ["Cargo.lock", "Cargo.toml", "samconfig.toml", "template.yaml", "deploy/monitoring.yaml"];

/// A checkout with a little code in it.
struct Checkout {
    folder: TempDir,
}

impl Checkout {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        for name in ["deploy", "functions/health", "shared"] {
            fs::create_dir_all(folder.path().join(name))?;
        }
        for name in FILES.into_iter().chain(["functions/health/Cargo.toml", "shared/Cargo.toml"]) {
            fs::copy(root().join(name), folder.path().join(name))?;
        }
        Ok(Self { folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn release(&self, model: &Path, options: &[&str]) -> Result<Finished> {
        let code = self.folder.path();
        let arguments = ["release".as_ref(), model.as_os_str(), "--code".as_ref(), code.as_os_str()];
        marquee(arguments.into_iter().chain(options.iter().map(AsRef::as_ref)))
    }

    fn digest(&self) -> Result<String> {
        let text = fs::read_to_string(self.path("target/release/parameters.yaml"))?;
        let digest = text.strip_prefix("ReleaseDigest: \"").and_then(|rest| rest.strip_suffix("\"\n"));
        Ok(digest.context("one parameter")?.to_owned())
    }

    fn layer(&self) -> PathBuf {
        self.path("target/layer/marquee")
    }
}

/// A copy of the demo's model to do something to.
fn copied(to: &Path) -> Result<PathBuf> {
    let model = to.join("model");
    copy_dir(model_dir(), &model)?;
    Ok(model)
}

#[test]
fn a_release_is_a_layer_and_a_digest_and_says_how_to_deploy_it() -> Result<()> {
    let checkout = Checkout::new()?;
    let home = tempfile::tempdir()?;
    let model = copied(home.path())?;
    fs::write(model.join("notes.txt"), "tried with 32 factors first")?;
    let finished = checkout.release(&model, &["--stage", "staging"])?;
    assert!(finished.status.success(), "{finished}");
    assert!(finished.stdout.contains("sam build && sam deploy --config-env staging"), "{finished}");
    assert!(finished.stdout.contains("left out   notes.txt"), "{finished}");
    let verified = marquee(["verify".as_ref(), checkout.layer().join("model").as_os_str()])?;
    assert!(verified.status.success(), "{verified}");
    assert!(!checkout.layer().join("model/notes.txt").exists());
    let release: Value = serde_json::from_str(&fs::read_to_string(checkout.layer().join("release.json"))?)?;
    assert!(release["questions"].as_array().is_some_and(|questions| questions.len() >= 3), "{release}");
    let digest = checkout.digest()?;
    assert!(finished.stdout.contains(&digest), "{finished}");

    checkout.release(&model, &[])?;
    assert_eq!(checkout.digest()?, digest, "the same release is the same");
    fs::write(checkout.path("functions/health/new.rs"), "// New.")?;
    checkout.release(&model, &[])?;
    assert_ne!(checkout.digest()?, digest, "other code is another release");
    let beside: Vec<_> = fs::read_dir(checkout.path("target"))?.map(|e| e.unwrap().file_name()).collect();
    assert_eq!(beside.len(), 2, "nothing is left behind: {beside:?}");
    Ok(())
}

#[test]
fn an_artifact_without_derived_tensors_gets_them_and_stays_as_it_is() -> Result<()> {
    let checkout = Checkout::new()?;
    let home = tempfile::tempdir()?;
    let model = copied(home.path())?;
    fs::remove_file(model.join("serving.safetensors"))?;
    let path = model.join("manifest.json");
    let mut manifest: Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
    manifest["files"].as_object_mut().context("files")?.remove("serving.safetensors");
    fs::write(&path, manifest.to_string())?;
    let finished = checkout.release(&model, &[])?;
    assert!(finished.status.success(), "{finished}");
    assert!(checkout.layer().join("model/serving.safetensors").is_file());
    assert!(!model.join("serving.safetensors").exists());
    Ok(())
}

#[test]
fn what_verify_refuses_is_refused_and_the_release_before_stays() -> Result<()> {
    let checkout = Checkout::new()?;
    assert!(checkout.release(model_dir(), &[])?.status.success());
    let digest = checkout.digest()?;
    let home = tempfile::tempdir()?;
    let model = copied(home.path())?;
    let weights = model.join("model.safetensors");
    let mut bytes = fs::read(&weights)?;
    *bytes.last_mut().context("weights")? ^= 1;
    fs::write(&weights, bytes)?;
    let finished = checkout.release(&model, &[])?;
    assert_eq!(finished.status.code(), Some(1), "{finished}");
    assert!(
        finished.stderr.contains("model.safetensors") && finished.stderr.contains("altered"),
        "{finished}"
    );
    assert_eq!(checkout.digest()?, digest);
    assert!(marquee(["verify".as_ref(), checkout.layer().join("model").as_os_str()])?.status.success());
    Ok(())
}

#[test]
fn a_release_needs_a_checkout_and_replaces_nothing_that_is_no_layer() -> Result<()> {
    let nowhere = tempfile::tempdir()?;
    let code = nowhere.path().as_os_str();
    let finished = marquee(["release".as_ref(), model_dir().as_os_str(), "--code".as_ref(), code])?;
    assert!(!finished.status.success() && finished.stderr.contains("--code DIR"), "{finished}");
    let checkout = Checkout::new()?;
    fs::create_dir_all(checkout.path("target/layer/photos"))?;
    let finished = checkout.release(model_dir(), &[])?;
    assert!(!finished.status.success() && finished.stderr.contains("`photos`"), "{finished}");
    assert!(checkout.path("target/layer/photos").is_dir());
    Ok(())
}

/// Every function as the release brings it, where Lambda and CodeDeploy would be.
struct Played {
    functions: BTreeMap<String, Mutex<Emulator>>,
    told: Mutex<Vec<Value>>,
}

async fn invoke(
    State(played): State<Arc<Played>>,
    Captured(arn): Captured<String>,
    event: String,
) -> Response {
    let answered = tokio::task::spawn_blocking(move || -> Result<Result<Value, (u16, String)>> {
        let name = arn.rsplit(':').nth(1).context("a version's ARN")?;
        let function = played.functions.get(name).with_context(|| format!("no function {name}"))?;
        let event = serde_json::from_str(&event)?;
        function.lock().unwrap_or_else(PoisonError::into_inner).hand(&event)
    });
    match answered.await {
        Ok(Ok(Ok(answer))) => answer.to_string().into_response(),
        Ok(Ok(Err((_, said)))) => ([("x-amz-function-error", "Unhandled")], said).into_response(),
        failed => (StatusCode::INTERNAL_SERVER_ERROR, format!("{failed:?}")).into_response(),
    }
}

async fn told(State(played): State<Arc<Played>>, body: String) -> String {
    let said = serde_json::from_str(&body).unwrap_or(Value::Null);
    played.told.lock().unwrap_or_else(PoisonError::into_inner).push(said);
    json!({"lifecycleEventHookExecutionId": "e-1"}).to_string()
}

/// What the hook tells CodeDeploy of a release whose `recommend` finds its model here, and what it logs.
fn judged(release: &Checkout, recommend: &Path) -> Result<(Value, String)> {
    let cloud = Cloud::start()?;
    let model = release.layer().join("model");
    let mut names: Vec<_> = ROUTES.iter().map(|route| route.function).collect();
    names.extend(["authorize", "update-profiles"]);
    names.sort_unstable();
    names.dedup();
    let mut functions = BTreeMap::new();
    for name in &names {
        let folder = if *name == "recommend" { recommend } else { model.as_path() };
        functions.insert((*name).to_owned(), Mutex::new(cloud.function_of(name, folder, [])?));
    }
    let played = Arc::new(Played { functions, told: Mutex::default() });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let address = runtime.block_on(serve(Arc::clone(&played)))?;
    let arn = |name: &&str| format!("{name}=arn:aws:lambda:eu-central-1:123456789012:function:{name}:7");
    let versions: Vec<_> = names.iter().map(arn).collect();
    let hook = Emulator::start(
        binaries().path("verify-release"),
        [
            ("AWS_ENDPOINT_URL", format!("http://{address}")),
            ("AWS_REGION", "eu-central-1".into()),
            ("AWS_ACCESS_KEY_ID", "emulator".into()),
            ("AWS_SECRET_ACCESS_KEY", "emulator".into()),
            ("MARQUEE_MODEL_DIR", model.to_str().context("a path in UTF-8")?.into()),
            ("MARQUEE_RELEASE_VERSIONS", versions.join(",")),
        ],
    )?;
    let event = fs::read_to_string(root().join("events/verify-release/before-traffic.json"))?;
    let outcome = hook.hand(&serde_json::from_str(&event)?)?;
    let log = hook.end()?;
    outcome.map_err(|(_, said)| anyhow::anyhow!("{said}\n{log}"))?;
    let told = played.told.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(told.len(), 1, "CodeDeploy is told once: {told:?}\n{log}");
    Ok((told[0].clone(), log))
}

async fn serve(played: Arc<Played>) -> Result<SocketAddr> {
    let router = Router::new()
        .route("/2015-03-31/functions/{arn}/invocations", post(invoke))
        .route("/", post(told))
        .with_state(played);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

#[test]
fn the_hook_lets_a_release_pass_whose_functions_answer_as_its_model_did() -> Result<()> {
    let release = Checkout::new()?;
    assert!(release.release(model_dir(), &[])?.status.success());
    let (told, log) = judged(&release, &release.layer().join("model"))?;
    let expected = json!({"deploymentId": "d-A1B2C3D4E", "lifecycleEventHookExecutionId": "eyJlbmNyeXB0ZWQ",
        "status": "Succeeded"});
    assert_eq!(told, expected, "{log}");
    Ok(())
}

#[test]
fn the_hook_holds_back_a_release_in_which_a_function_has_another_model() -> Result<()> {
    let release = Checkout::new()?;
    assert!(release.release(model_dir(), &[])?.status.success());
    let home = tempfile::tempdir()?;
    let other = home.path().join("other");
    let trained = marquee(["train", "--demo", "--factors", "8", "--out", other.to_str().context("UTF-8")?])?;
    assert!(trained.status.success(), "{trained}");
    let (told, log) = judged(&release, &other)?;
    assert_eq!(told["status"], "Failed", "{log}");
    assert!(log.contains("recommend: POST /v1/recommendations, question 1"), "{log}");
    assert!(!log.contains("rank: "), "the others are right:\n{log}");
    Ok(())
}

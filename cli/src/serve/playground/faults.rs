//! What is wrong on purpose: `GET` and `PUT /playground/faults`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::api::http::{self, RequestId};
use shared::api::{Check, Checker, FaultCode};
use tokio::sync::watch;

use super::Stage;

/// What goes wrong now.
#[derive(Debug)]
pub(super) struct Faults(watch::Sender<Settings>);

/// The body of `/playground/faults`, both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    pub(super) accelerator: AcceleratorFault,
    pub(super) profiles: ProfilesFault,
}

/// How the accelerators fare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AcceleratorFault {
    /// As if none were configured.
    Unplugged,
    /// As they are.
    None,
    /// Out of reach.
    Cut,
    /// They answer when nobody waits any more.
    Slow,
    /// They answer with rows that no catalogue has.
    Nonsense,
}

/// How the store of people's state fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ProfilesFault {
    /// As it is.
    None,
    /// It fails whatever it is asked for.
    Down,
}

impl Check for Settings {
    fn check(value: &Value, checker: &mut Checker) {
        let Some(object) = checker.object(value, &["accelerator", "profiles"]) else { return };
        checker.required::<AcceleratorFault>(object, "accelerator");
        checker.required::<ProfilesFault>(object, "profiles");
    }
}

impl Check for AcceleratorFault {
    fn check(value: &Value, checker: &mut Checker) {
        word(value, checker, &["unplugged", "none", "cut", "slow", "nonsense"]);
    }
}

impl Check for ProfilesFault {
    fn check(value: &Value, checker: &mut Checker) {
        word(value, checker, &["none", "down"]);
    }
}

fn word(value: &Value, checker: &mut Checker, known: &[&str]) {
    if checker.string(value).is_some_and(|word| !known.contains(&word)) {
        checker.fault(FaultCode::InvalidValue, format!("expected one of {}", known.join(", ")));
    }
}

impl Faults {
    /// No fault but this one.
    pub(super) fn new(accelerator: AcceleratorFault) -> Self {
        Self(watch::Sender::new(Settings { accelerator, profiles: ProfilesFault::None }))
    }

    pub(super) fn now(&self) -> Settings {
        *self.0.borrow()
    }

    fn set(&self, settings: Settings) {
        self.0.send_replace(settings);
    }

    /// Waits until the accelerators fare otherwise than so.
    pub(super) async fn no_longer(&self, fault: AcceleratorFault) {
        // It fails only when the sender is gone, which is this.
        drop(self.0.subscribe().wait_for(|settings| settings.accelerator != fault).await);
    }
}

/// The routes. A page of another site can't use them: the service answers to names of this machine alone, and a body has to
/// be declared as JSON, which a browser sends elsewhere only with a permission that nobody here gives.
pub(super) fn router(stage: Arc<Stage>) -> Router {
    Router::new().route("/playground/faults", get(show).put(set)).with_state(stage)
}

async fn show(State(stage): State<Arc<Stage>>, id: RequestId) -> Response {
    http::reply(Ok(stage.faults.now()), id)
}

async fn set(State(stage): State<Arc<Stage>>, id: RequestId, request: Request) -> Response {
    let settings = match http::json_body::<Settings>(request).await {
        Ok(settings) => settings,
        Err(problem) => return http::reply::<()>(Err(problem), id),
    };
    stage.faults.set(settings);
    stage.changed().await;
    http::reply(Ok(settings), id)
}

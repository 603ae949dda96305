//! The authorizer: whether the key that a caller presents may be used for the route that it asks for.
//!
//! API Gateway asks for each pair of header and route once, and keeps the answer for a while (`template.yaml`).

use aws_lambda_events::apigw::{
    ApiGatewayV2CustomAuthorizerSimpleResponse, ApiGatewayV2CustomAuthorizerV2Request,
};
use serde::{Deserialize, Serialize};
use shared::api::history::Time;
use shared::api::routes::{self, Route};
use shared::config::KeysSettings;
use shared::keys::{Denied, Key, KeyRing, Refusal};
use shared::secrets::{Cached, SecretError, Secrets};
use shared::telemetry;

/// What lives as long as the process: the keys.
#[derive(Debug)]
pub struct State {
    keys: Cached<KeyRing>,
}

impl State {
    /// With these keys.
    #[must_use]
    pub fn new(keys: Cached<KeyRing>) -> Self {
        Self { keys }
    }

    /// With the keys in Secrets Manager, read now: a start has time that no caller waits for. When they can't be had,
    /// the first event tries again.
    pub async fn start(settings: &KeysSettings) -> Self {
        let state = Self::new(Secrets::default().key_ring(settings));
        state.keys.warm_up().await;
        state
    }
}

/// What the function behind the route is told of the caller; the gateway takes text alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Caller {
    /// The key's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// Its scopes, separated by spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<String>,
}

impl Caller {
    fn of(key: &Key) -> Self {
        Self { key_id: Some(key.id.to_string()), scopes: Some(key.scope_names()) }
    }

    /// Whose key is valid and may not be used here is known for the log.
    fn known_by(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Forbidden { key, .. } => Self { key_id: Some(key.to_string()), scopes: None },
            Refusal::Unauthorized(_) => Self::default(),
        }
    }
}

/// The gateway's question, and the answer to it.
pub type Question = ApiGatewayV2CustomAuthorizerV2Request;
/// See [`Question`].
pub type Decision = ApiGatewayV2CustomAuthorizerSimpleResponse<Caller>;

/// Decides one question. Nobody is let in without a key, or for a route that is not in the table.
///
/// # Errors
/// When the keys were never read and can't be read now: a caller gets 500 then, and not the 403 of a wrong key.
pub async fn handle(event: Question, state: &State) -> Result<Decision, lambda_runtime::Error> {
    let route_key = event.route_key.as_deref().unwrap_or_default();
    let header = event.headers.get("authorization");
    // What is not text is no key either.
    let presented = header.map(|value| value.to_str().unwrap_or_default());
    let (caller, reason) = match routes::of_key(route_key) {
        None => (Caller::default(), Some("unknown_route")),
        Some(route) => match admit(state, route, presented).await? {
            Ok(key) => (key.map(|key| Caller::of(&key)).unwrap_or_default(), None),
            Err(refusal) => (Caller::known_by(&refusal), Some(refusal.name())),
        },
    };
    telemetry::authorized(route_key, reason.is_none(), caller.key_id.as_deref(), reason);
    let mut decision = Decision::default();
    decision.is_authorized = reason.is_none();
    decision.context = caller;
    Ok(decision)
}

/// Whom a route lets in. A key that is not known may be newer than our copy of the ring, which is read again then: so a
/// key works from the moment it is in the ring.
async fn admit(
    state: &State,
    route: &Route,
    presented: Option<&str>,
) -> Result<Result<Option<Key>, Refusal>, SecretError> {
    if route.scope.is_none() {
        return Ok(Ok(None));
    }
    let admitted = |ring: &KeyRing| ring.admit(route, presented, Time::now()).map(Option::cloned);
    match admitted(&*state.keys.get().await?) {
        Err(Refusal::Unauthorized(Denied::Unknown)) => Ok(admitted(&*state.keys.get_newer().await?)),
        decided => Ok(decided),
    }
}

#[cfg(test)]
mod tests;

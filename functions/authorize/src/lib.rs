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
    let request_id = event.request_context.request_id.as_deref();
    let header = event.headers.get("authorization");
    // What is not text is no key either.
    let presented = header.map(|value| value.to_str().unwrap_or_default());
    let (allowed, key_id, scopes, reason) = match routes::of_key(route_key) {
        None => (false, None, None, "unknown_route"),
        Some(route) => match admit(state, route, presented).await? {
            Ok(None) => (true, None, None, "public_route"),
            Ok(Some(key)) => (true, Some(key.id.to_string()), Some(key.scope_names()), "valid_key"),
            Err(refusal) => (false, known_by(&refusal), None, refusal.name()),
        },
    };
    tracing::info!(allowed, key_id, route = route_key, reason, request_id, "decided");
    let mut decision = Decision::default();
    decision.is_authorized = allowed;
    decision.context = Caller { key_id, scopes };
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
    let admitted = |ring: &KeyRing| ring.admit(route, presented, Time::now()).map(|key| key.cloned());
    match admitted(&*state.keys.get().await?) {
        Err(Refusal::Unauthorized(Denied::Unknown)) => Ok(admitted(&*state.keys.get_newer().await?)),
        decided => Ok(decided),
    }
}

/// The id of a key that is valid and may not be used here.
fn known_by(refusal: &Refusal) -> Option<String> {
    match refusal {
        Refusal::Forbidden { key, .. } => Some(key.to_string()),
        Refusal::Unauthorized(_) => None,
    }
}

#[cfg(test)]
mod tests;

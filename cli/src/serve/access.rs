//! Who is answered: this machine alone, or whoever has a key.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Result, bail};
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use shared::api::history::Time;
use shared::api::http::{self, RequestId};
use shared::api::routes::{self, ROUTES};
use shared::api::{Problem, ProblemCode};
use shared::keys::{Denied, Key, KeyRing, Refusal};
use shared::telemetry;

use super::ring::Ring;
use crate::commands::KeysFrom;

/// Whom the service answers.
pub(super) enum Access {
    /// Anybody on this machine.
    Open,
    /// Whoever has a key of this ring.
    Keys(Arc<Ring>),
}

impl Access {
    /// Open without keys, which is refused where other machines could ask.
    ///
    /// # Errors
    /// When there are no keys to be had.
    pub(super) async fn of(host: IpAddr, api_keys: Option<&KeysFrom>) -> Result<Self> {
        match api_keys {
            Some(from) => Ok(Self::Keys(Arc::new(Ring::open(from).await?))),
            None if host.is_loopback() => Ok(Self::Open),
            None => bail!(
                "--host {host} lets other machines in, and that needs keys: give --api-keys FILE (`marquee keys new \
                 --scopes recommend --ring FILE` makes one)"
            ),
        }
    }

    /// What the OpenAPI document says of it.
    pub(super) fn documented(&self) -> routes::Access {
        match self {
            Self::Open => routes::Access::Open,
            Self::Keys(_) => routes::Access::Keys,
        }
    }

    /// The header that a sample request needs, ready for a shell.
    pub(super) fn sample_header(&self) -> &'static str {
        match self {
            Self::Open => "",
            Self::Keys(_) => " -H \"authorization: Bearer $KEY\"",
        }
    }

    /// Lets through what may pass.
    pub(super) fn guard(&self, routes: Router) -> Router {
        match self {
            Self::Open => routes.layer(middleware::from_fn(only_local_names)),
            Self::Keys(ring) => routes.layer(middleware::from_fn_with_state(Arc::clone(ring), only_with_key)),
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("open to this machine alone"),
            Self::Keys(ring) => write!(f, "open to the keys of {ring}"),
        }
    }
}

/// A page on the internet can make a browser ask 127.0.0.1 under the page's own name (DNS rebinding); such a name is
/// not ours, and is not answered. Where keys are asked for this is not: such a page has none.
async fn only_local_names(id: RequestId, request: Request, next: Next) -> Response {
    if http::asks_by_local_name(request.headers()) {
        return next.run(request).await;
    }
    let detail = "this service runs open on one machine; ask it as localhost or 127.0.0.1";
    http::reply::<()>(Err(Problem::new(ProblemCode::HostNotAllowed, detail)), id)
}

/// What the authorizer does on AWS, by the same table and the same check. A route that is not in the table is closed, as
/// it is there: a route that somebody forgot to list is never an open one.
async fn only_with_key(
    State(ring): State<Arc<Ring>>,
    id: RequestId,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    // What no route matches is answered as unknown, and pages that hold nothing of anybody's are open.
    let Some(path) = path.filter(|path| !is_page(path.as_str())) else { return next.run(request).await };
    let Some(route) = routes::of(request.method().as_str(), path.as_str()) else {
        return not_in_the_table(path.as_str(), id);
    };
    let presented = presented(request.headers());
    let admit = |ring: &KeyRing| ring.admit(route, presented, Time::now()).map(Option::<&Key>::cloned);
    let admitted = match admit(&*ring.read().await) {
        // It may be newer than our copy.
        Err(Refusal::Unauthorized(Denied::Unknown)) => admit(&*ring.read_newer().await),
        decided => decided,
    };
    let key_id = match &admitted {
        Ok(key) => key.as_ref().map(|key| key.id.as_str()),
        Err(Refusal::Forbidden { key, .. }) => Some(key.as_str()),
        Err(Refusal::Unauthorized(_)) => None,
    };
    let reason = admitted.as_ref().err().map(Refusal::name);
    if route.scope.is_some() {
        telemetry::authorized(&format!("{} {}", route.method, route.path), reason.is_none(), key_id, reason);
    }
    match admitted {
        Ok(_) => next.run(request).await,
        Err(refusal) => http::reply::<()>(Err(refusal.into()), id),
    }
}

/// The local service's own pages, which the API on AWS does not have.
fn is_page(path: &str) -> bool {
    ["/", "/docs"].contains(&path) || ["/docs/", "/playground/"].iter().any(|folder| path.starts_with(folder))
}

/// The header's one value; several are none, and neither is what is not text.
fn presented(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.to_str().unwrap_or_default()),
        (Some(_), Some(_)) => Some(""),
        (None, _) => None,
    }
}

fn not_in_the_table(path: &str, id: RequestId) -> Response {
    let methods: Vec<_> =
        ROUTES.iter().filter(|route| route.path == path).map(|route| route.method).collect();
    if methods.is_empty() {
        return http::reply::<()>(Err(Problem::new(ProblemCode::NotFound, "no such route")), id);
    }
    let detail = "the header Allow names the methods of this route";
    let mut response = http::reply::<()>(Err(Problem::new(ProblemCode::MethodNotAllowed, detail)), id);
    if let Ok(allow) = HeaderValue::from_str(&methods.join(",")) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

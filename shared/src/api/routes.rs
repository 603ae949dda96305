//! The one table of routes: what is answered, by which function, and which scope a key needs for it. The routers, the
//! template, the OpenAPI document and the authorizer agree with it; tests hold them to it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a key may be used for. The names are part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub enum Scope {
    /// Recommendations, rankings, and the catalogue.
    Recommend,
    /// Sending events.
    Events,
    /// Seeing and erasing what is held about people.
    Users,
    /// Batch runs.
    Batches,
    /// Everything.
    Admin,
}

impl Scope {
    /// Every scope, in the order of the contract.
    pub const ALL: [Self; 5] = [Self::Recommend, Self::Events, Self::Users, Self::Batches, Self::Admin];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Recommend => "recommend",
            Self::Events => "events",
            Self::Users => "users",
            Self::Batches => "batches",
            Self::Admin => "admin",
        }
    }

    /// Whether a key with this scope may be used where `needed` is asked for.
    #[must_use]
    pub fn opens(self, needed: Self) -> bool {
        self == needed || self == Self::Admin
    }
}

/// How a service knows its callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Not at all: whoever reaches it may use it.
    Open,
    /// By the API key that every route but the public ones asks for.
    Keys,
}

/// What the OpenAPI document's `security` says of it.
#[must_use]
pub fn security(access: Access) -> Value {
    match access {
        Access::Open => json!([{}, {"bearer": []}]),
        Access::Keys => json!([{"bearer": []}]),
    }
}

/// One route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its method.
    pub method: &'static str,
    /// Its path, with parameters in braces as API Gateway, OpenAPI and axum all write them.
    pub path: &'static str,
    /// The function that answers: package, folder and binary have this name.
    pub function: &'static str,
    /// The scope that a key needs; `None` for a public route.
    pub scope: Option<Scope>,
}

/// Every route of the service.
pub const ROUTES: &[Route] = &[
    route("POST", "/v1/recommendations", "recommend", Some(Scope::Recommend)),
    route("POST", "/v1/rankings", "rank", Some(Scope::Recommend)),
    route("GET", "/v1/items", "items", Some(Scope::Recommend)),
    route("GET", "/v1/items/{id}", "items", Some(Scope::Recommend)),
    route("GET", "/v1/items/{id}/similar", "similar", Some(Scope::Recommend)),
    route("GET", "/v1/popular", "items", Some(Scope::Recommend)),
    route("POST", "/v1/events", "events", Some(Scope::Events)),
    route("GET", "/v1/users/{id}", "users", Some(Scope::Users)),
    route("GET", "/v1/users/{id}/events", "users", Some(Scope::Users)),
    route("DELETE", "/v1/users/{id}", "users", Some(Scope::Users)),
    route("POST", "/v1/batches", "batches", Some(Scope::Batches)),
    route("GET", "/v1/batches", "batches", Some(Scope::Batches)),
    route("GET", "/v1/batches/{id}", "batches", Some(Scope::Batches)),
    route("GET", "/v1/batches/{id}/results", "batches", Some(Scope::Batches)),
    route("DELETE", "/v1/batches/{id}", "batches", Some(Scope::Batches)),
    route("GET", "/v1/health", "health", None),
    route("GET", "/v1/ready", "health", None),
    route("GET", "/openapi.json", "health", None),
];

const fn route(
    method: &'static str,
    path: &'static str,
    function: &'static str,
    scope: Option<Scope>,
) -> Route {
    Route { method, path, function, scope }
}

/// The route of a method and a path template (`/v1/items/{id}`); `None` when there is no such route. `HEAD` is `GET`
/// without the body, as axum's routers answer it.
#[must_use]
pub fn of(method: &str, path: &str) -> Option<&'static Route> {
    let method = if method == "HEAD" { "GET" } else { method };
    ROUTES.iter().find(|route| route.method == method && route.path == path)
}

/// The same by API Gateway's route key (`GET /v1/items/{id}`).
#[must_use]
pub fn of_key(route_key: &str) -> Option<&'static Route> {
    route_key.split_once(' ').and_then(|(method, path)| of(method, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_found_by_its_key_and_by_nothing_else() {
        for route in ROUTES {
            assert_eq!(of_key(&format!("{} {}", route.method, route.path)), Some(route));
        }
        assert_eq!(of("HEAD", "/v1/items").map(|route| route.method), Some("GET"));
        for (method, path) in [("PUT", "/v1/items"), ("HEAD", "/v1/events"), ("GET", "/v1/items/alien-1979")]
        {
            assert_eq!(of(method, path), None, "{method} {path}");
        }
        for key in ["$default", "", "GET", "GET/v1/items"] {
            assert_eq!(of_key(key), None, "{key}");
        }
    }

    #[test]
    fn admin_opens_everything_and_every_other_scope_itself_alone() {
        for scope in Scope::ALL {
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.name());
            let opened = Scope::ALL.into_iter().filter(|needed| scope.opens(*needed)).count();
            assert_eq!(opened, if scope == Scope::Admin { Scope::ALL.len() } else { 1 });
        }
    }
}

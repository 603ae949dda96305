//! The OpenAPI document. The committed one is answered: what makes it from the types stays out of the binary.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::Value;
use shared::api::routes::{Access, security};

/// The document of a service with keys.
const WITH_KEYS: &str = include_str!("../../../docs/openapi.json");

/// The route of a service that knows its callers in this way.
pub(crate) fn router(access: Access) -> Router {
    Router::new().route("/openapi.json", get(openapi)).with_state(of(access))
}

async fn openapi(State(document): State<Bytes>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], document)
}

/// The document of an open service is that of one with keys, and says that none is needed.
fn of(access: Access) -> Bytes {
    let with_keys = Bytes::from_static(WITH_KEYS.as_bytes());
    if access == Access::Keys {
        return with_keys;
    }
    let mut document: Value = serde_json::from_str(WITH_KEYS).expect("a test reads the committed document");
    document["security"] = security(access);
    document.to_string().into()
}

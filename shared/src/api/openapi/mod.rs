//! The OpenAPI 3.1 document, made from [`ROUTES`] and from the types that the routes read and write.
//!
//! It is committed as `docs/openapi.json`, which is what a service answers: nothing of this is in a function's binary.
//! `cargo run -p shared --features openapi --example openapi > docs/openapi.json` writes it anew.

mod answers;
mod operations;
mod requests;
mod responses;
mod schema;
mod schemas;

use serde_json::{Map, Value, json};

use super::routes::{Access, ROUTES, Route, security};
use operations::{Operation, Tag};
use responses::Responses;
pub(crate) use schema::{one_source, rating_has_value};
use schemas::Schemas;

const DESCRIPTION: &str = "\
What should this person have next? Marquee answers from a model inside every function, and every answer says in its \
`receipt` where it came from.

JSON in and out. Fields that are not listed are refused, and a field that may be left out is not `null`. Times are RFC \
3339 or milliseconds since 1970. Problems come as `application/problem+json` (RFC 9457) with a stable `code`, those of a \
request with every fault at once. Every reply carries `x-request-id`; a caller's own comes back where it is 1 to 64 \
characters of `A-Z a-z 0-9 - _ = . :`.";

const SECURITY: &str =
    "An API key. `401` when it is missing or unknown, `403` when it lacks the scope that the route needs.";

/// The document of a service that knows its callers in this way.
#[must_use]
pub fn document(access: Access) -> Value {
    let (mut schemas, mut responses) = (Schemas::new(), Responses::default());
    let mut paths = Map::new();
    for route in ROUTES {
        let Some(operation) = Operation::of(route) else { continue };
        let item = paths.entry(route.path).or_insert_with(|| json!({}));
        item[route.method.to_lowercase()] = described(route, &operation, &mut schemas, &mut responses);
    }
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "Marquee",
            "summary": "Recommendations over HTTPS",
            "description": DESCRIPTION,
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "Where this document was found."}],
        "tags": Tag::ALL.map(|tag| json!({"name": tag.name(), "description": tag.description()})),
        "security": security(access),
        "paths": paths,
        "components": {
            "schemas": schemas.into_components(),
            "responses": responses.into_components(),
            "headers": responses::headers(),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": SECURITY}},
        },
    })
}

/// One operation of the document.
fn described(
    route: &Route,
    operation: &Operation,
    schemas: &mut Schemas,
    responses: &mut Responses,
) -> Value {
    let scope = route.scope.map(|scope| format!(" A key needs the scope `{}`.", scope.name()));
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "description": format!("{}{}", operation.description, scope.unwrap_or_default()),
        "tags": [operation.tag.name()],
        "responses": responses.of(route, operation, schemas),
    });
    let Operation { path, query, header, .. } = operation;
    let parameters = path.iter().chain(query).chain(header);
    let parameters: Vec<Value> = parameters.flat_map(|parameters| parameters(schemas)).collect();
    if !parameters.is_empty() {
        described["parameters"] = parameters.into();
    }
    if let Some(body) = &operation.body {
        let examples = body.examples.iter().map(|example| {
            (example.name.to_owned(), json!({"summary": example.summary, "value": (example.value)()}))
        });
        described["requestBody"] = json!({
            "required": true,
            "content": {"application/json": {
                "schema": (body.schema)(schemas),
                "examples": examples.collect::<Map<_, _>>(),
            }},
        });
    }
    match route.scope {
        Some(scope) => described["x-scope"] = scope.name().into(),
        None => described["security"] = json!([]),
    }
    described
}

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod tests;

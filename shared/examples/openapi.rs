//! Writes the OpenAPI document of a service with keys, as `docs/openapi.json` holds it.

fn main() {
    println!("{:#}", shared::api::openapi::document(shared::api::routes::Access::Keys));
}

//! What is served, for people and for clients such as NVIDIA's `perf_analyzer`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::accelerator::contract::{BATCH_LIMIT, HISTORY, ITEMS, SCORES, WEIGHTS};

use super::{App, Failure};
use crate::models::Model;

/// The model that a path names.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    pub(super) model: String,
    pub(super) version: Option<String>,
}

/// Name and datatype of each tensor, and whether a request may go without it.
const INPUTS: [(&str, &str, bool); 2] = [(HISTORY, "INT32", false), (WEIGHTS, "FP32", true)];
const OUTPUTS: [(&str, &str); 2] = [(ITEMS, "INT32"), (SCORES, "FP32")];

pub(super) async fn server() -> Json<Value> {
    Json(json!({
        "name": "marquee-accelerator",
        "version": env!("CARGO_PKG_VERSION"),
        "extensions": ["binary_tensor_data", "model_configuration"],
    }))
}

pub(super) async fn model(State(app): State<App>, Path(named): Path<Named>) -> Result<Json<Value>, Failure> {
    let model = app.model(&named.model, named.version.as_deref())?;
    // Any number of histories, of any length; lists of any length.
    let tensor = |name: &str, datatype: &str| json!({"name": name, "datatype": datatype, "shape": [-1, -1]});
    Ok(Json(json!({
        "name": model.name,
        "versions": [model.version],
        "platform": platform(&model),
        "inputs": INPUTS.map(|(name, datatype, _)| tensor(name, datatype)),
        "outputs": OUTPUTS.map(|(name, datatype)| tensor(name, datatype)),
    })))
}

pub(super) async fn ready(State(app): State<App>, Path(named): Path<Named>) -> Result<Response, Failure> {
    let model = app.model(&named.model, named.version.as_deref())?;
    let status = if app.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Json(json!({"name": model.name, "ready": app.is_ready()}))).into_response())
}

/// Triton's model configuration, as far as it says anything here
/// (<https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto>). Its shapes leave out the
/// dimension of the batch.
pub(super) async fn config(State(app): State<App>, Path(named): Path<Named>) -> Result<Json<Value>, Failure> {
    let model = app.model(&named.model, named.version.as_deref())?;
    let triton_type = |datatype: &str| format!("TYPE_{datatype}");
    let input = |(name, datatype, optional)| json!({"name": name, "data_type": triton_type(datatype), "dims": [-1], "optional": optional});
    let output = |(name, datatype)| json!({"name": name, "data_type": triton_type(datatype), "dims": [-1]});
    Ok(Json(json!({
        "name": model.name,
        "platform": platform(&model),
        "backend": "marquee",
        "max_batch_size": BATCH_LIMIT,
        "input": INPUTS.map(input),
        "output": OUTPUTS.map(output),
        "dynamic_batching": {
            "preferred_batch_size": [model.batching.max_batch],
            "max_queue_delay_microseconds": model.batching.max_delay.as_micros() as u64,
        },
    })))
}

fn platform(model: &Model) -> String {
    format!("marquee_{}", model.kind)
}

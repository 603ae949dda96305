//! The Open Inference Protocol v2 over REST, with the binary tensor data extension: what goes over the wire to an accelerator
//! and back, for both sides.
//!
//! Sources: <https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md>, and
//! <https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md>.
//!
//! A message is a JSON object, whose tensors hold their numbers as JSON (`data`, flat or nested in the order of rows) or say
//! how many bytes of the body after the JSON are theirs (`binary_data_size`, little-endian, in the order of the tensors).
//! What is read is untrusted: nothing is allocated that the body has not paid for in bytes.

mod decode;
mod encode;
mod numbers;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

pub use encode::Encoded;

/// The header that says how many bytes of a body are its JSON, where tensors follow in binary.
pub const HEADER_LENGTH: &str = "inference-header-content-length";

/// What a message may be sent with: `timeout`, `binary_data_size` and the like.
pub type Parameters = Map<String, Value>;

/// How a message's numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As JSON, which every server knows.
    Json,
    /// As bytes after the JSON.
    Binary,
}

/// A named array of numbers, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// Its dimensions, whose product is the number of values.
    pub shape: Vec<usize>,
    /// Its values.
    pub data: Data,
}

/// The values of a tensor, of the datatypes that the contract uses.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// `INT32`
    Int32(Vec<i32>),
    /// `FP32`
    Fp32(Vec<f32>),
}

impl Data {
    /// The datatype's name on the wire.
    #[must_use]
    pub const fn datatype(&self) -> &'static str {
        match self {
            Self::Int32(_) => "INT32",
            Self::Fp32(_) => "FP32",
        }
    }

    /// How many values there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::Int32(values) => values.len(),
            Self::Fp32(values) => values.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An output that a request names, and how it is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedOutput {
    /// The output's name.
    pub name: String,
    /// How its numbers are to be written.
    pub encoding: Encoding,
}

/// The body of `POST /v2/models/MODEL/infer`.
#[derive(Clone, Debug, PartialEq)]
pub struct InferRequest {
    /// The caller's name for this request, which the reply repeats.
    pub id: Option<String>,
    /// What it is sent with.
    pub parameters: Parameters,
    /// What the model is given.
    pub inputs: Vec<Tensor>,
    /// What is wanted; empty for every output, written as the reply's own encoding.
    pub outputs: Vec<RequestedOutput>,
}

impl InferRequest {
    /// Whether every output that is not named is wanted in binary (`binary_data_output`).
    #[must_use]
    pub fn default_encoding(&self) -> Encoding {
        match self.parameters.get("binary_data_output") {
            Some(Value::Bool(true)) => Encoding::Binary,
            _ => Encoding::Json,
        }
    }
}

/// The reply to it.
#[derive(Clone, Debug, PartialEq)]
pub struct InferResponse {
    /// The model that answered.
    pub model_name: String,
    /// Its version, where the server has versions.
    pub model_version: Option<String>,
    /// The request's id.
    pub id: Option<String>,
    /// What it is sent with.
    pub parameters: Parameters,
    /// What the model gave.
    pub outputs: Vec<Tensor>,
}

/// A message that breaks the protocol, in words that name the tensor where one is concerned. They hold no values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ProtocolError(pub String);

impl ProtocolError {
    /// An error in a tensor of that name.
    pub fn tensor(name: &str, detail: impl std::fmt::Display) -> Self {
        // A name is a stranger's text: what is not short is cut.
        let name: String = name.chars().take(64).collect();
        Self(format!("tensor {name:?}: {detail}"))
    }
}

//! Writing messages.

use serde::{Serialize, Serializer};

use super::{Data, Encoding, InferRequest, InferResponse, Parameters, RequestedOutput, Tensor};

/// The body of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Its bytes.
    pub body: Vec<u8>,
    /// How many of them are JSON, for [`HEADER_LENGTH`](super::HEADER_LENGTH); `None` where all are.
    pub header_length: Option<usize>,
}

impl Encoded {
    /// The media type, for `Content-Type`.
    #[must_use]
    pub const fn media_type(&self) -> &'static str {
        match self.header_length {
            Some(_) => "application/octet-stream",
            None => "application/json",
        }
    }
}

impl InferRequest {
    /// The request with all its inputs in this encoding.
    #[must_use]
    pub fn encode(&self, encoding: Encoding) -> Encoded {
        let tensors = self.inputs.iter().map(|tensor| (tensor, encoding));
        let head = RequestHead {
            id: self.id.as_deref(),
            parameters: &self.parameters,
            inputs: tensors.clone().map(TensorHead::of).collect(),
            outputs: self.outputs.iter().map(OutputHead::of).collect(),
        };
        message(&head, tensors)
    }
}

impl InferResponse {
    /// The reply, each output in the encoding that `encoding` gives for its name.
    #[must_use]
    pub fn encode(&self, encoding: impl Fn(&str) -> Encoding) -> Encoded {
        let tensors: Vec<_> = self.outputs.iter().map(|tensor| (tensor, encoding(&tensor.name))).collect();
        let head = ResponseHead {
            model_name: &self.model_name,
            model_version: self.model_version.as_deref(),
            id: self.id.as_deref(),
            parameters: &self.parameters,
            outputs: tensors.iter().copied().map(TensorHead::of).collect(),
        };
        message(&head, tensors.into_iter())
    }
}

fn message<'a>(head: &impl Serialize, tensors: impl Iterator<Item = (&'a Tensor, Encoding)>) -> Encoded {
    // Maps with text keys and numbers always serialise.
    let mut body = serde_json::to_vec(head).unwrap_or_default();
    let header_length = body.len();
    let mut is_binary = false;
    for (tensor, encoding) in tensors {
        if encoding == Encoding::Binary {
            is_binary = true;
            match &tensor.data {
                Data::Int32(values) => values.iter().for_each(|v| body.extend_from_slice(&v.to_le_bytes())),
                Data::Fp32(values) => values.iter().for_each(|v| body.extend_from_slice(&v.to_le_bytes())),
            }
        }
    }
    Encoded { body, header_length: is_binary.then_some(header_length) }
}

#[derive(Serialize)]
struct RequestHead<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Parameters::is_empty")]
    parameters: &'a Parameters,
    inputs: Vec<TensorHead<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    outputs: Vec<OutputHead<'a>>,
}

#[derive(Serialize)]
struct ResponseHead<'a> {
    model_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Parameters::is_empty")]
    parameters: &'a Parameters,
    outputs: Vec<TensorHead<'a>>,
}

#[derive(Serialize)]
struct TensorHead<'a> {
    name: &'a str,
    shape: &'a [usize],
    datatype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<BinarySize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Data>,
}

impl<'a> TensorHead<'a> {
    fn of((tensor, encoding): (&'a Tensor, Encoding)) -> Self {
        let binary = encoding == Encoding::Binary;
        let bytes = BinarySize { binary_data_size: tensor.data.len() * 4 };
        Self {
            name: &tensor.name,
            shape: &tensor.shape,
            datatype: tensor.data.datatype(),
            parameters: binary.then_some(bytes),
            data: (!binary).then_some(&tensor.data),
        }
    }
}

#[derive(Serialize)]
struct BinarySize {
    binary_data_size: usize,
}

#[derive(Serialize)]
struct OutputHead<'a> {
    name: &'a str,
    parameters: BinaryData,
}

impl<'a> OutputHead<'a> {
    fn of(output: &'a RequestedOutput) -> Self {
        let parameters = BinaryData { binary_data: output.encoding == Encoding::Binary };
        Self { name: &output.name, parameters }
    }
}

#[derive(Serialize)]
struct BinaryData {
    binary_data: bool,
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Int32(values) => values.serialize(serializer),
            Self::Fp32(values) => values.serialize(serializer),
        }
    }
}

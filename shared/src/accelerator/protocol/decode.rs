//! Reading messages, which strangers wrote.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::numbers::Numbers;
use super::{
    Data, Encoding, InferRequest, InferResponse, Parameters, ProtocolError, RequestedOutput, Tensor,
};

/// Most tensors of a message: the contract has two a side, and other servers add a few of their own.
const TENSORS_LIMIT: usize = 16;
/// Most dimensions of a tensor: the contract has two.
const DIMENSIONS_LIMIT: usize = 8;

impl InferRequest {
    /// Reads a request. `header_length` is what [`HEADER_LENGTH`](super::HEADER_LENGTH) says, if it is there.
    ///
    /// # Errors
    /// When it breaks the protocol, or an input has a datatype that the contract doesn't use.
    pub fn decode(body: &[u8], header_length: Option<usize>) -> Result<Self, ProtocolError> {
        let (json, binary) = split(body, header_length)?;
        let head: RequestHead = parse(json)?;
        let inputs = tensors(head.inputs, binary)?;
        let outputs = head.outputs.unwrap_or_default().into_iter().map(RequestedOutput::from).collect();
        Ok(Self { id: head.id, parameters: head.parameters.unwrap_or_default(), inputs, outputs })
    }
}

impl InferResponse {
    /// Reads a reply. Outputs that are not among `wanted` are passed over.
    ///
    /// # Errors
    /// When it breaks the protocol, or an output that is wanted has a datatype that the contract doesn't use.
    pub fn decode(body: &[u8], header_length: Option<usize>, wanted: &[&str]) -> Result<Self, ProtocolError> {
        let (json, binary) = split(body, header_length)?;
        let head: ResponseHead = parse(json)?;
        let outputs = chosen_tensors(head.outputs, binary, |name| wanted.contains(&name))?;
        Ok(Self {
            model_name: head.model_name.unwrap_or_default(),
            model_version: head.model_version.filter(|version| !version.is_empty()),
            id: head.id,
            parameters: head.parameters.unwrap_or_default(),
            outputs,
        })
    }
}

/// The JSON and the bytes after it.
fn split(body: &[u8], header_length: Option<usize>) -> Result<(&[u8], &[u8]), ProtocolError> {
    let Some(length) = header_length else { return Ok((body, &[])) };
    body.split_at_checked(length).ok_or_else(|| {
        ProtocolError(format!("a JSON header of {length} bytes in a body of {} bytes", body.len()))
    })
}

fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, ProtocolError> {
    serde_json::from_slice(json).map_err(|error| {
        // Its own words may repeat a value: only the kind and the place are kept.
        let kind = match error.classify() {
            serde_json::error::Category::Data => "not a message of the protocol",
            _ => "not JSON",
        };
        ProtocolError(format!("{kind} (line {}, column {})", error.line(), error.column()))
    })
}

#[derive(Deserialize)]
struct RequestHead {
    #[serde(default, deserialize_with = "text")]
    id: Option<String>,
    parameters: Option<Parameters>,
    inputs: Vec<TensorHead>,
    outputs: Option<Vec<OutputHead>>,
}

#[derive(Deserialize)]
struct ResponseHead {
    #[serde(default, deserialize_with = "text")]
    model_name: Option<String>,
    #[serde(default, deserialize_with = "text")]
    model_version: Option<String>,
    #[serde(default, deserialize_with = "text")]
    id: Option<String>,
    parameters: Option<Parameters>,
    outputs: Vec<TensorHead>,
}

/// A text, or a number for one; anything else is none.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

#[derive(Deserialize)]
struct TensorHead {
    name: String,
    shape: Vec<u64>,
    datatype: String,
    parameters: Option<Parameters>,
    data: Option<Numbers>,
}

#[derive(Deserialize)]
struct OutputHead {
    name: String,
    parameters: Option<Parameters>,
}

impl From<OutputHead> for RequestedOutput {
    fn from(head: OutputHead) -> Self {
        let binary = head.parameters.is_some_and(|p| p.get("binary_data") == Some(&Value::Bool(true)));
        Self { name: head.name, encoding: if binary { Encoding::Binary } else { Encoding::Json } }
    }
}

fn tensors(heads: Vec<TensorHead>, binary: &[u8]) -> Result<Vec<Tensor>, ProtocolError> {
    chosen_tensors(heads, binary, |_| true)
}

fn chosen_tensors(
    heads: Vec<TensorHead>,
    mut binary: &[u8],
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Tensor>, ProtocolError> {
    if heads.len() > TENSORS_LIMIT {
        return Err(ProtocolError(format!("{} tensors; at most {TENSORS_LIMIT} are taken", heads.len())));
    }
    let mut tensors: Vec<Tensor> = Vec::new();
    for head in heads {
        let bytes = head.take_bytes(&mut binary)?;
        if !wanted(&head.name) {
            continue;
        }
        if tensors.iter().any(|tensor| tensor.name == head.name) {
            return Err(ProtocolError::tensor(&head.name, "given twice"));
        }
        tensors.push(head.tensor(bytes)?);
    }
    if !binary.is_empty() {
        return Err(ProtocolError(format!("{} bytes after the last tensor", binary.len())));
    }
    Ok(tensors)
}

impl TensorHead {
    /// The bytes that are this tensor's, where it has its numbers in binary.
    fn take_bytes<'a>(&self, binary: &mut &'a [u8]) -> Result<Option<&'a [u8]>, ProtocolError> {
        let fault = |detail: String| ProtocolError::tensor(&self.name, detail);
        let size = self.parameters.as_ref().and_then(|parameters| parameters.get("binary_data_size"));
        let Some(size) = size.filter(|size| !size.is_null()) else { return Ok(None) };
        let size = size.as_u64().and_then(|size| usize::try_from(size).ok());
        let size = size.ok_or_else(|| fault("`binary_data_size` is no size".into()))?;
        let (bytes, rest) = binary.split_at_checked(size).ok_or_else(|| {
            fault(format!("`binary_data_size` is {size}, and {} bytes are left of the body", binary.len()))
        })?;
        *binary = rest;
        Ok(Some(bytes))
    }

    fn tensor(self, bytes: Option<&[u8]>) -> Result<Tensor, ProtocolError> {
        let name = self.name;
        let fault = |detail: String| ProtocolError::tensor(&name, detail);
        if self.shape.len() > DIMENSIONS_LIMIT {
            return Err(fault(format!("{} dimensions", self.shape.len())));
        }
        let data = match (bytes, self.data) {
            (Some(_), Some(_)) => return Err(fault("both `data` and `binary_data_size`".into())),
            (None, None) => return Err(fault("neither `data` nor `binary_data_size`".into())),
            (Some(bytes), None) => from_bytes(&self.datatype, bytes).map_err(fault)?,
            (None, Some(numbers)) => from_numbers(&self.datatype, &numbers.0).map_err(fault)?,
        };
        let mut shape = Vec::with_capacity(self.shape.len());
        let mut values = 1_usize;
        for dimension in self.shape {
            let dimension = usize::try_from(dimension).ok();
            let both = dimension.and_then(|d| Some((d, values.checked_mul(d)?)));
            let (dimension, product) = both.ok_or_else(|| fault("a shape without end".into()))?;
            shape.push(dimension);
            values = product;
        }
        if values != data.len() {
            return Err(fault(format!("{} values, where its shape has {values}", data.len())));
        }
        Ok(Tensor { name, shape, data })
    }
}

fn from_bytes(datatype: &str, bytes: &[u8]) -> Result<Data, String> {
    let (values, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(format!("{} bytes, not a multiple of 4", bytes.len()));
    }
    match datatype {
        "INT32" => Ok(Data::Int32(values.iter().map(|bytes| i32::from_le_bytes(*bytes)).collect())),
        "FP32" => Ok(Data::Fp32(values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())),
        _ => Err(other(datatype)),
    }
}

fn from_numbers(datatype: &str, numbers: &[f64]) -> Result<Data, String> {
    let whole = |number: &f64| {
        let fits = number.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(number);
        fits.then_some(*number as i32).ok_or_else(|| "a value that is no INT32".to_owned())
    };
    match datatype {
        "INT32" => Ok(Data::Int32(numbers.iter().map(whole).collect::<Result<_, _>>()?)),
        "FP32" if numbers.iter().any(|number| number.is_nan()) => Err("a value that is no number".into()),
        "FP32" => Ok(Data::Fp32(numbers.iter().map(|number| *number as f32).collect())),
        _ => Err(other(datatype)),
    }
}

fn other(datatype: &str) -> String {
    let datatype: String = datatype.chars().take(16).collect();
    format!("datatype {datatype:?}; INT32 and FP32 are known")
}

//! Messages of the Open Inference Protocol with binary tensors, taken apart and put together by hand, so that a mistake of
//! Marquee's own reader and writer can't hide itself.

use serde_json::{Value, json};

use super::message::Message;

/// The header that says how many bytes of a body are its JSON.
const JSON_LENGTH: &str = "inference-header-content-length";

/// A message, its tensors' bytes apart.
#[derive(Clone, Debug)]
pub(crate) struct Tensors {
    /// The JSON without its tensors.
    pub(crate) head: Value,
    pub(crate) tensors: Vec<Tensor>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) datatype: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

impl Tensors {
    /// A reply of a model that ranks the same rows for everybody.
    pub(crate) fn ranking(model: &str, rows: &[i32], scores: &[f32]) -> Self {
        let tensor = |name: &str, datatype: &str, bytes: Vec<u8>| Tensor {
            name: name.to_owned(),
            datatype: datatype.to_owned(),
            shape: vec![1, rows.len()],
            bytes,
        };
        let rows_bytes = rows.iter().flat_map(|row| row.to_le_bytes()).collect();
        let scores_bytes = scores.iter().flat_map(|score| score.to_le_bytes()).collect();
        let tensors = vec![tensor("items", "INT32", rows_bytes), tensor("scores", "FP32", scores_bytes)];
        let parameters = json!({"digest": "d".repeat(64)});
        Self { head: json!({"model_name": model, "model_version": "1", "parameters": parameters}), tensors }
    }

    /// The tensors in a field of a message: `inputs` or `outputs`.
    pub(crate) fn read(message: &Message, field: &str) -> Self {
        let mut head = head(message);
        let (_, mut rest) = message.body.split_at(json_length(message));
        let named = head.as_object_mut().and_then(|head| head.remove(field)).expect("it has tensors");
        let tensors = named.as_array().expect("a list").iter().map(|tensor| {
            let number = |value: &Value| usize::try_from(value.as_u64().expect("a number")).expect("it fits");
            let text = |field: &str| tensor[field].as_str().expect("a text").to_owned();
            let (bytes, after) = rest.split_at(number(&tensor["parameters"]["binary_data_size"]));
            rest = after;
            let shape = tensor["shape"].as_array().expect("a shape").iter().map(number).collect();
            Tensor { name: text("name"), datatype: text("datatype"), shape, bytes: bytes.to_owned() }
        });
        Self { tensors: tensors.collect(), head }
    }

    /// The message as a reply, its tensors named as outputs.
    pub(crate) fn reply(mut self) -> Message {
        self.head["outputs"] = self
            .tensors
            .iter()
            .map(|Tensor { name, datatype, shape, bytes }| {
                let parameters = json!({"binary_data_size": bytes.len()});
                json!({"name": name, "datatype": datatype, "shape": shape, "parameters": parameters})
            })
            .collect();
        let json = self.head.to_string().into_bytes();
        let length = json.len().to_string();
        let bytes = self.tensors.iter().flat_map(|tensor| &tensor.bytes);
        let body: Vec<u8> = json.iter().chain(bytes).copied().collect();
        let mut reply = Message::reply("200 OK", "application/octet-stream", body);
        reply.headers.push((JSON_LENGTH.to_owned(), length));
        reply
    }

    /// The same with the numbers in the JSON, for who asks for that.
    pub(crate) fn reply_in_json(mut self) -> Message {
        let values = |tensor: &Tensor| -> Value {
            let (values, _) = tensor.bytes.as_chunks::<4>();
            match tensor.datatype.as_str() {
                "INT32" => values.iter().map(|bytes| json!(i32::from_le_bytes(*bytes))).collect(),
                _ => values.iter().map(|bytes| json!(f32::from_le_bytes(*bytes))).collect(),
            }
        };
        let tensors = self.tensors.iter().map(|tensor| {
            let Tensor { name, datatype, shape, .. } = tensor;
            json!({"name": name, "datatype": datatype, "shape": shape, "data": values(tensor)})
        });
        self.head["outputs"] = tensors.collect();
        Message::reply("200 OK", "application/json", self.head.to_string())
    }

    /// The tensor of this name.
    pub(crate) fn tensor(&mut self, name: &str) -> &mut Tensor {
        self.tensors.iter_mut().find(|tensor| tensor.name == name).expect("the tensor is there")
    }
}

impl Tensor {
    /// Puts a value of four bytes in a place.
    pub(crate) fn set(&mut self, place: usize, value: [u8; 4]) {
        self.bytes[4 * place..4 * (place + 1)].copy_from_slice(&value);
    }
}

/// The JSON of a message.
pub(crate) fn head(message: &Message) -> Value {
    serde_json::from_slice(&message.body[..json_length(message)]).expect("a message begins with its JSON")
}

fn json_length(message: &Message) -> usize {
    message.header(JSON_LENGTH).map_or(message.body.len(), |length| length.parse().expect("a length"))
}

//! Replies that arrive whole and in time, and are of no use.

use super::message::Message;
use super::tensors::{Tensor, Tensors};

/// A row that no catalogue of the tests has.
const UNKNOWN: i32 = 1_000_000;
/// Fewer rows than most requests want.
const SHORT: usize = 5;

/// What an accelerator asks for that doesn't let everybody in.
pub(crate) fn token(number: usize) -> String {
    format!("token-{number}")
}

/// The same ranking with something done to it.
fn but(reply: &Message, change: impl FnOnce(&mut Tensors)) -> Message {
    let mut tensors = Tensors::read(reply, "outputs");
    change(&mut tensors);
    tensors.reply()
}

fn with_score(reply: &Message, score: f32) -> Message {
    but(reply, |ranking| ranking.tensor("scores").set(1, score.to_le_bytes()))
}

fn with_row(reply: &Message, row: i32) -> Message {
    but(reply, |ranking| ranking.tensor("items").set(1, row.to_le_bytes()))
}

/// To who doesn't show the token of this number.
pub(crate) fn unauthorized<const NUMBER: usize>(request: &Message, reply: &Message) -> Message {
    if request.header("authorization") == Some(format!("Bearer {}", token(NUMBER)).as_str()) {
        return reply.clone();
    }
    Message::reply("401 Unauthorized", "application/json", r#"{"detail": "Unauthorized"}"#)
}

pub(crate) fn another_catalogue(request: &Message, _: &Message) -> Message {
    let model = request.start.split('/').nth(3).unwrap_or_default();
    let body = format!(r#"{{"error": "Request for unknown model: '{model}' is not found"}}"#);
    Message::reply("404 Not Found", "application/json", body)
}

pub(crate) fn broken(_: &Message, _: &Message) -> Message {
    Message::reply("500 Internal Server Error", "text/plain", "out of memory")
}

pub(crate) fn unavailable(_: &Message, _: &Message) -> Message {
    Message::reply("503 Service Unavailable", "text/html", "<h1>503 Service Temporarily Unavailable</h1>")
}

/// To where the answer would be.
pub(crate) fn redirected(request: &Message, _: &Message) -> Message {
    let mut reply = Message::reply("307 Temporary Redirect", "text/plain", "");
    let path = request.start.split(' ').nth(1).unwrap_or_default();
    reply.headers.push(("location".into(), path.into()));
    reply
}

/// Tensors shorter than they are said to be, in a body that is whole as far as HTTP goes.
pub(crate) fn truncated(_: &Message, reply: &Message) -> Message {
    let body = reply.body[..reply.body.len() / 2].to_vec();
    Message { body, ..reply.clone() }
}

pub(crate) fn of_wrong_shape(_: &Message, reply: &Message) -> Message {
    but(reply, |ranking| ranking.tensors.iter_mut().for_each(|tensor| tensor.shape.reverse()))
}

pub(crate) fn of_wrong_datatype(_: &Message, reply: &Message) -> Message {
    but(reply, |ranking| {
        let Tensor { datatype, bytes, .. } = ranking.tensor("items");
        *datatype = "INT64".into();
        let (rows, _) = bytes.as_chunks::<4>();
        *bytes = rows.iter().flat_map(|row| i64::from(i32::from_le_bytes(*row)).to_le_bytes()).collect();
    })
}

pub(crate) fn with_nan(_: &Message, reply: &Message) -> Message {
    with_score(reply, f32::NAN)
}

/// Where it would be in order.
pub(crate) fn with_infinity(_: &Message, reply: &Message) -> Message {
    but(reply, |ranking| ranking.tensor("scores").set(0, f32::INFINITY.to_le_bytes()))
}

/// Where it would be in order.
pub(crate) fn with_negative_infinity(_: &Message, reply: &Message) -> Message {
    but(reply, |ranking| {
        let last = ranking.tensor("scores").bytes.len() / 4 - 1;
        ranking.tensor("scores").set(last, f32::NEG_INFINITY.to_le_bytes());
    })
}

pub(crate) fn with_unknown_row(_: &Message, reply: &Message) -> Message {
    with_row(reply, UNKNOWN)
}

pub(crate) fn with_negative_row(_: &Message, reply: &Message) -> Message {
    with_row(reply, -1)
}

pub(crate) fn with_duplicate(_: &Message, reply: &Message) -> Message {
    but(reply, |ranking| {
        let items = ranking.tensor("items");
        items.bytes.copy_within(0..4, 4);
    })
}

pub(crate) fn unsorted(_: &Message, reply: &Message) -> Message {
    with_score(reply, 1e9)
}

pub(crate) fn html(_: &Message, _: &Message) -> Message {
    Message::reply(
        "200 OK",
        "text/html",
        "<!doctype html><title>Sign in</title><p>Welcome to the guest network",
    )
}

/// Valid, and of few items.
pub(crate) fn short(_: &Message, reply: &Message) -> Message {
    but(reply, |ranking| {
        for tensor in &mut ranking.tensors {
            tensor.shape[1] = SHORT;
            tensor.bytes.truncate(4 * SHORT);
        }
    })
}

//! The wire: request and answer types, their validation, and errors. No AWS, no I/O.
//!
//! A body is parsed twice only when it is wrong: [`parse`] reads it straight into a type whose fields can only hold
//! valid values, and when that fails a second pass over the JSON value collects *every* fault.

pub mod batches;
mod checker;
pub mod entries;
pub mod error;
pub mod events;
pub mod health;
pub mod history;
pub mod http;
pub mod id;
pub mod items;
mod number;
mod object;
#[cfg(feature = "openapi")]
pub mod openapi;
pub mod ranking;
pub mod recommendation;
mod rfc_3339;
pub mod routes;
mod trace;
pub mod users;

pub use checker::{Check, Checker};
pub use error::{Fault, FaultCode, Problem, ProblemCode};
pub use history::{EventType, HistoryEntry};
pub use id::{BatchId, EventId, ItemId, UserId};
pub use recommendation::{Answer, RecommendationRequest};

use serde::de::DeserializeOwned;

/// Parses a JSON body, which must be an object, into a validated type.
///
/// # Errors
/// `malformed_json` (400) when the bytes are not JSON, with line and column; `invalid_request` (422) with every fault
/// when they are JSON and break a rule of `T`.
pub fn parse<T: DeserializeOwned + Check>(body: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let parsed = object::object(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    let error = match parsed {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let value: serde_json::Value = serde_json::from_slice(body).map_err(|e| Problem::malformed_json(&e))?;
    let faults = Checker::run::<T>(&value);
    // A repeated key is no fault of the value that the second pass sees: the first pass's words stand.
    if faults.is_empty() {
        Err(Problem::malformed_json(&error))
    } else {
        Err(Problem::invalid_request(faults))
    }
}

/// The same for a JSON value that is there already.
///
/// # Errors
/// `invalid_request` (422) with every fault.
pub fn parse_value<T: DeserializeOwned + Check>(value: &serde_json::Value) -> Result<T, Problem> {
    let faults = Checker::run::<T>(value);
    if !faults.is_empty() {
        return Err(Problem::invalid_request(faults));
    }
    object::object(value).map_err(|error| Problem::malformed_json(&error))
}

#[cfg(test)]
mod tests;

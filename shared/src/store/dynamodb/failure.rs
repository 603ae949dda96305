//! What the log says of a call that failed: the operation and the kind of failure, and never a key or a value.

use std::error::Error;
use std::fmt::Debug;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::RequestId;

use crate::store::StoreError;

/// Turns the failure of this operation into the store's error.
pub(super) fn failed<E, R>(operation: &str) -> impl Fn(SdkError<E, R>) -> StoreError
where
    E: ProvideErrorMetadata + RequestId + Error + 'static,
    R: Debug,
{
    move |error| StoreError::new(format!("{operation}: {}", kind(&error)))
}

fn kind<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + RequestId + Error + 'static,
    R: Debug,
{
    match error {
        // The service's message may quote what it was given; its code doesn't, and AWS finds the rest by the request's id.
        SdkError::ServiceError(context) => {
            let code = context.err().code().unwrap_or("an error without a code");
            let request = context.err().request_id().map(|id| format!(", request {id}"));
            format!("{code}{}", request.unwrap_or_default())
        }
        SdkError::ResponseError(_) => "a reply that can't be read".into(),
        // What never left, or never came back: sockets, clocks and credentials.
        other => {
            let mut words = other.to_string();
            let mut source = other.source();
            while let Some(error) = source {
                words.push_str(": ");
                words.push_str(&error.to_string());
                source = error.source();
            }
            words
        }
    }
}

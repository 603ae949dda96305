//! What the log says of a call that failed: the operation and the kind of failure, and never a key or a value.

use std::error::Error;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::RequestId;

use crate::store::StoreError;

/// Turns the failure of this operation into the store's error.
pub(super) fn failed<E>(operation: &str) -> impl Fn(SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata + RequestId + Error + 'static,
{
    move |error| StoreError::new(format!("{operation}: {}", kind(&error)))
}

fn kind<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + RequestId + Error + 'static,
{
    match error {
        // The service's message may quote what it was given; its code doesn't, and AWS finds the rest by the request's id.
        SdkError::ServiceError(context) => {
            let (status, error) = (context.raw().status().as_u16(), context.err());
            let request = error.request_id().map(|id| format!(", request {id}")).unwrap_or_default();
            format!("{} (status {status}{request})", error.code().unwrap_or("an error without a code"))
        }
        SdkError::ResponseError(context) => {
            format!("a reply that can't be read (status {})", context.raw().status().as_u16())
        }
        // What never left, or never came back: sockets, clocks and credentials.
        other => {
            let causes = std::iter::successors(other.source(), |error: &&dyn Error| (*error).source());
            causes.fold(other.to_string(), |words, cause| format!("{words}: {cause}"))
        }
    }
}

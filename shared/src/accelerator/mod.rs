//! The accelerator: a server on the team's own ground that answers better than the function can, when it can be reached.
//!
//! [`protocol`] is what goes over the wire, [`contract`] what the tensors mean: both sides use them. A [`Link`] is the
//! function's side of one accelerator: whom it asks ([`Accelerator`], of which [`client`] is the real one), and whether it
//! may ([`breaker`]).

pub mod breaker;
#[cfg(feature = "accelerator")]
pub mod client;
pub mod contract;
mod credentials;
mod endpoint;
mod link;
pub mod parity;
pub mod protocol;

use std::fmt;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::api::recommendation::Reason;
use protocol::{InferRequest, InferResponse};

pub use credentials::Credentials;
pub use endpoint::Endpoint;
pub use link::{Asked, Link, Ranked};

/// Whom to ask for lists.
#[async_trait]
pub trait Accelerator: Send + Sync + fmt::Debug {
    /// Its name in the log: where it is.
    fn name(&self) -> &str;

    /// Whether the server says that the model is ready, by the status of its reply alone: not every server has the same words
    /// for it.
    async fn ready(&self, by: Instant) -> Result<(), CallError>;

    /// Asks the model, and waits for the reply no longer than to this instant. The reply is well-formed; whether it is what
    /// was asked for is [`contract::lists`] to say.
    async fn infer(&self, request: &InferRequest, by: Instant) -> Result<InferResponse, CallError>;

    /// The name under which the model is served there.
    fn model(&self) -> &str;
}

/// Why an accelerator gave nothing. The words are for the log: they hold no token and nothing of a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No whole reply in time.
    #[error("no whole reply in time")]
    Timeout,
    /// It can't be reached, or was lost on the way.
    #[error("{0}")]
    Unreachable(String),
    /// It can be reached, and has no certificate that is believed.
    #[error("{0}")]
    Untrusted(String),
    /// It says no.
    #[error("status {status}: {said}")]
    Rejected {
        /// The HTTP status.
        status: u16,
        /// Its own words, cut short.
        said: String,
    },
    /// Its reply breaks the protocol or the contract.
    #[error("{0}")]
    InvalidOutput(String),
}

impl CallError {
    /// The same without the words of the server, which may repeat what it was sent.
    #[must_use]
    pub fn without_its_words(&self) -> String {
        match self {
            Self::Rejected { status, .. } => format!("status {status}"),
            other => other.to_string(),
        }
    }

    /// The reason in a receipt.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Timeout => Reason::AcceleratorTimeout,
            Self::Unreachable(_) | Self::Untrusted(_) => Reason::AcceleratorUnreachable,
            Self::Rejected { .. } => Reason::AcceleratorRejected,
            Self::InvalidOutput(_) => Reason::AcceleratorInvalidOutput,
        }
    }
}

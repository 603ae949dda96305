//! Batches: a file of people becomes a file of answers, one line for each, in order.
//!
//! What is cut ([`lines`]), read ([`layout`]), scored ([`score`]) and written ([`mod@write`]) here is the same wherever it runs:
//! in the command `marquee batch`, in the functions behind Step Functions, in the service on one machine. The answers are
//! those of `POST /v1/recommendations` and `POST /v1/rankings`, and the bytes depend on the input, the model and the stored
//! state alone.

pub mod layout;
pub mod lines;
pub mod objects;
pub mod parts;
pub mod ranges;
pub mod run;
pub mod score;
pub mod unpack;
pub mod write;

pub use crate::api::batches::Tally;
pub use lines::{Block, Cutter, Place};
pub use score::{Manner, ScoreError, Scored, Scorer};

//! The accelerator: a server on the team's own ground that answers better than the function can, when it can be reached.
//!
//! [`protocol`] is what goes over the wire, [`contract`] what the tensors mean: both sides use them.

pub mod contract;
pub mod protocol;

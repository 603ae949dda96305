//! The service with an accelerator, whoever made the accelerator.

mod parity;
#[cfg(feature = "real-parts")]
mod peers;
mod probe;

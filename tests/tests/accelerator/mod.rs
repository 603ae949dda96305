//! The service with an accelerator, whoever made the accelerator.

#[cfg(feature = "real-parts")]
mod peers;

//! The sequence model.

pub mod operators;

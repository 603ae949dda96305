//! Data readers, trainers and evaluation: everything that happens before an artifact is served.

pub mod data;

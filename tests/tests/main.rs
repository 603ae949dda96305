//! End-to-end tests: real processes, spoken to as users speak to them. What they stand on is the library `tests`.
//!
//! The wire contract is read from JSON here, never from the types that write it; the table of routes is taken from
//! `shared`, to be compared with everything else that names routes.

mod accelerator;
mod answers;
mod artifact;
mod authorize;
mod batch;
mod browse;
mod cloud;
mod cold_start;
mod container;
mod contract;
mod copy;
mod emulator;
mod events;
// As `store` below.
#[cfg(test)]
mod faults;
mod keys;
mod kills;
mod lifecycle;
mod log;
mod playground;
mod refusals;
mod release;
mod safetensors;
mod sasrec;
mod schemathesis;
mod service;
// Its cases are functions of their own, which only this marks as tests for the lints.
#[cfg(test)]
mod store;
mod walk;
mod walkthrough;

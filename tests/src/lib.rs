//! What the end-to-end tests stand on: real binaries, built once, run as the processes that users run, and spoken to
//! as users speak to them.
//!
//! - [`binaries`] builds the functions, `marquee` and the accelerator in the profile of the test run.
//! - [`venv`] makes the Python environment that carries the Lambda runtime emulator and moto, on first use.
//! - [`Emulator`] runs a function as Lambda does; [`Service`] runs `marquee serve`; [`Accelerator`]
//!   runs `marquee-accelerator`, and [`marquee`] any other command.
//! - [`RuntimeApi`] is the part of Lambda that a function starts against, by which starts are timed.
//! - [`Moto`] stands in for AWS; `DynamoDbLocal` (feature `real-parts`) is Amazon's own DynamoDB.
//! - `Peer` (feature `real-parts`) is Triton, `MLServer` or `KServe` in the accelerator's place; `triton_client` and
//!   `kserve_client` call an accelerator as theirs do.
//! - `browse` (feature `real-parts`) drives the playground's page in Chromium.
//! - [`model_dir`] is the bundled demo, trained by `marquee train --demo` once for each build.
//!
//! Nothing of Marquee is linked in: the tests read the wire contract from JSON, as a stranger would. (Only the store's
//! tests call it, since a store is no process, and the contract's read its table of routes.)
//! Everything binds to loopback, on ports that were free a moment ago, and ends when its value is dropped.

mod accelerator;
mod binaries;
#[cfg(feature = "real-parts")]
mod browser;
#[cfg(feature = "real-parts")]
mod dynamodb_local;
mod emulator;
mod http;
mod in_common;
mod lock;
mod model;
mod moto;
mod paths;
#[cfg(feature = "real-parts")]
mod peer;
mod process;
mod python;
mod random;
mod runtime_api;
mod service;
mod template;

pub use accelerator::Accelerator;
pub use binaries::{Binaries, binaries};
#[cfg(feature = "real-parts")]
pub use browser::browse;
#[cfg(feature = "real-parts")]
pub use dynamodb_local::DynamoDbLocal;
pub use emulator::{Emulator, Invocation};
pub use http::{Caller, Reply, Request, send};
pub use model::{copy_dir, model_dir};
pub use moto::Moto;
pub use paths::{movielens_zip, root, scratch};
#[cfg(feature = "real-parts")]
pub use peer::{Peer, PeerKind, kserve_client, triton_client};
pub use process::{Finished, Process, command, marquee};
pub use python::{Venv, venv, venv_of_bench_peers};
pub use random::Random;
pub use runtime_api::RuntimeApi;
pub use service::Service;
pub use template::template;

//! The common crate of Marquee.
//!
//! Dependencies between its modules point one way: [`api`] and [`catalogue`] know nothing else here, [`model`]
//! stands on the catalogue, [`recommend`] on all of them, and `batch` (a feature) on that; [`keys`] need the api alone. Functions, trainers and the
//! command line build on this crate and never the other way round.
//!
//! ```
//! use shared::recommend::Recommending;
//! use shared::testing;
//!
//! let folder = testing::artifact();
//! let recommending = Recommending::open(folder.path()).unwrap();
//! let query = shared::api::parse(br#"{"history": ["alpha", "bravo"], "k": 3}"#).unwrap();
//! let answer = recommending.answer(&query, "request-1".into());
//! assert_eq!(answer.items.len(), 3);
//! ```

pub mod accelerator;
pub mod api;
#[cfg(feature = "dynamodb")]
pub mod aws;
#[cfg(feature = "batch")]
pub mod batch;
pub mod catalogue;
pub mod config;
pub mod keys;
#[cfg(feature = "lambda")]
pub mod lambda;
pub mod model;
pub mod recommend;
pub mod release;
pub mod secrets;
pub mod store;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;

//! Training of the sequence model (SASRec: Kang and McAuley 2018, arXiv:1808.09781).
//!
//! Every item of a history is predicted from those before it, by cross-entropy over the whole catalogue (Klenitskiy and
//! Vasilev 2023, arXiv:2309.07602: it is the loss and not the network that makes the difference to later models), or,
//! where the catalogue is too large for that, against many sampled items with gSASRec's calibration (Petrov and Macdonald
//! 2023, arXiv:2308.07192). Some users' last items are kept aside: how well they are found decides when to stop, and
//! which epoch's weights are kept.

mod checkpoint;
mod initial;
mod loss;
pub mod operators;
mod optimizer;
mod outcome;
mod plan;
mod settings;
mod train;
mod validation;
mod windows;

pub use outcome::{Stage, TrainError, Trained};
pub use plan::Plan;
pub use settings::{Processor, Settings};
pub use train::train;

#[cfg(test)]
mod tests;

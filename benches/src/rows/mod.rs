//! The benches: one file each.

mod als;
mod batch;
mod cold_start;
pub(crate) mod feedback;
mod handler;
mod init;
mod link;
mod mapping;
pub(crate) mod sasrec;
mod serving;
mod sizes;
pub(crate) mod topk;
pub(crate) mod training;

use anyhow::Result;

use crate::Options;
use crate::report::Findings;

/// Something measured.
pub(crate) struct Bench {
    /// What `--only` calls it.
    pub(crate) name: &'static str,
    /// What it measures, in a line.
    pub(crate) about: &'static str,
    /// Measures.
    pub(crate) run: fn(&Options) -> Result<Findings>,
}

/// All of them, in the table's order.
pub(crate) const ALL: [Bench; 13] = [
    cold_start::BENCH,
    init::BENCH,
    sizes::BENCH,
    handler::BENCH,
    feedback::BENCH,
    batch::BENCH,
    serving::BENCH,
    link::BENCH,
    topk::BENCH,
    mapping::BENCH,
    sasrec::BENCH,
    als::BENCH,
    training::BENCH,
];

/// Their names, for a message.
pub(crate) fn names() -> String {
    ALL.map(|bench| bench.name).join(", ")
}

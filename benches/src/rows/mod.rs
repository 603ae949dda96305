//! The benches: one file each.

mod als;
mod cold_start;
mod feedback;
mod handler;
mod init;
mod sizes;
mod topk;

use anyhow::Result;

use crate::report::Findings;

/// Something measured.
pub(crate) struct Bench {
    /// What `--only` calls it.
    pub(crate) name: &'static str,
    /// What it measures, in a line.
    pub(crate) about: &'static str,
    /// Measures; with fewer samples when its argument is true.
    pub(crate) run: fn(bool) -> Result<Findings>,
}

/// All of them, in the table's order.
pub(crate) const ALL: [Bench; 7] =
    [cold_start::BENCH, init::BENCH, sizes::BENCH, handler::BENCH, feedback::BENCH, topk::BENCH, als::BENCH];

/// Their names, for a message.
pub(crate) fn names() -> String {
    ALL.map(|bench| bench.name).join(", ")
}

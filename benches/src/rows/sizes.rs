//! The size of every stripped binary: each Lambda function's, as it is deployed, and the command's.

use std::fs;

use anyhow::{Context, Result};

use super::Bench;
use crate::Options;
use crate::binaries;
use crate::measure::Samples;
use crate::report::{Findings, Row, Unit};

pub(crate) const BENCH: Bench =
    Bench { name: "sizes", about: "the stripped binaries of all functions and of the command", run };

/// Package and binary have one name. `recommend` is first, and beside the bare function in another row.
const PACKAGES: [&str; 16] = [
    "recommend",
    "rank",
    "similar",
    "items",
    "events",
    "users",
    "update-profiles",
    "authorize",
    "batches",
    "plan-batch",
    "score-batch",
    "finish-batch",
    "health",
    "probe-accelerator",
    "verify-release",
    "marquee",
];

fn run(&Options { quick, .. }: &Options) -> Result<Findings> {
    if quick {
        let note = "Sizes are left out with --quick: each binary is linked for minutes.".to_owned();
        return Ok(Findings { notes: vec![note], ..Findings::default() });
    }
    let row = |package: &&str| -> Result<Row> {
        let path = binaries::build(package, package)?;
        let bytes = fs::metadata(&path).with_context(|| format!("cannot see {}", path.display()))?.len();
        Ok(Row::alone(format!("{package}: size of the binary"), Unit::Bytes, Samples::of([bytes as f64])))
    };
    Ok(Findings { rows: PACKAGES.iter().map(row).collect::<Result<_>>()?, ..Findings::default() })
}

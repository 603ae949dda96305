//! The Lambda binary that the table's stream invokes.

use std::process::ExitCode;

use shared::lambda;

fn main() -> ExitCode {
    todo
}

//! The Lambda binary that ends the run of a batch.

use std::{error::Error, process::ExitCode};

use finish_batch::State;
use shared::{aws, lambda};

fn main() -> ExitCode {
    lambda::handle(
        async || -> Result<State, Box<dyn Error>> {
            let (objects, jobs) = aws::batches()?;
            Ok(State { objects, jobs })
        },
        async |event, state| finish_batch::handle(event, state).await,
    )
}

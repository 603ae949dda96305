//! The Lambda binary that scores a range of a batch.

use std::{error::Error, process::ExitCode, sync::Arc};

use score_batch::{PART_BYTES, State};
use shared::{aws, config::ModelSettings, lambda, recommend::Recommending};

fn main() -> ExitCode {
    lambda::handle_until(
        async || -> Result<State, Box<dyn Error>> {
            let recommending = Arc::new(Recommending::open(&ModelSettings::from_env()?.dir)?);
            let accelerator = aws::accelerators(recommending.artifact())?.into_iter().next();
            let (objects, table) = aws::batches()?;
            Ok(State {
                recommending,
                profiles: Some(table.clone()),
                accelerator,
                objects,
                jobs: table,
                // One thread works, while the next block's profiles are read.
                at_a_time: 2,
                part_bytes: PART_BYTES,
            })
        },
        async |event, state, until| score_batch::handle(event, state, Some(until)).await,
    )
}

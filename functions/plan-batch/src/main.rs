//! The Lambda binary that begins the run of a batch.

use std::{error::Error, process::ExitCode};

use plan_batch::State;
use shared::{aws, config::ModelSettings, lambda, model::Artifact};

fn main() -> ExitCode {
    lambda::handle(
        async || -> Result<State, Box<dyn Error>> {
            let model = plan_batch::receipt(&Artifact::open(&ModelSettings::from_env()?.dir)?);
            let (objects, table) = aws::batches()?;
            Ok(State { model, objects, jobs: table.clone(), everyone: table })
        },
        async |event, state| plan_batch::handle(event, state).await,
    )
}

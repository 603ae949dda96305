//! The Lambda binary that EventBridge invokes each minute.

use std::{error::Error, process::ExitCode};

use probe_accelerator::State;
use shared::{aws, config::ModelSettings, lambda, recommend::Recommending};

fn main() -> ExitCode {
    lambda::handle(
        async || -> Result<State, Box<dyn Error>> {
            let recommending = Recommending::open(&ModelSettings::from_env()?.dir)?;
            let accelerators = aws::accelerators(recommending.artifact())?;
            if accelerators.is_empty() {
                return Err(
                    "the variable MARQUEE_ACCELERATOR_URL is needed: where the accelerators are".into()
                );
            }
            let table = aws::open_table()?;
            let notes =
                table.ok_or("the variable MARQUEE_TABLE is needed: the table that notes their state")?;
            Ok(State { recommending: recommending.with_accelerators(accelerators), notes })
        },
        async |event, state| Ok(probe_accelerator::handle(event, state).await?),
    )
}

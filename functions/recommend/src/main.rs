//! The Lambda binary of `POST /v1/recommendations`.

use std::{error::Error, process::ExitCode, sync::Arc};

use shared::recommend::{Memory, Recommending};
use shared::{api::http, aws, config::ModelSettings, lambda};

fn main() -> ExitCode {
    lambda::serve(async || -> Result<_, Box<dyn Error>> {
        let recommending = Recommending::open(&ModelSettings::from_env()?.dir)?;
        let accelerators = aws::accelerators(recommending.artifact())?;
        let recommending = Arc::new(recommending.with_accelerators(accelerators));
        let table = aws::open_table()?;
        recommending.warm_up(table.as_deref().map(|table| table as _)).await;
        let memory = Memory::new(table.map(|table| table as _));
        Ok(http::finish(recommend::router(recommending, Arc::new(memory))))
    })
}

//! The Lambda binary of `POST /v1/recommendations`.

use std::{error::Error, process::ExitCode, sync::Arc};

use shared::recommend::{Memory, Recommending};
use shared::{api::http, aws, config::ModelSettings, lambda};

fn main() -> ExitCode {
    lambda::serve(async || -> Result<_, Box<dyn Error>> {
        let recommending = Recommending::open(&ModelSettings::from_env()?.dir)?;
        let accelerators = aws::accelerators(recommending.artifact())?;
        let recommending = Arc::new(recommending.with_accelerators(accelerators));
        recommending.warm_up().await;
        Ok(http::finish(recommend::router(recommending, Arc::new(Memory::new(aws::profiles()?)))))
    })
}

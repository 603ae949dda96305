//! The Lambda binary of `/v1/batches`.

use std::{error::Error, process::ExitCode, sync::Arc};

use batches::{Batches, RESULTS_LIMIT, StepFunctions};
use shared::{api::http, aws, config::BucketSettings, lambda};

fn main() -> ExitCode {
    lambda::serve(async || -> Result<_, Box<dyn Error>> {
        let Some(settings) = BucketSettings::from_env()? else {
            return Ok(http::finish(batches::router(None)));
        };
        let machine = settings.state_machine;
        let machine =
            machine.ok_or("with a bucket the variable MARQUEE_STATE_MACHINE is needed: what runs batches")?;
        let (objects, jobs) = aws::batches()?;
        let engine = Arc::new(StepFunctions::of_environment(machine).await);
        let batches = Batches { jobs, objects, engine, results_limit: RESULTS_LIMIT };
        Ok(http::finish(batches::router(Some(Arc::new(batches)))))
    })
}

//! The Lambda binary of `GET /v1/health` and `GET /v1/ready`.

use std::{error::Error, process::ExitCode, sync::Arc};

use shared::{api::http, config::ModelSettings, lambda, recommend::Recommending};

fn main() -> ExitCode {
    lambda::serve(async || -> Result<_, Box<dyn Error>> {
        let recommending = Arc::new(Recommending::open(&ModelSettings::from_env()?.dir)?);
        Ok(http::finish(health::router(recommending)))
    })
}

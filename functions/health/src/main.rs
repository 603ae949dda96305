//! The Lambda binary of `GET /v1/health`, `GET /v1/ready` and `GET /openapi.json`.

use std::{error::Error, process::ExitCode, sync::Arc};

use shared::{api::http, api::routes::Access, config::ModelSettings, lambda, recommend::Recommending};

fn main() -> ExitCode {
    lambda::serve(async || -> Result<_, Box<dyn Error>> {
        let recommending = Arc::new(Recommending::open(&ModelSettings::from_env()?.dir)?);
        Ok(http::finish(health::router(recommending, Access::Keys)))
    })
}

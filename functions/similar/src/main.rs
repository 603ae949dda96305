//! The Lambda binary of `GET /v1/items/{id}/similar`.

use std::{error::Error, process::ExitCode, sync::Arc};

use shared::{api::http, config::ModelSettings, lambda, recommend::Recommending};

fn main() -> ExitCode {
    lambda::serve(async || -> Result<_, Box<dyn Error>> {
        let recommending = Arc::new(Recommending::open(&ModelSettings::from_env()?.dir)?);
        Ok(http::finish(similar::router(recommending)))
    })
}

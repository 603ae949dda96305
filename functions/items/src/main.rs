//! The Lambda binary of the catalogue: items, one item, what is popular.

use std::{error::Error, process::ExitCode, sync::Arc};

use shared::{api::http, config::ModelSettings, lambda, recommend::Recommending};

fn main() -> ExitCode {
    lambda::serve(async || -> Result<_, Box<dyn Error>> {
        let recommending = Arc::new(Recommending::open(&ModelSettings::from_env()?.dir)?);
        Ok(http::finish(items::router(recommending)))
    })
}

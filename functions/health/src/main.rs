//! The Lambda binary of `GET /v1/health`, `GET /v1/ready` and `GET /openapi.json`.

use std::{error::Error, process::ExitCode, sync::Arc};

use shared::api::{http, routes::Access};
use shared::config::{AcceleratorSettings, ModelSettings};
use shared::{aws, lambda, recommend::Recommending};

fn main() -> ExitCode {
    lambda::serve(async || -> Result<_, Box<dyn Error>> {
        let recommending = Arc::new(Recommending::open(&ModelSettings::from_env()?.dir)?);
        let (table, accelerators) = (aws::open_table()?, AcceleratorSettings::from_env()?);
        let noted = table.clone().zip(accelerators).map(|(table, accelerators)| health::Noted {
            accelerators: accelerators.endpoints.iter().map(ToString::to_string).collect(),
            notes: table,
        });
        let profiles = table.map(|table| table as _);
        Ok(http::finish(health::router(health::Standing { recommending, profiles, noted }, Access::Keys)))
    })
}

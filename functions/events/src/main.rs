//! The Lambda binary of `POST /v1/events`.

use std::{error::Error, process::ExitCode};

use shared::{api::http, lambda};

fn main() -> ExitCode {
    lambda::serve_warm(|| -> Result<_, Box<dyn Error>> {
        let store = lambda::store()?;
        Ok((http::finish(events::router(store.clone().map(|store| store as _))), store))
    })
}

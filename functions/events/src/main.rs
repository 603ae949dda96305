//! The Lambda binary of `POST /v1/events`.

use std::{error::Error, process::ExitCode};

use shared::{api::http, aws, lambda};

fn main() -> ExitCode {
    lambda::serve(async || -> Result<_, Box<dyn Error>> {
        Ok(http::finish(events::router(aws::table().await?.map(|table| table as _))))
    })
}

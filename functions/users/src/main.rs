//! The Lambda binary of `/v1/users`.

use std::{error::Error, process::ExitCode};

use shared::{api::http, aws, lambda};

fn main() -> ExitCode {
    lambda::serve(async || -> Result<_, Box<dyn Error>> {
        Ok(http::finish(users::router(aws::table().await?.map(|table| table as _))))
    })
}

//! The Lambda binary of `/v1/users`.

use std::{error::Error, process::ExitCode};

use shared::{api::http, lambda};

fn main() -> ExitCode {
    lambda::serve_warm(|| -> Result<_, Box<dyn Error>> {
        let store = lambda::store()?;
        Ok((http::finish(users::router(store.clone().map(|store| store as _))), store))
    })
}

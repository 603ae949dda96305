//! The Lambda binary of the authorizer.

use std::{error::Error, process::ExitCode};

use authorize::State;
use shared::{config::KeysSettings, lambda};

fn main() -> ExitCode {
    lambda::handle(
        async || -> Result<_, Box<dyn Error>> { Ok(State::start(&KeysSettings::required()?).await) },
        authorize::handle,
    )
}

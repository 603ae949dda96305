//! The `marquee-accelerator` command.

use std::process::ExitCode;

use accelerator::Options;
use clap::Parser;
use shared::telemetry::{self, Audience};

fn main() -> ExitCode {
    let options = Options::try_parse().unwrap_or_else(|error| {
        let _ = error.print();
        // As every other fault at start: 1, and 0 for --help.
        std::process::exit(i32::from(error.use_stderr()))
    });
    let started = telemetry::start(Audience::People).map_err(Into::into);
    match started.and_then(|()| accelerator::run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One sentence, causes included.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

//! The `marquee` command: train, evaluate, recommend, serve, and look after artifacts.

mod accelerators;
mod artifacts;
mod batch;
mod cache;
mod commands;
mod data;
mod docs;
mod evaluate;
mod health;
mod import;
mod interactions;
mod keys;
mod output;
mod parity;
mod recommend;
mod release;
mod serve;
mod state;
mod train;

use std::process::ExitCode;

use commands::{Cli, Command, DataCommand};

fn main() -> ExitCode {
    let cli = Cli::read(std::env::args_os()).unwrap_or_else(|error| error.exit());
    if let Err(error) = shared::telemetry::start(cli.command.audience()) {
        return fail(&error.into());
    }
    let outcome = match cli.command {
        Command::Serve(options) => serve::run(&options),
        Command::Train(options) => train::run(&options),
        Command::Evaluate(options) => evaluate::run(&options),
        Command::Recommend(options) => recommend::run(&options),
        Command::Batch(options) => batch::run(&options),
        Command::Inspect(options) => artifacts::inspect(&options),
        Command::Verify(options) => artifacts::verify(&options),
        Command::Import(options) => import::run(&options),
        Command::Optimize(options) => artifacts::optimize(&options),
        Command::Release(options) => release::run(&options),
        Command::Health(options) => health::run(&options),
        Command::Keys(command) => keys::run(&command),
        Command::Data(DataCommand::Fetch(options)) => data::fetch(&options),
        Command::Data(DataCommand::Load(options)) => data::load(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// One sentence on standard error, causes included.
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

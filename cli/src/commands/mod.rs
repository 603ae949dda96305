//! The command line's words, a file per command or so.

mod als;
mod artifacts;
mod batch;
mod data;
mod evaluate;
mod health;
mod numbers;
mod recommend;
mod release;
mod sasrec;
mod serve;
mod train;
mod trainer;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use shared::telemetry::Audience;

pub(crate) use artifacts::{ImportOptions, InspectOptions, OptimizeOptions, VerifyOptions};
pub(crate) use batch::BatchOptions;
pub(crate) use data::{DataCommand, FetchOptions, LoadOptions};
pub(crate) use evaluate::{EvaluateOptions, ProtocolKind};
pub(crate) use health::HealthOptions;
pub(crate) use recommend::RecommendOptions;
pub(crate) use release::ReleaseOptions;
pub(crate) use serve::{KeysFrom, LogKind, ServeOptions};
pub(crate) use train::{DataOptions, TrainOptions};
pub(crate) use trainer::{ModelKind, TrainerOptions};

use crate::keys::KeysCommand;

/// Recommendations from your own data: train, look, serve.
#[derive(Debug, Parser)]
#[command(name = "marquee", version, about, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve recommendations over HTTP on this machine; trains the bundled demo when nothing else is given
    Serve(ServeOptions),
    /// Train a model and write its artifact
    Train(TrainOptions),
    /// Measure how well a model finds what people did next
    Evaluate(EvaluateOptions),
    /// Recommend from the terminal
    Recommend(RecommendOptions),
    /// Score a file of people: one line of answers for each, in order
    Batch(BatchOptions),
    /// Show what an artifact holds
    Inspect(InspectOptions),
    /// Check an artifact in full: digests, signature, every row and number
    Verify(VerifyOptions),
    /// Make an artifact of weights trained elsewhere
    Import(ImportOptions),
    /// Add the derived tensors that make an artifact answer faster
    Optimize(OptimizeOptions),
    /// Make a release of an artifact: the layer that the functions find it in, and what `sam deploy` needs
    Release(ReleaseOptions),
    /// Ask a service on this machine whether it is alive: a container's health check
    Health(HealthOptions),
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Get data
    #[command(subcommand)]
    Data(DataCommand),
}

impl Cli {
    /// Reads the arguments, the program's name first. Beyond what [`Parser`] checks, every option must be for a model that
    /// is asked for.
    pub(crate) fn read<T: Into<OsString> + Clone>(
        arguments: impl IntoIterator<Item = T>,
    ) -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let matches = command.try_get_matches_from_mut(arguments)?;
        let cli = Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
        if let Some((name, matches)) = matches.subcommand()
            && let Some(asked) = cli.command.models()
            && let Some(command) = command.find_subcommand_mut(name)
        {
            trainer::check(command, matches, asked)?;
        }
        Ok(cli)
    }
}

impl Command {
    /// The models that a command trains, where it is told which.
    fn models(&self) -> Option<&[ModelKind]> {
        match self {
            Self::Train(options) => Some(std::slice::from_ref(&options.model)),
            Self::Evaluate(options) => Some(&options.models),
            _ => None,
        }
    }

    /// Who reads the log.
    pub(crate) fn audience(&self) -> Audience {
        match self {
            Self::Serve(options) if options.log == LogKind::Json => Audience::Machines,
            _ => Audience::People,
        }
    }
}

#[cfg(test)]
mod tests;

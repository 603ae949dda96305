//! The words for how to train, of any model and of each; and that no word is for a model that isn't asked for.

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Error, ValueEnum};
use training::als::AlsSettings;
use training::fit::Trainer;

use super::als::{self, AlsOptions};
use super::numbers::at_least_one;

/// A kind of model to train. Options that are for one alone stand under its heading in the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModelKind {
    /// Implicit alternating least squares
    Als,
}

impl ModelKind {
    /// What the command line calls it.
    const fn name(self) -> &'static str {
        match self {
            Self::Als => "als",
        }
    }

    pub(super) const fn heading(self) -> &'static str {
        match self {
            Self::Als => als::HEADING,
        }
    }
}

/// How to train.
#[derive(Debug, Args)]
pub(crate) struct TrainerOptions {
    /// The same seed gives the same model
    #[arg(long, default_value_t = AlsSettings::default().seed)]
    pub(crate) seed: u64,
    #[arg(
        long,
        value_parser = at_least_one,
        help = format!("Passes over the data [default: {} for als]", AlsSettings::default().epochs)
    )]
    epochs: Option<usize>,
    /// Threads to train with [default: one per core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    #[command(flatten)]
    als: AlsOptions,
}

impl TrainerOptions {
    /// The trainer of a kind of model, with what was asked of it.
    pub(crate) fn trainer(&self, kind: ModelKind) -> Trainer {
        match kind {
            ModelKind::Als => Trainer::Als(self.als.settings(self.seed, self.epochs)),
        }
    }
}

/// Refuses a model that is asked for twice, and options given for one that isn't.
pub(super) fn check(
    command: &mut clap::Command,
    matches: &ArgMatches,
    asked: &[ModelKind],
) -> Result<(), Error> {
    let repeated = asked.iter().enumerate().find(|(place, kind)| asked[..*place].contains(kind));
    if let Some((_, kind)) = repeated {
        let detail = format!("--model names {} twice", kind.name());
        return Err(command.error(ErrorKind::ValueValidation, detail));
    }
    let unasked = ModelKind::value_variants().iter().filter(|kind| !asked.contains(kind));
    for kind in unasked {
        let is_given = |arg: &&clap::Arg| {
            arg.get_help_heading() == Some(kind.heading())
                && matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine)
        };
        let given = command.get_arguments().find(is_given).and_then(clap::Arg::get_long);
        if let Some(option) = given {
            let detail = format!("--{option} is for --model {}", kind.name());
            return Err(command.error(ErrorKind::ArgumentConflict, detail));
        }
    }
    Ok(())
}

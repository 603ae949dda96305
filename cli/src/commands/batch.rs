//! The words of `marquee batch`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use shared::accelerator::Endpoint;
use shared::api::batches::Format;

use crate::state::Choice;

#[derive(Debug, Args)]
pub(crate) struct BatchOptions {
    /// People, one a line: JSON ({"user_id", "history", "k", "filters", "items"} or Amazon Personalize's {"userId"}) or
    /// CSV with a header; may be packed with gzip or zstd; - for standard input
    #[arg(value_name = "INPUT")]
    pub(crate) input: PathBuf,
    /// Where the answers go, one line for each of the input's; - for standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Artifact to ask [default: the bundled demo]
    #[arg(long, value_name = "DIR")]
    pub(crate) model: Option<PathBuf>,
    /// Where people's state is kept, whose histories count too: file:PATH or dynamodb:TABLE [default: none]
    #[arg(long, value_name = "STORE", default_value = "none", hide_default_value = true)]
    pub(crate) store: Choice,
    /// How many items for whoever doesn't say
    #[arg(short, long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(crate) k: u16,
    /// How the answers are written
    #[arg(long, value_enum, default_value = "marquee")]
    pub(crate) format: FormatKind,
    /// Accelerator that scores in the model's place, http://HOST:PORT or https://HOST:PORT
    #[arg(long, value_name = "URL")]
    pub(crate) accelerator: Option<Endpoint>,
    /// What the accelerator lets in: JSON with the authorities' certificates as PEM in `ca`, a token in `token`, or both
    #[arg(long, value_name = "FILE", requires = "accelerator")]
    pub(crate) accelerator_credentials: Option<PathBuf>,
    /// How many cores work [default: all]
    #[arg(long, value_name = "CORES", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
    /// Go on where a run that was interrupted got to; begins where there is none
    #[arg(long, conflicts_with = "restart")]
    pub(crate) resume: bool,
    /// Begin again, whatever a run that was interrupted has done
    #[arg(long)]
    pub(crate) restart: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatKind {
    /// {"input", "output": {"items", "rung", "model"}} or {"input", "error"}
    Marquee,
    /// That of Amazon Personalize's batch jobs: {"input", "output": {"recommendedItems", "scores"}, "error"}
    Personalize,
}

impl From<FormatKind> for Format {
    fn from(kind: FormatKind) -> Self {
        match kind {
            FormatKind::Marquee => Self::Marquee,
            FormatKind::Personalize => Self::Personalize,
        }
    }
}

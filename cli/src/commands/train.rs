//! The words of `marquee train`, and those for data that `evaluate` shares.

use std::path::PathBuf;

use clap::Args;

use super::{ModelKind, TrainerOptions};

/// What to train on.
#[derive(Debug, Args)]
pub(crate) struct DataOptions {
    /// Interactions: a folder, file or zip (MovieLens, Amazon Personalize, LightGCN, NCF, RecBole)
    #[arg(long, value_name = "PATH", required_unless_present = "demo")]
    pub(crate) data: Option<PathBuf>,
    /// Use the bundled demo: real films, simulated interactions
    #[arg(long, conflicts_with = "data")]
    pub(crate) demo: bool,
    /// A further file of item metadata
    #[arg(long, value_name = "FILE", conflicts_with = "demo")]
    pub(crate) items: Option<PathBuf>,
    /// Count bad rows and go on, instead of stopping at the first
    #[arg(long)]
    pub(crate) skip_bad_rows: bool,
    /// Leave out ratings below this value [default: every interaction counts]
    #[arg(long, value_name = "VALUE")]
    pub(crate) min_rating: Option<f32>,
}

#[derive(Debug, Args)]
pub(crate) struct TrainOptions {
    #[command(flatten)]
    pub(crate) data: DataOptions,
    /// Model to train
    #[arg(long, value_enum, default_value = "als")]
    pub(crate) model: ModelKind,
    #[command(flatten)]
    pub(crate) trainer: TrainerOptions,
    /// Directory to write the artifact to; one that is there is replaced in one step
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// The model's name [default: the data's]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The model's version [default: follows from its weights]
    #[arg(long = "model-version", value_name = "VERSION")]
    pub(crate) version: Option<String>,
    /// Ed25519 private key (PKCS#8 PEM) to sign the manifest with
    #[arg(long, value_name = "KEY")]
    pub(crate) sign: Option<PathBuf>,
}

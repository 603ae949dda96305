//! The words of `marquee evaluate`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::numbers::at_least_one;
use super::{DataOptions, ModelKind, TrainerOptions};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProtocolKind {
    /// Each user's last item among the whole catalogue
    LeaveLastOut,
    /// One item among given negatives: needs --test and --negatives
    Ncf,
    /// A fifth of the items of held-out users
    Strong,
}

#[derive(Debug, Args)]
pub(crate) struct EvaluateOptions {
    #[command(flatten)]
    pub(crate) data: DataOptions,
    /// Models to train and compare, in this order: one or more, with commas
    #[arg(long = "model", value_name = "MODEL,…", value_enum, value_delimiter = ',', default_value = "als")]
    pub(crate) models: Vec<ModelKind>,
    #[command(flatten)]
    pub(crate) trainer: TrainerOptions,
    /// How data become training and test
    #[arg(long, value_enum, default_value = "leave-last-out")]
    pub(crate) protocol: ProtocolKind,
    /// NCF: the file of test interactions (.test.rating)
    #[arg(long, value_name = "FILE", required_if_eq("protocol", "ncf"))]
    pub(crate) test: Option<PathBuf>,
    /// NCF: the file of their negatives (.test.negative)
    #[arg(long, value_name = "FILE", required_if_eq("protocol", "ncf"))]
    pub(crate) negatives: Option<PathBuf>,
    /// Cut-off of hit rate and NDCG
    #[arg(long, default_value_t = 10, value_parser = at_least_one)]
    pub(crate) k: usize,
    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Write a self-contained page with plots
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

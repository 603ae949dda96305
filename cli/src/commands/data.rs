//! The words of `marquee data`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::state::Choice;

#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// Download a MovieLens set from GroupLens and check it
    Fetch(FetchOptions),
    /// Put interactions into a store as events, so that whoever is in them is known
    Load(LoadOptions),
}

#[derive(Debug, Args)]
pub(crate) struct LoadOptions {
    /// Interactions: a folder, file or zip (MovieLens, Amazon Personalize, LightGCN, NCF, RecBole)
    #[arg(long, value_name = "PATH")]
    pub(crate) data: PathBuf,
    /// The store: dynamodb:TABLE, whose stream makes profiles of the events; or file:PATH
    #[arg(long, value_name = "STORE")]
    pub(crate) store: Choice,
    /// Make the table first, if it isn't there: for emulators; a deployment's template makes its own
    #[arg(long)]
    pub(crate) create_table: bool,
    /// Count bad rows and go on, instead of stopping at the first
    #[arg(long)]
    pub(crate) skip_bad_rows: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FetchOptions {
    /// ml-latest-small, ml-1m, ml-20m, ml-25m or ml-32m
    pub(crate) name: String,
    /// Directory to write the zip to
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) out: PathBuf,
    /// Where to look instead of GroupLens
    #[arg(long, hide = true)]
    pub(crate) base_url: Option<String>,
}

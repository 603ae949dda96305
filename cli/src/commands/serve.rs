//! The words of `marquee serve`.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use shared::accelerator::Endpoint;

use crate::state::Choice;

#[derive(Debug, Args)]
pub(crate) struct ServeOptions {
    /// Artifact to serve
    #[arg(long, value_name = "DIR", conflicts_with = "data")]
    pub(crate) model: Option<PathBuf>,
    /// Interactions to train on first: a folder, file or zip
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Option<PathBuf>,
    /// Where people's state is kept: file:PATH, dynamodb:TABLE or none [default: a file in .marquee/]
    #[arg(long, value_name = "STORE")]
    pub(crate) store: Option<Choice>,
    /// Folder of batches: what POST /v1/batches may read as file:// and where results are kept [default: the store's file and
    /// .batches]
    #[arg(long, value_name = "DIR")]
    pub(crate) batch_dir: Option<PathBuf>,
    /// Base URL of an accelerator that is asked first, http://HOST:PORT or https://HOST:PORT; of several the first that can
    /// be reached
    #[arg(long, value_name = "URL")]
    pub(crate) accelerator: Vec<Endpoint>,
    /// What the accelerators let in: JSON with the authorities' certificates as PEM in `ca`, a token in `token`, or both.
    /// Read again when it changes
    #[arg(long, value_name = "FILE", requires = "accelerator")]
    pub(crate) accelerator_credentials: Option<PathBuf>,
    /// Address to listen on; one that other machines reach needs --api-keys
    #[arg(long, value_name = "ADDR", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub(crate) host: IpAddr,
    /// Port; 0 takes a free one [default: that of the variable PORT, else 3000, or a free one when that is taken]
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Ring of API keys (`marquee keys new` makes one), a file or secret:NAME for one in AWS Secrets Manager: every route but
    /// the public ones needs a key of it. Read again when it changes
    #[arg(long, value_name = "FILE")]
    pub(crate) api_keys: Option<KeysFrom>,
    /// Show the playground at /: a page to try the service on, and to pull the accelerator's cable. On by default where the
    /// service is open to this machine alone; with keys it is the page without the switches
    #[arg(long, overrides_with = "no_playground")]
    pub(crate) playground: bool,
    /// No playground: / is a list of the routes
    #[arg(long, overrides_with = "playground")]
    pub(crate) no_playground: bool,
    /// Longest time in seconds that requests in flight may take to finish after Ctrl-C or SIGTERM; when it is over, the
    /// process ends with status 1
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub(crate) drain_seconds: u64,
    /// What the log is made of: lines for people on standard error, or JSON lines with metrics on standard output
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) log: LogKind,
}

/// Where a ring of keys is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeysFrom {
    /// In this file.
    File(PathBuf),
    /// In this secret of AWS Secrets Manager, by name or ARN.
    Secret(String),
}

impl FromStr for KeysFrom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("secret:") {
            Some("") => Err("expected secret:NAME, or a file".into()),
            Some(name) => Ok(Self::Secret(name.to_owned())),
            None => Ok(Self::File(text.into())),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogKind {
    /// Lines for people
    Text,
    /// One JSON object a line, as the functions write on Lambda: for a container
    Json,
}

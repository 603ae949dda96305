//! The words of `marquee health`.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct HealthOptions {
    /// Port that the service listens on [default: that of the variable PORT, else 3000]
    #[arg(long)]
    pub(crate) port: Option<u16>,
}

//! The words of `marquee release`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct ReleaseOptions {
    /// The artifact
    #[arg(value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// The checkout that is deployed: its template.yaml, and the code of the functions
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) code: PathBuf,
    /// Stage of samconfig.toml, for the command that is printed
    #[arg(long, default_value = "dev")]
    pub(crate) stage: String,
    /// Ed25519 public key (PEM) that must have signed the manifest
    #[arg(long, value_name = "KEY")]
    pub(crate) public_key: Option<PathBuf>,
    /// Ed25519 private key (PKCS#8 PEM), where a signed artifact still lacks the derived tensors: they change its manifest
    #[arg(long, value_name = "KEY")]
    pub(crate) sign: Option<PathBuf>,
}

//! The words of `marquee inspect`, `verify`, `optimize` and `import`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use shared::accelerator::Endpoint;
use shared::accelerator::parity::TOLERANCE;
use training::als::AlsSettings;

use super::numbers::{above_zero, at_least_one, zero_or_more};

#[derive(Debug, Args)]
pub(crate) struct InspectOptions {
    /// The artifact
    #[arg(value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyOptions {
    /// The artifact
    #[arg(value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// Ed25519 public key (PEM) that must have signed the manifest
    #[arg(long, value_name = "KEY")]
    pub(crate) public_key: Option<PathBuf>,
    /// Base URL of an accelerator that must give the same answers: golden histories are asked of both
    #[arg(long, value_name = "URL")]
    pub(crate) against: Option<Endpoint>,
    /// What the accelerator lets in, as for `marquee serve`
    #[arg(long, value_name = "FILE", requires = "against")]
    pub(crate) accelerator_credentials: Option<PathBuf>,
    /// What a score may differ by, relative to the best score of its list
    #[arg(long, requires = "against", default_value_t = TOLERANCE, value_parser = zero_or_more)]
    pub(crate) tolerance: f64,
}

#[derive(Debug, Args)]
pub(crate) struct OptimizeOptions {
    /// The artifact
    #[arg(value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// Ed25519 private key (PKCS#8 PEM) to sign the new manifest with; a signed artifact needs one
    #[arg(long, value_name = "KEY")]
    pub(crate) sign: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("weights").required(true).args(["factors", "state_dict"])))]
pub(crate) struct ImportOptions {
    /// Items, one a row of the weights, in their order: csv with ITEM_ID, and TITLE, YEAR and GENRES (a|b) where known;
    /// or MovieLens' movies file
    #[arg(long, value_name = "FILE")]
    pub(crate) items: PathBuf,
    /// Item factors `[items, factors]`, float32 or float64, as numpy saves them: a model of kind als
    #[arg(long, value_name = "FILE")]
    pub(crate) factors: Option<PathBuf>,
    /// State dict of a PyTorch module, saved as safetensors: a model of kind sasrec
    #[arg(long, value_name = "FILE")]
    pub(crate) state_dict: Option<PathBuf>,
    /// Heads of attention of the state dict's model, which its tensors do not tell
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one, conflicts_with = "factors")]
    pub(crate) heads: usize,
    /// ε of its layer normalisation [default: 1e-5; 1e-8 where the tensors are named as in SASRec.pytorch]
    #[arg(long, value_name = "EPSILON", value_parser = above_zero, conflicts_with = "factors")]
    pub(crate) norm_epsilon: Option<f64>,
    /// How many interactions each item had, int64, as numpy saves them: what whoever has no history gets first
    #[arg(long, value_name = "FILE")]
    pub(crate) popularity: Option<PathBuf>,
    /// Directory to write the artifact to
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Regularisation λ that the factors were trained with
    #[arg(long, default_value_t = AlsSettings::default().regularization, value_parser = above_zero, conflicts_with = "state_dict")]
    pub(crate) regularization: f64,
    /// Weight α₀ of unobserved pairs that the factors were trained with
    #[arg(long, default_value_t = AlsSettings::default().alpha0, value_parser = zero_or_more, conflicts_with = "state_dict")]
    pub(crate) alpha0: f64,
    /// The model's name
    #[arg(long, default_value = "imported")]
    pub(crate) name: String,
    /// The model's version [default: follows from its weights]
    #[arg(long = "model-version", value_name = "VERSION")]
    pub(crate) version: Option<String>,
    /// Ed25519 private key (PKCS#8 PEM) to sign the manifest with
    #[arg(long, value_name = "KEY")]
    pub(crate) sign: Option<PathBuf>,
}

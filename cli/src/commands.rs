//! The command line's words.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use crate::state::Choice;
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use shared::telemetry::Audience;
use training::als::{AlsSettings, Solver};

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
    /// Show what an artifact holds
    Inspect(InspectOptions),
    /// Check an artifact in full: digests, signature, every row and number
    Verify(VerifyOptions),
    /// Make an artifact of weights trained elsewhere
    Import(ImportOptions),
    /// Add the derived tensors that make an artifact answer faster
    Optimize(OptimizeOptions),
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Get data
    #[command(subcommand)]
    Data(DataCommand),
}

impl Command {
    /// Who reads the log.
    pub(crate) fn audience(&self) -> Audience {
        match self {
            Self::Serve(options) if options.log == LogKind::Json => Audience::Machines,
            _ => Audience::People,
        }
    }
}

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
    /// Address to listen on; one that other machines reach needs --api-keys
    #[arg(long, value_name = "ADDR", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub(crate) host: IpAddr,
    /// Port; 0 takes a free one [default: 3000, or a free one when that is taken]
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Ring of API keys (`marquee keys new` makes one): every route but the public ones needs a key of it. Read again
    /// when it changes
    #[arg(long, value_name = "FILE")]
    pub(crate) api_keys: Option<PathBuf>,
    /// Longest time in seconds that requests in flight may take to finish after Ctrl-C or SIGTERM; when it is over, the
    /// process ends with status 1
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub(crate) drain_seconds: u64,
    /// What the log is made of: lines for people on standard error, or JSON lines with metrics on standard output
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) log: LogKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogKind {
    /// Lines for people
    Text,
    /// One JSON object a line, as the functions write on Lambda: for a container
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModelKind {
    /// Implicit alternating least squares
    Als,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SolverKind {
    /// A few steps of conjugate gradients a row and epoch
    Cg,
    /// Exact solutions by Cholesky's factorisation
    Cholesky,
}

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

/// How to train.
#[derive(Debug, Args)]
pub(crate) struct TrainerOptions {
    /// Model to train
    #[arg(long, value_enum, default_value = "als")]
    pub(crate) model: ModelKind,
    /// Numbers per item
    #[arg(long, default_value_t = AlsSettings::default().factors, value_parser = factors)]
    pub(crate) factors: usize,
    /// Passes over the data
    #[arg(long, default_value_t = AlsSettings::default().epochs, value_parser = at_least_one)]
    pub(crate) epochs: usize,
    /// Regularisation λ, scaled by how much each row has
    #[arg(long, default_value_t = AlsSettings::default().regularization, value_parser = above_zero)]
    pub(crate) regularization: f64,
    /// Weight α₀ of every pair that was not observed
    #[arg(long, default_value_t = AlsSettings::default().alpha0, value_parser = zero_or_more)]
    pub(crate) alpha0: f64,
    /// Standard deviation of the initial factors, times √factors
    #[arg(long, default_value_t = AlsSettings::default().init_std, value_parser = above_zero)]
    pub(crate) init_std: f64,
    /// The same seed gives the same model
    #[arg(long, default_value_t = AlsSettings::default().seed)]
    pub(crate) seed: u64,
    /// How each row's least squares are solved
    #[arg(long, value_enum, default_value = "cg")]
    pub(crate) solver: SolverKind,
    /// Threads to train with [default: one per core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
}

/// Steps of conjugate gradients a row and epoch.
const CG_STEPS: usize = 3;

impl TrainerOptions {
    pub(crate) fn als(&self) -> AlsSettings {
        AlsSettings {
            factors: self.factors,
            epochs: self.epochs,
            regularization: self.regularization,
            alpha0: self.alpha0,
            init_std: self.init_std,
            seed: self.seed,
            solver: match self.solver {
                SolverKind::Cg => Solver::ConjugateGradient { steps: CG_STEPS },
                SolverKind::Cholesky => Solver::Cholesky,
            },
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct TrainOptions {
    #[command(flatten)]
    pub(crate) data: DataOptions,
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

#[derive(Debug, Args)]
pub(crate) struct RecommendOptions {
    /// Artifact to ask [default: the bundled demo]
    #[arg(long, value_name = "DIR")]
    pub(crate) model: Option<PathBuf>,
    /// A title, or an item id, that you like; roughly will do. Repeat for more
    #[arg(long, value_name = "TITLE")]
    pub(crate) like: Vec<String>,
    /// A title, or an item id, that you don't like
    #[arg(long, value_name = "TITLE")]
    pub(crate) dislike: Vec<String>,
    /// How many
    #[arg(short, long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(crate) k: u16,
    /// Only this genre; repeat for any of several
    #[arg(long, value_name = "GENRE")]
    pub(crate) genre: Vec<String>,
    /// Variety against score, 0 to 1
    #[arg(long, default_value_t = 0.0)]
    pub(crate) diversity: f32,
    /// Print the service's JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

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

fn factors(text: &str) -> Result<usize, String> {
    let most = shared::model::config::FACTORS_LIMIT;
    let number = at_least_one(text)?;
    if number <= most { Ok(number) } else { Err(format!("at most {most}")) }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n >= 1).ok_or_else(|| "expected a whole number, at least 1".into())
}

fn above_zero(text: &str) -> Result<f64, String> {
    number(text).filter(|n| *n > 0.0).ok_or_else(|| "expected a number above 0".into())
}

fn zero_or_more(text: &str) -> Result<f64, String> {
    number(text).filter(|n| *n >= 0.0).ok_or_else(|| "expected a number, 0 or more".into())
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|n: &f64| n.is_finite())
}

//! The words of `marquee recommend`.

use std::path::PathBuf;

use clap::Args;

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

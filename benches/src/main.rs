//! What is measured, and the peers it is measured beside: the numbers that the design wants reached, each taken side by
//! side with what it is compared to, in one run.
//!
//! `cargo run --release -p benches` measures everything, prints a table and writes it, with plots of
//! how times grow, to `benches/results/latest.md`.
//! `--quick` takes few samples and `--only NAME` one bench; what they find is printed only, for the written table is
//! always of one whole run. `--torch PYTHON` names a Python with torch, which is then measured beside the sequence model.
//! Peers in Python get an environment in the target directory, made on first use of what `peers/requirements.txt` pins.
//! Nothing here fails because something is slow.
//!
//! A bench is a file in `rows/` and a line in [`rows::ALL`].

mod binaries;
mod fixture;
mod interactions;
mod load;
mod machine;
mod measure;
mod peer;
mod plot;
mod report;
mod rows;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};

use report::Report;

/// Measures Marquee beside its peers.
#[derive(Debug, Parser)]
#[command(name = "benches")]
struct Options {
    /// Few samples, and only what is done in seconds; the table is printed and not written
    #[arg(long)]
    quick: bool,
    /// One bench alone, by name; the table is printed and not written
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// A Python that has torch, to be measured beside; without it no row is compared with PyTorch
    #[arg(long, value_name = "PYTHON")]
    torch: Option<PathBuf>,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What this program starts of itself as a process beside it.
#[derive(Debug, Subcommand)]
enum Part {
    /// Candle's operators over the weights of an artifact: for `sasrec`
    #[command(hide = true)]
    Candle { model: PathBuf, histories: PathBuf },
    /// Candle's product of items and a query, and the best of it: for `topk`
    #[command(hide = true)]
    CandleTopK { items: PathBuf, query: PathBuf },
    /// A training step by step: for `sasrec-training`
    #[command(hide = true)]
    Train {
        #[arg(long)]
        plain: bool,
        histories: PathBuf,
    },
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    match &options.part {
        Some(Part::Candle { model, histories }) => return rows::sasrec::candle(model, histories),
        Some(Part::CandleTopK { items, query }) => return rows::topk::candle(items, query),
        Some(Part::Train { plain, histories }) => return rows::training::stepwise(histories, *plain),
        None => {}
    }
    let wanted: Vec<_> = rows::ALL
        .iter()
        .filter(|bench| options.only.as_deref().is_none_or(|name| name == bench.name))
        .collect();
    ensure!(!wanted.is_empty(), "no bench of that name; there are {}", rows::names());
    ensure!(!cfg!(debug_assertions), "this build is not optimised: use cargo run --release -p benches");

    let mut report = Report::begin(&command(options));
    for bench in wanted {
        eprintln!("{}: {}", bench.name, bench.about);
        let findings = (bench.run)(options).with_context(|| format!("bench {}", bench.name))?;
        report.add(findings);
    }
    report.end();
    println!("{}", report.for_terminal());

    if !options.quick && options.only.is_none() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
        let table = (folder.join("latest.md"), report.as_markdown());
        let plots = report.plots().map(|plot| (folder.join(plot.name).with_extension("svg"), plot.as_svg()));
        for (path, text) in plots.chain([table]) {
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            eprintln!("written to {}", path.display());
        }
    }
    Ok(())
}

/// The command that runs the same again.
fn command(options: &Options) -> String {
    let mut command = "cargo run --release -p benches".to_owned();
    if options.quick || options.only.is_some() || options.torch.is_some() {
        command.push_str(" --");
    }
    if options.quick {
        command.push_str(" --quick");
    }
    if let Some(name) = &options.only {
        command.push_str(&format!(" --only {name}"));
    }
    if options.torch.is_some() {
        command.push_str(" --torch PYTHON");
    }
    command
}

//! `marquee train`.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use shared::model::config::EventWeights;
use shared::model::write::WriteOptions;
use training::data::{Dataset, ReadOptions};
use training::fit::{Job, Naming, Progress, Report, Trainer};
use training::histories::{Histories, Selection};
use training::{data, demo};

use crate::commands::{DataOptions, TrainOptions};

pub(crate) fn run(options: &TrainOptions) -> Result<()> {
    let (data, histories) = read(&options.data)?;
    let naming = Naming {
        name: options.name.clone().unwrap_or_else(|| stem(&data.source)),
        version: options.version.clone().unwrap_or_default(),
        simulated: options.data.demo,
    };
    let write = WriteOptions { serving: true, sign: options.sign.as_deref() };
    let trainer = options.trainer.trainer(options.model);
    let job = Job { data: &data, histories: &histories, naming, folder: &options.out, write };
    with_threads(options.trainer.threads, || train(&trainer, &job))??;
    println!("{} holds the model; `marquee serve --model {0}` serves it", options.out.display());
    Ok(())
}

/// Reads the data that the options name, and says what was read.
pub(crate) fn read(options: &DataOptions) -> Result<(Dataset, Histories)> {
    let started = Instant::now();
    let data = match &options.data {
        Some(path) => {
            let read = ReadOptions { skip_bad_rows: options.skip_bad_rows, items: options.items.clone() };
            data::read(path, &read)?
        }
        None => demo::dataset(),
    };
    let selection = Selection { min_rating: options.min_rating };
    let histories = Histories::of(&data, &EventWeights::default(), selection);
    let (users, items) = (data.users.len(), data.items.len());
    let simulated = if options.data.is_none() { " (real films, simulated interactions)" } else { "" };
    eprintln!(
        "{}{simulated}: {} events, {users} users, {items} items, read in {:.1} s",
        data.source,
        data.events.len(),
        started.elapsed().as_secs_f64()
    );
    if data.skipped > 0 {
        eprintln!("{} bad rows skipped", data.skipped);
    }
    Ok((data, histories))
}

/// Trains a model of any kind and writes its artifact, behind a progress bar.
pub(crate) fn train(trainer: &Trainer, job: &Job<'_>) -> Result<()> {
    let started = Instant::now();
    let bar = bar(trainer);
    let report = |report: Report| match report {
        Report::Note(note) => bar.suspend(|| eprintln!("{note}")),
        Report::Step { epoch, done, of, loss } => {
            bar.set_message(format!("step {done}/{of} of epoch {epoch}, loss {loss:.4}"));
        }
        Report::Epoch(progress) => {
            bar.set_position(progress.epoch as u64);
            bar.set_message(figures(progress));
            if progress.validation_ndcg.is_some() {
                bar.suspend(|| {
                    eprintln!("epoch {}, {:.0} s: {}", progress.epoch, progress.seconds, figures(progress));
                });
            }
        }
    };
    let last = trainer.fit(job, report);
    bar.finish_and_clear();
    let last = last?;
    eprintln!(
        "trained {} with {} in {} epochs: {:.2} s, {}",
        trainer.name(),
        trainer.size(),
        last.epoch,
        started.elapsed().as_secs_f64(),
        figures(last)
    );
    Ok(())
}

fn figures(progress: Progress) -> String {
    let validation = progress.validation_ndcg.map(|ndcg| format!(", validation NDCG@10 {ndcg:.4}"));
    format!("loss {:.5}{}", progress.loss, validation.unwrap_or_default())
}

/// Runs `work` on so many threads, one a core when none are asked for.
pub(crate) fn with_threads<T: Send>(threads: Option<usize>, work: impl FnOnce() -> T + Send) -> Result<T> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build();
    Ok(pool.context("no threads to train with")?.install(work))
}

fn bar(trainer: &Trainer) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "training {prefix} {bar:30} epoch {pos}/{len} {msg} {elapsed}, {eta} left",
    );
    let bar = ProgressBar::new(trainer.epochs() as u64).with_prefix(trainer.name());
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// `ml-latest-small` of `ml-latest-small.zip`.
fn stem(source: &str) -> String {
    Path::new(source)
        .file_stem()
        .map_or_else(|| source.to_owned(), |stem| stem.to_string_lossy().into_owned())
}

//! `marquee evaluate`.

use std::fs;

use anyhow::{Context, Result, anyhow, bail};
use shared::model::Artifact;
use shared::model::write::WriteOptions;
use training::data::{self, Dataset};
use training::evaluate::{self, AlsRanker, Evaluation, ModelResult, Popularity, Split};
use training::fit::Naming;
use training::histories::Histories;

use crate::commands::{EvaluateOptions, ProtocolKind};
use crate::output;
use crate::train;

pub(crate) fn run(options: &EvaluateOptions) -> Result<()> {
    let (data, histories) = train::read(&options.data)?;
    let (data, split) = split(options, data, histories)?;
    let evaluation = train::with_threads(options.trainer.threads, || evaluate(options, &data, &split))??;
    if let Some(path) = &options.report {
        let page = training::report::html(&evaluation, &settings(options));
        fs::write(path, page)
            .with_context(|| format!("the report can't be written to {}", path.display()))?;
        eprintln!("{} holds the report", path.display());
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&evaluation)?);
    } else {
        print(&evaluation);
    }
    Ok(())
}

fn split(options: &EvaluateOptions, data: Dataset, histories: Histories) -> Result<(Dataset, Split)> {
    let split = match options.protocol {
        ProtocolKind::LeaveLastOut => evaluate::leave_last_out(histories).map(|split| (data, split)),
        ProtocolKind::Strong => evaluate::strong(histories, options.trainer.seed).map(|split| (data, split)),
        ProtocolKind::Ncf => {
            let (Some(test), Some(negatives)) = (&options.test, &options.negatives) else {
                bail!("--protocol ncf needs --test and --negatives");
            };
            evaluate::ncf(data, histories, &data::read_ncf_test(test, negatives)?)
        }
    };
    split.map_err(|detail| {
        anyhow!(
            "{}: {detail}",
            options.data.data.as_deref().map_or("demo".into(), |p| p.display().to_string())
        )
    })
}

/// Trains on the split's histories into a temporary artifact, and asks that as it would be served.
fn evaluate(options: &EvaluateOptions, data: &Dataset, split: &Split) -> Result<Evaluation> {
    let folder = tempfile::tempdir().context("no temporary directory for the model")?;
    let folder = folder.path().join("model");
    let naming = Naming { name: "evaluation".into(), version: String::new(), simulated: options.data.demo };
    let write = WriteOptions { serving: true, sign: None };
    train::train(data, &split.training, &options.trainer.als(), naming, &folder, write)?;
    let als = AlsRanker::new(Artifact::open(&folder)?);
    let popularity = Popularity::new(&split.popularity);
    Ok(evaluate::evaluate(split, &[&als, &popularity], options.k, &data.source))
}

/// The settings a reader of the report needs to do it again.
fn settings(options: &EvaluateOptions) -> Vec<(String, String)> {
    let trainer = &options.trainer;
    let mut settings = vec![
        ("factors", trainer.factors.to_string()),
        ("epochs", trainer.epochs.to_string()),
        ("regularization", trainer.regularization.to_string()),
        ("alpha0", trainer.alpha0.to_string()),
        ("init std", trainer.init_std.to_string()),
        ("seed", trainer.seed.to_string()),
        ("solver", format!("{:?}", trainer.solver).to_lowercase()),
    ];
    settings.extend(options.data.min_rating.map(|least| ("min rating", least.to_string())));
    settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn print(evaluation: &Evaluation) {
    let first = evaluation.models.values().next();
    let mut names: Vec<&String> = first.map(|model| model.metrics.keys().collect()).unwrap_or_default();
    // What is asked of each user before what is asked of the whole.
    names.sort_by_key(|name| !first.is_some_and(|model| model.intervals.contains_key(*name)));
    let mut table = output::table();
    let header = std::iter::once("model".to_owned()).chain(names.iter().map(|name| (*name).clone()));
    table.set_header(header.collect::<Vec<_>>());
    for (name, model) in &evaluation.models {
        let figures = names.iter().map(|metric| figure(model, metric));
        table.add_row(std::iter::once(name.clone()).chain(figures).collect::<Vec<_>>());
    }
    output::align_numbers(&mut table, 1);
    println!("{table}");
    println!(
        "{} users, {} candidates each; below each mean its 95% bootstrap interval; ties count against the model",
        evaluation.users, evaluation.candidates
    );
}

fn figure(model: &ModelResult, metric: &str) -> String {
    let mean = model.metrics.get(metric).copied().unwrap_or_default();
    match model.intervals.get(metric) {
        Some(interval) => format!("{mean:.4}\n{:.4}–{:.4}", interval.0, interval.1),
        None => format!("{mean:.4}"),
    }
}

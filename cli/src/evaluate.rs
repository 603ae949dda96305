//! `marquee evaluate`.

use std::fs;

use anyhow::{Context, Result, anyhow, bail};
use shared::model::Artifact;
use shared::model::write::WriteOptions;
use training::data::{self, Dataset};
use training::evaluate::{
    self, ArtifactRanker, Difference, Evaluation, ModelResult, Popularity, Ranker, Split,
};
use training::fit::{Job, Naming, Trainer};
use training::histories::Histories;
use training::report::{self, Settings};

use crate::commands::{EvaluateOptions, ProtocolKind};
use crate::output;
use crate::train;

pub(crate) fn run(options: &EvaluateOptions) -> Result<()> {
    let (data, histories) = train::read(&options.data)?;
    let (data, split) = split(options, data, histories)?;
    let evaluation = train::with_threads(options.trainer.threads, || evaluate(options, &data, &split))??;
    if let Some(path) = &options.report {
        let page = report::html(&evaluation, &settings(options));
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

/// Trains each model on the split's histories into a temporary artifact, and asks that as it would be served.
fn evaluate(options: &EvaluateOptions, data: &Dataset, split: &Split) -> Result<Evaluation> {
    let home = tempfile::tempdir().context("no temporary directory for the models")?;
    let mut models = Vec::with_capacity(options.models.len());
    for trainer in trainers(options) {
        let job = Job {
            data,
            histories: &split.training,
            naming: Naming {
                name: "evaluation".into(),
                version: String::new(),
                simulated: options.data.demo,
            },
            folder: &home.path().join(trainer.name()),
            write: WriteOptions { serving: true, sign: None },
        };
        train::train(&trainer, &job)?;
        models.push(ArtifactRanker::new(Artifact::open(job.folder)?));
    }
    let popularity = Popularity::new(&split.popularity);
    let mut rankers: Vec<&dyn Ranker> = models.iter().map(|model| model as &dyn Ranker).collect();
    rankers.push(&popularity);
    Ok(evaluate::evaluate(split, &rankers, options.k, &data.source))
}

fn trainers(options: &EvaluateOptions) -> impl Iterator<Item = Trainer> {
    options.models.iter().map(|kind| options.trainer.trainer(*kind))
}

/// The settings a reader of the report needs to do it again.
fn settings(options: &EvaluateOptions) -> Vec<Settings> {
    let least = options.data.min_rating.map(|least| ("min rating".to_owned(), least.to_string()));
    let of_data = Settings { of: "data".into(), values: least.into_iter().collect() };
    let of_models =
        trainers(options).map(|trainer| Settings { of: trainer.name().into(), values: trainer.settings() });
    of_models.chain([of_data]).collect()
}

fn print(evaluation: &Evaluation) {
    let names = metric_names(evaluation);
    let models = evaluation.models.iter();
    let rows =
        models.map(|model| (model.name.clone(), names.iter().map(|name| figure(model, name)).collect()));
    print_table("model", &names, rows);
    println!(
        "{} users, {} candidates each; below each mean its 95% bootstrap interval; ties count against the model\n",
        evaluation.users, evaluation.candidates
    );
    let differences = evaluation.differences.iter();
    let names: Vec<_> = names.into_iter().filter(|name| is_compared(evaluation, name)).collect();
    let rows = differences.map(|difference| {
        let cells = names.iter().map(|name| difference_figure(difference, name)).collect();
        (format!("{} - {}", difference.model, difference.baseline), cells)
    });
    print_table("difference", &names, rows);
    println!(
        "below each difference its 95% interval, the same users drawn for both (paired); *: it excludes 0"
    );
}

/// The metrics' names, what is asked of each user before what is asked of the whole.
fn metric_names(evaluation: &Evaluation) -> Vec<&str> {
    let Some(first) = evaluation.models.first() else { return Vec::new() };
    let mut names: Vec<&str> = first.metrics.keys().map(String::as_str).collect();
    names.sort_by_key(|name| !first.intervals.contains_key(*name));
    names
}

fn is_compared(evaluation: &Evaluation, metric: &str) -> bool {
    evaluation.differences.iter().any(|difference| difference.metrics.contains_key(metric))
}

fn print_table(corner: &str, names: &[&str], rows: impl Iterator<Item = (String, Vec<String>)>) {
    let mut table = output::table();
    table.set_header([corner].into_iter().chain(names.iter().copied()));
    for (name, cells) in rows {
        table.add_row([name].into_iter().chain(cells));
    }
    output::align_numbers(&mut table, 1);
    println!("{table}");
}

fn figure(model: &ModelResult, metric: &str) -> String {
    let mean = model.metrics.get(metric).copied().unwrap_or_default();
    match model.intervals.get(metric) {
        Some(interval) => format!("{mean:.4}\n{:.4}–{:.4}", interval.0, interval.1),
        None => format!("{mean:.4}"),
    }
}

fn difference_figure(difference: &Difference, metric: &str) -> String {
    let Some(found) = difference.metrics.get(metric) else { return String::new() };
    let mark = if found.interval.excludes_zero() { "* " } else { "" };
    let (mean, low, high) = (found.difference, found.interval.0, found.interval.1);
    format!("{mark}{mean:+.4}\n{low:+.4} to {high:+.4}")
}

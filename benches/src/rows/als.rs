//! Seconds an iteration of ALS training, over made-up interactions of the shapes of ml-1m and ml-20m, beside implicit's.
//!
//! An iteration is an epoch as the trainer reports it: both halves and the loss, which is computed every time. The first
//! epoch of a training is warm-up and left out. Trainings with all cores and with one take turns; the time is that of the
//! clock on the wall, since several threads work.
//!
//! implicit does the same conjugate gradients with the same factors, threads and interactions, in a process of its own; it does
//! not compute a loss. What both left is compared by our loss: `peers/als.py` says how.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use rayon::{ThreadPool, ThreadPoolBuilder};
use training::als::{self, AlsSettings, Interactions, Solver};

use super::Bench;
use crate::Options;
use crate::interactions::{ML_1M, ML_20M, Shape, histories};
use crate::measure::{Contender, Samples, interleave, process_cpu_time};
use crate::peer::{self, Peer};
use crate::report::{Aim, Findings, Row, Unit};

pub(crate) const BENCH: Bench = Bench {
    name: "als",
    about: "seconds an iteration of ALS training at the shapes of ml-1m and ml-20m",
    run,
};

/// Epochs of a training that count.
const EPOCHS: usize = 5;

/// What one training came to.
struct Training {
    epochs_s: Vec<f64>,
    /// Cores that it used in the mean: fewer than its threads where they wait for each other or for other processes.
    cores: f64,
    loss: f64,
    /// `[items, factors]`
    item_factors: Vec<f32>,
}

fn run(&Options { quick, .. }: &Options) -> Result<Findings> {
    let mut findings = Findings::default();
    compare("ml-1m", ML_1M, if quick { 1 } else { 4 }, !quick, &mut findings)?;
    if !quick {
        compare("ml-20m", ML_20M, 2, false, &mut findings)?;
    }
    Ok(findings)
}

/// Compares at one shape in so many rounds, and where `exactly` also looks at the exact solver.
fn compare(name: &str, shape: Shape, rounds: usize, exactly: bool, findings: &mut Findings) -> Result<()> {
    let histories = histories(shape, 42);
    let interactions = Interactions::of(&histories, shape.items);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (all, one) = (pool(cores)?, pool(1)?);
    let settings = AlsSettings::default();
    let exact = AlsSettings { solver: Solver::Cholesky, ..settings.clone() };
    let files = tempfile::tempdir().context("cannot make a temporary folder")?;
    let rows: Vec<Vec<u32>> =
        histories.iter().map(|history| history.iter().map(|(item, _)| *item).collect()).collect();
    let pairs = files.path().join("pairs");
    peer::write_histories(&pairs, &rows)?;
    let mut implicit_on_all = implicit(&pairs, shape, cores, &settings)?;
    let mut implicit_on_one = implicit(&pairs, shape, 1, &settings)?;

    let mut on_all = Contender::new(|| Ok(train(&all, &interactions, &settings)));
    let mut on_one = Contender::new(|| Ok(train(&one, &interactions, &settings)));
    let mut theirs_on_all = Contender::new(|| implicit_on_all.ask("train"));
    let mut theirs_on_one = Contender::new(|| implicit_on_one.ask("train"));
    interleave(0, rounds, &mut [&mut on_all, &mut theirs_on_all, &mut on_one, &mut theirs_on_one])?;
    let exactly = exactly.then(|| train(&all, &interactions, &exact));

    let what = |solver: &str, threads: usize| {
        let threads = if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
        format!("ALS iteration, {name}'s shape, {} factors, {solver}, {threads}", settings.factors)
    };
    let row = |what: String, trainings: &[Training]| {
        let epochs = trainings.iter().flat_map(|training| training.epochs_s.iter().copied());
        Row::alone(what, Unit::Seconds, Samples::of(epochs))
    };
    // The first iteration is warm-up, as ours.
    let theirs = |trainings: &[Vec<f64>]| {
        Samples::of(trainings.iter().flat_map(|iterations| iterations.iter().skip(1).copied()))
    };
    let implicit_s = "implicit 0.7.3";
    let mut rows = vec![
        row(what("conjugate gradients", cores), &on_all.samples)
            .beside(implicit_s, theirs(&theirs_on_all.samples))
            .aim(Aim::Ratio(0.5)),
        row(what("conjugate gradients", 1), &on_one.samples)
            .beside(implicit_s, theirs(&theirs_on_one.samples))
            .aim(Aim::Ratio(0.5)),
    ];
    let left = files.path().join("items.f32");
    let factors = on_all.samples.first().map(|training| training.item_factors.as_slice()).unwrap_or_default();
    super::topk::write_numbers(&left, factors)?;
    let our_loss = implicit_on_all.ask(&format!("loss {}", left.display()))?;
    let their_loss = implicit_on_all.ask("loss")?;
    let used = Samples::of(on_all.samples.iter().map(|training| training.cores));
    let mut notes = vec![
        spread(name, &interactions),
        format!(
            "ALS, {name}'s shape, with {cores} threads used {:.2} cores in the median; they waited for each other, or for other \
             processes, in the rest of the time.",
            used.median()
        ),
    ];
    if let ([ours], [theirs]) = (our_loss.as_slice(), their_loss.as_slice()) {
        notes.push(format!(
            "ALS loss a pair, {name}'s shape, of the item factors after {} epochs, users solved for exactly: ours {ours:.5}, those of \
             {implicit_s} {theirs:.5}.",
            1 + EPOCHS
        ));
    }
    if let Some(exactly) = exactly {
        let loss = on_all.samples.first().map_or(f64::NAN, |training| training.loss);
        notes.push(format!(
            "ALS loss a pair, {name}'s shape, after {} epochs: {loss:.5} by conjugate gradients, {:.5} by Cholesky.",
            1 + EPOCHS,
            exactly.loss
        ));
        rows.push(row(what("Cholesky", cores), &[exactly]));
    }
    findings.rows.extend(rows);
    findings.notes.extend(notes);
    Ok(())
}

/// implicit with so many threads, asked to train and for the loss of what that left.
fn implicit(pairs: &Path, shape: Shape, threads: usize, settings: &AlsSettings) -> Result<Peer> {
    let mut command = peer::python("als.py");
    command.arg(pairs);
    command.args([shape.items, settings.factors, threads, 1 + EPOCHS].map(|number| number.to_string()));
    command.args([settings.regularization, settings.alpha0].map(|number| number.to_string()));
    Peer::start("implicit", command)
}

fn pool(threads: usize) -> Result<ThreadPool> {
    ThreadPoolBuilder::new().num_threads(threads).build().context("the threads don't start")
}

fn train(pool: &ThreadPool, interactions: &Interactions, settings: &AlsSettings) -> Training {
    let settings = AlsSettings { epochs: 1 + EPOCHS, ..settings.clone() };
    let mut ends = Vec::with_capacity(settings.epochs);
    let (started, cpu_before) = (Instant::now(), process_cpu_time());
    let trained = pool.install(|| als::train(interactions, &settings, |_| ends.push(Instant::now())));
    let cpu = process_cpu_time() - cpu_before;
    Training {
        epochs_s: ends.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect(),
        cores: cpu.as_secs_f64() / started.elapsed().as_secs_f64(),
        loss: trained.losses.last().copied().unwrap_or(f64::NAN),
        item_factors: trained.item_factors,
    }
}

/// How the drawn interactions are spread.
fn spread(name: &str, interactions: &Interactions) -> String {
    let popularity = Samples::of(interactions.popularity().into_iter().map(f64::from));
    let activity = (0..interactions.by_user.rows()).map(|user| interactions.by_user.row(user).0.len() as f64);
    let activity = Samples::of(activity);
    format!(
        "ALS data, {name}'s shape: {} pairs of {} users and {} items, made up; a user has {:.0} items in the median and {:.0} at most, an \
         item {:.0} users in the median and {:.0} at most.",
        interactions.len(),
        interactions.by_user.rows(),
        interactions.by_item.rows(),
        activity.median(),
        activity.percentile(1.0),
        popularity.median(),
        popularity.percentile(1.0),
    )
}

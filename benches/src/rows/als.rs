//! Seconds an iteration of ALS training, over made-up interactions of the shape of ml-1m.
//!
//! An iteration is an epoch as the trainer reports it: both halves and the loss, which is computed every time. The first
//! epoch of a training is warm-up and left out. Trainings with all cores and with one take turns; the time is that of the
//! clock on the wall, since several threads work.

use std::time::Instant;

use anyhow::{Context, Result};
use rayon::{ThreadPool, ThreadPoolBuilder};
use training::als::{self, AlsSettings, Interactions, Solver};

use super::Bench;
use crate::Options;
use crate::interactions::{ML_1M, draw};
use crate::measure::{Contender, Samples, interleave, process_cpu_time};
use crate::report::{Aim, Findings, Row, Unit};

pub(crate) const BENCH: Bench =
    Bench { name: "als", about: "seconds an iteration of ALS training at the shape of ml-1m", run };

/// Epochs of a training that count.
const EPOCHS: usize = 5;

/// What one training came to.
struct Training {
    epochs_s: Vec<f64>,
    /// Cores that it used in the mean: fewer than its threads where they wait for each other or for other processes.
    cores: f64,
    loss: f64,
}

fn run(&Options { quick, .. }: &Options) -> Result<Findings> {
    let interactions = draw(ML_1M, 42);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (all, one) = (pool(cores)?, pool(1)?);
    let settings = AlsSettings::default();
    let exact = AlsSettings { solver: Solver::Cholesky, ..settings.clone() };

    let mut on_all = Contender::new(|| Ok(train(&all, &interactions, &settings)));
    let mut on_one = Contender::new(|| Ok(train(&one, &interactions, &settings)));
    interleave(0, if quick { 1 } else { 4 }, &mut [&mut on_all, &mut on_one])?;
    let exactly = (!quick).then(|| train(&all, &interactions, &exact));

    let what = |solver: &str, threads: usize| {
        let threads = if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
        format!("ALS iteration, {} factors, {solver}, {threads}", settings.factors)
    };
    let row = |what: String, trainings: &[Training]| {
        let epochs = trainings.iter().flat_map(|training| training.epochs_s.iter().copied());
        Row::alone(what, Unit::Seconds, Samples::of(epochs))
    };
    let later = Aim::Later("≤ 0.50× implicit 0.7.3: not compared yet");
    let mut rows = vec![
        row(what("conjugate gradients", cores), &on_all.samples).aim(later),
        row(what("conjugate gradients", 1), &on_one.samples).aim(later),
    ];
    let used = Samples::of(on_all.samples.iter().map(|training| training.cores));
    let mut notes = vec![
        shape(&interactions),
        format!(
            "ALS with {cores} threads used {:.2} cores in the median; they waited for each other, or for other \
             processes, in the rest of the time.",
            used.median()
        ),
    ];
    if let Some(exactly) = exactly {
        let loss = on_all.samples.first().map_or(f64::NAN, |training| training.loss);
        notes.push(format!(
            "ALS loss a pair after {} epochs: {loss:.5} by conjugate gradients, {:.5} by Cholesky.",
            1 + EPOCHS,
            exactly.loss
        ));
        rows.push(row(what("Cholesky", cores), &[exactly]));
    }
    Ok(Findings { rows, notes })
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
    }
}

/// How the drawn interactions are spread.
fn shape(interactions: &Interactions) -> String {
    let popularity = Samples::of(interactions.popularity().into_iter().map(f64::from));
    let activity = (0..interactions.by_user.rows()).map(|user| interactions.by_user.row(user).0.len() as f64);
    let activity = Samples::of(activity);
    format!(
        "ALS data: {} pairs of {} users and {} items, made up; a user has {:.0} items in the median and {:.0} at most, an \
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

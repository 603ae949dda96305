//! Seconds a step of training the sequence model, and the memory it takes, at the shape of ml-1m: the trainer's own
//! operators beside candle's, and beside PyTorch.
//!
//! Each is a process of its own that waits for its turn before every step, and uses all cores in it; the time is that of
//! the clock on the wall. A step is the same for all: as many windows of the same histories, all of the catalogue in the
//! loss, dropout, Adam. The trainer's operators lay histories side by side; the others pad them, and leave the padding out
//! of the loss. Peak memory is the most that the process ever had resident, PyTorch's own libraries included.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use rayon::ThreadPoolBuilder;
use training::histories::Histories;
use training::sasrec::{Processor, Settings, Stage, train};

use super::Bench;
use crate::Options;
use crate::interactions::{ML_1M_SEQUENCES, histories};
use crate::measure::{Contender, Samples, TakesTurns, interleave};
use crate::peer::{self, Peer};
use crate::report::{Aim, Findings, Row, Unit};

pub(crate) const BENCH: Bench = Bench {
    name: "sasrec-training",
    about: "a step of training the sequence model, beside candle and PyTorch",
    run,
};

/// Windows in a step: what the default settings come to for these data, but for rounding.
const BATCH: usize = 128;
/// A turn.
const STEP: &str = "step";

fn run(options: &Options) -> Result<Findings> {
    let home = tempfile::tempdir().context("cannot make a temporary folder")?;
    let file = home.path().join("histories");
    let drawn = histories(ML_1M_SEQUENCES, 42);
    let rows = drawn.iter().map(|history| history.iter().map(|(item, _)| *item).collect());
    peer::write_histories(&file, &rows.collect::<Vec<_>>())?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);

    let mut ours = Peer::start_this("the trainer", cores, &["train"], &[&file])?;
    let mut plain = Peer::start_this("candle", cores, &["train", "--plain"], &[&file])?;
    let mut torch = match &options.torch {
        Some(python) => Some(Peer::start("PyTorch", torch(python, &file, cores)?)?),
        None => None,
    };
    let mut of_ours = Contender::new(|| ours.ask(STEP));
    let mut of_plain = Contender::new(|| plain.ask(STEP));
    let mut of_torch = torch.as_mut().map(|torch| Contender::new(|| torch.ask(STEP)));
    let mut turns: Vec<&mut dyn TakesTurns> = vec![&mut of_ours, &mut of_plain];
    turns.extend(of_torch.as_mut().map(|torch| torch as &mut dyn TakesTurns));
    interleave(2, if options.quick { 3 } else { 25 }, &mut turns)?;
    let flat = |turns: Vec<Vec<f64>>| Samples::of(turns.into_iter().flatten());
    let (step, step_of_plain) = (flat(of_ours.samples), flat(of_plain.samples));
    let step_of_torch = of_torch.map(|torch| flat(torch.samples));
    let peak = |peer: &Peer| Ok::<_, anyhow::Error>(Samples::of([peer.peak_bytes()?]));
    let (memory, memory_of_plain) = (peak(&ours)?, peak(&plain)?);

    let settings = settings(Processor::Cpu);
    let of_step = format!("SASRec training step, length {}, {cores} threads", settings.length);
    let of_memory = "SASRec training: peak memory";
    let seconds = || Row::alone(of_step.clone(), Unit::Seconds, step.clone());
    let bytes = || Row::alone(of_memory, Unit::Bytes, memory.clone());
    let mut rows = vec![seconds().beside("candle", step_of_plain), bytes().beside("candle", memory_of_plain)];
    match (step_of_torch, &torch) {
        (Some(step_of_torch), Some(torch)) => {
            rows.push(seconds().beside("PyTorch", step_of_torch).aim(Aim::Ratio(0.8)));
            rows.push(bytes().beside("PyTorch", peak(torch)?));
        }
        _ => rows.push(seconds().aim(Aim::Later(WITHOUT_TORCH))),
    }
    Ok(Findings { rows, notes: vec![note(&settings, &drawn)], ..Findings::default() })
}

const WITHOUT_TORCH: &str = "≤ 0.80× PyTorch: not compared: --torch names no Python with torch";

fn settings(device: Processor) -> Settings {
    Settings { batch: Some(BATCH), device, ..Settings::default() }
}

fn torch(python: &Path, histories: &Path, threads: usize) -> Result<std::process::Command> {
    let settings = settings(Processor::Cpu);
    let mut command = peer::torch(python)?;
    command.arg("train").arg(histories);
    for (name, value) in [
        ("--items", ML_1M_SEQUENCES.items.to_string()),
        ("--threads", threads.to_string()),
        ("--batch", BATCH.to_string()),
        ("--length", settings.length.to_string()),
        ("--dimensions", settings.dimensions.to_string()),
        ("--feed-forward", settings.feed_forward.unwrap_or(settings.dimensions).to_string()),
        ("--blocks", settings.blocks.to_string()),
        ("--heads", settings.heads.to_string()),
        ("--dropout", settings.dropout.to_string()),
        ("--learning-rate", settings.learning_rate.to_string()),
    ] {
        command.args([name, &value]);
    }
    Ok(command)
}

fn note(settings: &Settings, histories: &[Vec<(u32, f32)>]) -> String {
    let lengths = Samples::of(histories.iter().map(|history| history.len() as f64));
    let pairs: usize = histories.iter().map(Vec::len).sum();
    format!(
        "SASRec training: {BATCH} windows of at most {} items a step, {} dimensions, {} blocks, dropout {}, full softmax over {} \
         items; {} made-up histories of {:.0} items in the mean, {:.0} in the median.",
        settings.length,
        settings.dimensions,
        settings.blocks,
        settings.dropout,
        ML_1M_SEQUENCES.items,
        histories.len(),
        pairs as f64 / histories.len() as f64,
        lengths.median(),
    )
}

/// The peer: a training that takes a step for each question, and answers with the seconds it took.
pub(crate) fn stepwise(histories: &Path, plain: bool) -> Result<()> {
    let histories = peer::read_histories(histories)?;
    let weighted = |history: Vec<u32>| history.into_iter().map(|item| (item, 1.0)).collect();
    let histories =
        Histories { by_user: histories.into_iter().map(weighted).collect(), items: ML_1M_SEQUENCES.items };
    let settings = settings(if plain { Processor::Plain } else { Processor::Cpu });
    // On the threads of a pool, as `marquee train` does.
    let pool = ThreadPoolBuilder::new().build().context("the threads don't start")?;
    pool.install(|| {
        let mut turn = Turn::begun()?;
        train(&histories, &settings, |stage| {
            if matches!(stage, Stage::Step { .. })
                && let Err(error) = turn.end()
            {
                eprintln!("error: {error:#}");
                std::process::exit(1);
            }
        })?;
        Ok(())
    })
}

/// The time since the last question.
struct Turn(Instant);

impl Turn {
    fn begun() -> Result<Self> {
        if peer::question()?.is_none() {
            std::process::exit(0);
        }
        Ok(Self(Instant::now()))
    }

    /// Answers, and begins the next.
    fn end(&mut self) -> Result<()> {
        peer::answer(&[self.0.elapsed().as_secs_f64()])?;
        *self = Self::begun()?;
        Ok(())
    }
}

//! What a row of a batch costs, in blocks on one core and on two, beside the same people asked one at a time; and how much
//! memory a million of them take.

use std::convert::Infallible;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use shared::api::{RecommendationRequest, parse};
use shared::batch::{Block, Cutter, Manner, Place, Scorer};
use shared::recommend::Recommending;
use tests::command;
use tokio::runtime::{Builder, Runtime};

use super::Bench;
use super::sasrec::config;
use crate::Options;
use crate::binaries;
use crate::fixture;
use crate::measure::{Contender, Samples, interleave};
use crate::report::{Aim, Findings, Row, Unit};

pub(crate) const BENCH: Bench =
    Bench { name: "batch", about: "rows of a batch, in blocks and one at a time", run };

/// Lines of the input whose memory is looked at, and with `--quick`.
const MILLION: usize = 1_000_000;
const QUICK: usize = 20_000;
/// Most of it, by the aim.
const MEMORY: f64 = 200e6;

fn run(&Options { quick, .. }: &Options) -> Result<Findings> {
    let als = fixture::artifact()?;
    let sasrec = tempfile::tempdir().context("cannot make a temporary folder")?;
    fixture::write_sasrec(sasrec.path(), config(64, 50), 10_000)?;
    let mut rows = Vec::new();
    let mut notes =
        vec![format!("Batches: {}; SASRec 64 dimensions, 2 blocks, 10,000 items.", fixture::description())];
    for (name, folder) in [("ALS", als.path()), ("SASRec", sasrec.path())] {
        let (one, two) = rates(name, folder, quick)?;
        notes.push(format!(
            "Batches, {name}: {:.0} rows/s on one core, {:.0} on two.",
            1.0 / one.1,
            1.0 / two.1
        ));
        rows.extend([one.0, two.0]);
    }
    rows.push(memory(als.path(), if quick { QUICK } else { MILLION })?);
    Ok(Findings { rows, notes, plots: Vec::new() })
}

/// Rows of the table, each with its median.
fn rates(name: &str, folder: &Path, quick: bool) -> Result<((Row, f64), (Row, f64))> {
    let recommending = Arc::new(Recommending::open(folder)?);
    let scorer = Scorer::new(Arc::clone(&recommending), None, Manner::default());
    let text = fixture::people(if quick { 640 } else { 2_560 });
    let blocks: Vec<Arc<Block>> = blocks(&text).into_iter().map(Arc::new).collect();
    let count = text.lines().count() as f64;
    let (one, two) =
        (Builder::new_current_thread().build()?, Builder::new_multi_thread().worker_threads(2).build()?);
    let per_row = |work: &dyn Fn() -> Result<()>| -> Result<f64> {
        let started = Instant::now();
        work()?;
        Ok(started.elapsed().as_secs_f64() / count)
    };
    let alone = || -> Result<()> {
        for line in text.lines() {
            let request: RecommendationRequest =
                parse(line.as_bytes()).map_err(|p| anyhow::anyhow!(p.detail))?;
            black_box(serde_json::to_vec(&recommending.answer(&request, String::new()))?);
        }
        Ok(())
    };
    let mut alone = Contender::new(|| per_row(&alone));
    let mut on_one = Contender::new(|| per_row(&|| score(&one, &scorer, &blocks)));
    let mut on_two = Contender::new(|| per_row(&|| score(&two, &scorer, &blocks)));
    let (warm_up, rounds) = if quick { (1, 3) } else { (2, 15) };
    interleave(warm_up, rounds, &mut [&mut alone, &mut on_one, &mut on_two])?;
    let alone = Samples::of(alone.samples);
    let row = |cores: &str, samples: Vec<f64>| {
        let samples = Samples::of(samples);
        let median = samples.median();
        let row = Row::alone(format!("batch, {name}: a row, {cores}"), Unit::Seconds, samples);
        (row.beside("one at a time", alone.clone()), median)
    };
    Ok((row("one core", on_one.samples), row("two cores", on_two.samples)))
}

fn score(runtime: &Runtime, scorer: &Scorer, blocks: &[Arc<Block>]) -> Result<()> {
    runtime.block_on(async {
        let score = |block: &Arc<Block>| {
            let (scorer, block) = (scorer.clone(), Arc::clone(block));
            tokio::spawn(async move { scorer.score(&block).await })
        };
        let scored: Vec<_> = blocks.iter().map(score).collect();
        for scored in scored {
            black_box(scored.await??);
        }
        Ok(())
    })
}

fn blocks(text: &str) -> Vec<Block> {
    let (mut cutter, mut blocks) = (Cutter::new(Place::START), Vec::new());
    let Ok(()) = cutter.push(text.as_bytes(), |block| {
        blocks.push(block);
        Ok::<_, Infallible>(())
    });
    blocks.extend(cutter.finish());
    blocks
}

/// The most memory that the command has while it scores so many lines.
fn memory(model: &Path, lines: usize) -> Result<Row> {
    let home = tempfile::tempdir().context("cannot make a temporary folder")?;
    let input = home.path().join("in.jsonl");
    let people = fixture::people(1_000);
    let mut file = BufWriter::new(File::create(&input)?);
    (0..lines / 1_000).try_for_each(|_| file.write_all(people.as_bytes()))?;
    file.flush()?;
    let mut batch = command(&binaries::build("marquee", "marquee")?);
    batch.arg("batch").arg(&input).arg("--model").arg(model).arg("-o").arg(home.path().join("out.jsonl"));
    let mut child = batch.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn()?;
    let mut peak = 0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        let text = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let high = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak = peak.max(high.and_then(|kib| kib.trim().parse::<u64>().ok()).unwrap_or(0));
        thread::sleep(Duration::from_millis(20));
    };
    ensure!(status.success(), "the batch failed: {status}");
    let samples = Samples::of([peak as f64 * 1024.0]);
    let what = format!("batch: peak memory of {lines} lines");
    Ok(Row::alone(what, Unit::Bytes, samples).aim(Aim::Ours(MEMORY)))
}

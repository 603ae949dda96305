//! Opening an artifact whose weights are 256 MB, until it can answer, beside candle's reading of those weights.
//!
//! Ours maps all files and checks their headers; candle reads the one file of weights into tensors, derived tensors not
//! among them. Both find the files in the page cache. What a first answer then has to fault in is not part of this: the row
//! below it is the time until the first answer is there, which reads what a scan by integers reads.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context, Result};
use candle_core::{Device, safetensors};
use shared::catalogue::RowSet;
use shared::model::artifact::MODEL;
use shared::model::{Artifact, Attraction};

use super::Bench;
use crate::measure::{Contender, Samples, interleave};
use crate::report::{Aim, Findings, Row, Unit};
use crate::{Options, fixture};

pub(crate) const BENCH: Bench =
    Bench { name: "mapping", about: "opening an artifact of 256 MB beside candle's reading of it", run };

/// Items of 64 numbers of 4 bytes: 256 MB.
const ITEMS: usize = 1_000_000;

fn run(&Options { quick, .. }: &Options) -> Result<Findings> {
    let folder = fixture::artifact_of(if quick { ITEMS / 10 } else { ITEMS })?;
    let weights = folder.path().join(MODEL);
    let megabytes = std::fs::metadata(&weights).context("cannot see the weights")?.len() / 1_000_000;
    let open = || -> Result<f64> {
        let started = Instant::now();
        let artifact = Artifact::open(black_box(folder.path()))?;
        let elapsed = started.elapsed().as_secs_f64();
        drop(artifact);
        Ok(elapsed)
    };
    let read = || -> Result<f64> {
        let started = Instant::now();
        let tensors = safetensors::load(black_box(&weights), &Device::Cpu)?;
        let elapsed = started.elapsed().as_secs_f64();
        drop(tensors);
        Ok(elapsed)
    };
    let answer = || -> Result<f64> {
        let started = Instant::now();
        let artifact = Artifact::open(folder.path())?;
        let history = [Attraction { row: 1, weight: 1.0 }];
        let taste = artifact.recommender().taste(&history).context("the history does not fold in")?;
        black_box(taste.top_k(fixture::K, &RowSet::none(artifact.catalogue.len())));
        Ok(started.elapsed().as_secs_f64())
    };
    let (mut opening, mut reading) = (Contender::new(open), Contender::new(read));
    let mut answering = Contender::new(answer);
    let (warm_up, rounds) = if quick { (1, 5) } else { (2, 25) };
    interleave(warm_up, rounds, &mut [&mut opening, &mut reading, &mut answering])?;
    let reading = Samples::of(reading.samples);
    let row = |what: &str, samples| {
        Row::alone(format!("{what}, weights of {megabytes} MB"), Unit::Seconds, Samples::of(samples))
            .beside("candle's safetensors load", reading.clone())
    };
    Ok(Findings {
        rows: vec![
            row("opening an artifact", opening.samples).aim(Aim::Ratio(0.02)),
            row("… and its first answer", answering.samples),
        ],
        ..Findings::default()
    })
}

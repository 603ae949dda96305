//! The exact scan for the best 100 beside one plain read of the same bytes.
//!
//! Both run on one thread by turns over the same memory, which begins with a cache line as in a mapped artifact, so that
//! both find the caches alike; the time is CPU time of that thread, waiting for memory included. The read sums all numbers
//! in as many lanes as the scan has accumulators, with the widest vectors of the machine, and its result is used, so
//! that no compiler can leave it out; other numbers of lanes and other operations were tried and are not faster. 10,000
//! items fit into the caches of most machines, the others into few or none.

use std::hint::black_box;

use anyhow::{Result, ensure};
use multiversion::multiversion;
use shared::catalogue::RowSet;
use shared::model::topk::{BLOCK, Items, Layout, to_block, top_k};

use super::Bench;
use crate::Options;
use crate::fixture::random_values;
use crate::measure::{Contender, Samples, cpu_seconds, interleave};
use crate::report::{Aim, Findings, Row, Unit};

pub(crate) const BENCH: Bench =
    Bench { name: "topk", about: "the exact top-100 scan beside a plain read of the same bytes", run };

const FACTORS: usize = 64;
const K: usize = 100;
const CACHE_LINE_BYTES: usize = 64;
/// A sample reads at least as many bytes, so that it takes milliseconds.
const BYTES_A_SAMPLE: usize = 32 << 20;

fn run(&Options { quick, .. }: &Options) -> Result<Findings> {
    let sizes: &[(usize, &str, Option<Aim>)] = &[
        (10_000, "10k", None),
        (100_000, "100k", Some(Aim::Ratio(1.05))),
        (1_000_000, "1M", Some(Aim::Ratio(1.05))),
    ];
    let (sizes, rounds) = if quick { (&sizes[..2], 15) } else { (sizes, 100) };
    let mut findings = Findings::default();
    for (rows, name, aim) in sizes {
        let row = compare(*rows, name, rounds)?;
        findings.rows.push(match aim {
            Some(aim) => row.aim(*aim),
            None => row,
        });
    }
    Ok(findings)
}

fn compare(rows: usize, name: &str, rounds: usize) -> Result<Row> {
    let blocks = Blocks::random(rows);
    let blocks = blocks.as_slice();
    let query = random_values(FACTORS, 1);
    let excluded = RowSet::none(rows);
    let items = Items { layout: Layout::Blocked(blocks), factors: FACTORS, rows };
    ensure!(top_k(items, &query, K, &excluded).len() == K, "the scan found fewer than {K} items");

    let batch = BYTES_A_SAMPLE.div_ceil(size_of_val(blocks));
    let scan = || Ok(top_k(black_box(items), &query, K, &excluded));
    let mut scanning = Contender::new(|| cpu_seconds(batch, scan));
    let mut reading = Contender::new(|| cpu_seconds(batch, || Ok(read(black_box(blocks)))));
    interleave(3, rounds, &mut [&mut scanning, &mut reading])?;
    let what = format!("exact top-{K} over {name} × {FACTORS} f32");
    Ok(Row::alone(what, Unit::Seconds, Samples::of(scanning.samples))
        .beside("plain read", Samples::of(reading.samples)))
}

/// Items in blocks, beginning with a cache line, as they do in a mapped artifact.
struct Blocks {
    values: Vec<f32>,
    start: usize,
}

impl Blocks {
    /// Random items, the rows past the last being zeros.
    fn random(rows: usize) -> Self {
        let room = CACHE_LINE_BYTES / size_of::<f32>();
        let mut values = vec![0.0; rows.next_multiple_of(BLOCK) * FACTORS + room];
        let start = values.as_ptr().align_offset(CACHE_LINE_BYTES);
        for (index, block) in values[start..].chunks_exact_mut(BLOCK * FACTORS).enumerate() {
            let present = (rows - index * BLOCK).min(BLOCK);
            to_block(&random_values(present * FACTORS, index as u64), FACTORS, block);
        }
        Self { values, start }
    }

    fn as_slice(&self) -> &[f32] {
        let whole = (self.values.len() - self.start) / (BLOCK * FACTORS) * (BLOCK * FACTORS);
        &self.values[self.start..][..whole]
    }
}

/// Reads everything once, in order. Sums of floats, since a compiler must not regroup them: it turned exclusive ors into
/// pairs of loads out of order, a third slower.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx2+fma", "x86_64+avx2+fma", "aarch64+neon"))]
fn read(values: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; BLOCK];
    for chunk in values.as_chunks::<BLOCK>().0 {
        for lane in 0..BLOCK {
            lanes[lane] += chunk[lane];
        }
    }
    lanes.iter().sum()
}

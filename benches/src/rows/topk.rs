//! The exact scan for the best 100 beside one plain read of the same bytes, FAISS, and candle: in f32, and by integers first.
//!
//! Both run on one thread by turns over the same memory, which begins with a cache line as in a mapped artifact, so that
//! both find the caches alike; the time is CPU time of that thread, waiting for memory included. The read sums all numbers
//! in as many lanes as the scan has accumulators, with the widest vectors of the machine, and its result is used, so
//! that no compiler can leave it out; other numbers of lanes and other operations were tried and are not faster. 10,000
//! items fit into the caches of most machines, the others into few or none.
//!
//! FAISS and candle are processes of their own, with one thread and the same items and query, and measure themselves
//! likewise. Candle multiplies, and the best of its scores are selected and sorted.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::iter;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use candle_core::{Device, Tensor};
use multiversion::multiversion;
use shared::catalogue::RowSet;
use shared::model::Scored;
use shared::model::topk::int8::{InstructionSet, RowsInInt8};
use shared::model::topk::{BLOCK, Items, Layout, to_block, top_k};

use super::Bench;
use super::sasrec::best_by_selection;
use crate::Options;
use crate::fixture::random_values;
use crate::measure::{Contender, Samples, cpu_seconds, interleave};
use crate::peer::{self, Peer};
use crate::plot::{Plot, Series};
use crate::report::{Aim, Findings, Row, Unit};

pub(crate) const BENCH: Bench = Bench {
    name: "topk",
    about: "the exact top-100 scan beside a plain read of the same bytes, FAISS and candle",
    run,
};

const FACTORS: usize = 64;
const K: usize = 100;
const CACHE_LINE_BYTES: usize = 64;
/// A sample reads at least as many bytes, so that it takes milliseconds.
const BYTES_A_SAMPLE: usize = 32 << 20;
/// What the design wants.
const F32_TO_READ: Aim = Aim::Ratio(1.05);
const INTEGERS_TO_READ: Aim = Aim::Ratio(0.30);
const F32_TO_FAISS: Aim = Aim::Ratio(0.75);
/// The peers add in another order: where scores are that close, another item may be the last of its list.
const ALIKE_AT_LEAST: usize = K - 2;

fn run(&Options { quick, .. }: &Options) -> Result<Findings> {
    let sizes: &[(usize, &str)] = &[(10_000, "10k"), (100_000, "100k"), (1_000_000, "1M")];
    let (sizes, rounds) = if quick { (&sizes[..2], 15) } else { (sizes, 100) };
    let mut findings = Findings::default();
    for (rows, name) in sizes {
        compare(*rows, name, rounds, *rows > 10_000, &mut findings)?;
    }
    let fastest = InstructionSet::available().next().context("no instruction set")?;
    findings.notes.push(format!(
        "Top-k: random items, one thread, CPU time; integers by {fastest:?}; FAISS IndexFlatIP; candle's product of \
         matrices, then select_nth_unstable and a sort of the best."
    ));
    if !quick {
        findings.plots = growth()?;
    }
    Ok(findings)
}

fn compare(rows: usize, name: &str, rounds: usize, aimed: bool, findings: &mut Findings) -> Result<()> {
    let data = Data::random(rows, FACTORS);
    let excluded = RowSet::none(rows);
    let (in_f32, by_integers) = (data.items(false), data.items(true));
    let top = |items: Items<'_>| top_k(items, &data.query, K, &excluded);
    let found = top(in_f32);
    ensure!(found.len() == K, "the scan found fewer than {K} items");
    ensure!(bits(&found) == bits(&top(by_integers)), "the integers find others than the scan in f32");
    let [mut faiss, mut candle] = Searcher::both(&data)?;
    for peer in [&mut faiss, &mut candle] {
        let theirs = peer.find()?.1;
        let alike = theirs.iter().filter(|row| found.iter().any(|ours| ours.row == **row)).count();
        ensure!(alike >= ALIKE_AT_LEAST, "of the {K} that a peer finds only {alike} are ours");
    }

    let blocks = data.blocks();
    let batch = BYTES_A_SAMPLE.div_ceil(size_of_val(blocks));
    let mut scanning = Contender::new(|| cpu_seconds(batch, || Ok(top(black_box(in_f32)))));
    let mut integers = Contender::new(|| cpu_seconds(batch, || Ok(top(black_box(by_integers)))));
    let mut reading = Contender::new(|| cpu_seconds(batch, || Ok(read(black_box(blocks)))));
    let mut faiss = Contender::new(|| Ok(faiss.find()?.0));
    let mut candle = Contender::new(|| Ok(candle.find()?.0));
    interleave(3, rounds, &mut [&mut scanning, &mut reading, &mut integers, &mut faiss, &mut candle])?;

    let row = |way: &str, samples: &[f64]| {
        let what = format!("exact top-{K} over {name} × {FACTORS} {way}");
        Row::alone(what, Unit::Seconds, Samples::of(samples.iter().copied()))
    };
    let aim = |row: Row, aim| if aimed { row.aim(aim) } else { row };
    let read = || Samples::of(reading.samples.iter().copied());
    let faiss = || Samples::of(faiss.samples.iter().copied());
    let candle = || Samples::of(candle.samples.iter().copied());
    findings.rows.extend([
        aim(row("f32", &scanning.samples).beside("plain read", read()), F32_TO_READ),
        aim(row("f32", &scanning.samples).beside("FAISS", faiss()), F32_TO_FAISS),
        row("f32", &scanning.samples).beside("candle", candle()),
        aim(row("by integers", &integers.samples).beside("plain read of the f32", read()), INTEGERS_TO_READ),
        row("by integers", &integers.samples).beside("FAISS", faiss()),
        row("by integers", &integers.samples).beside("candle", candle()),
    ]);
    Ok(())
}

fn bits(scored: &[Scored]) -> Vec<(u32, u32)> {
    scored.iter().map(|scored| (scored.row, scored.score.to_bits())).collect()
}

/// How the times grow with items, factors and results; the others are 100,000 × 64 and 100.
fn growth() -> Result<Vec<Plot>> {
    let with = |x: usize, rows, factors, k| -> Result<_> { Ok((x as f64, times(rows, factors, k)?)) };
    let items = [1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000];
    let by_items = items.into_iter().map(|n| with(n, n, FACTORS, K)).collect::<Result<Vec<_>>>()?;
    let factors = [16, 32, 64, 128, 256];
    let by_factors = factors.into_iter().map(|d| with(d, 100_000, d, K)).collect::<Result<Vec<_>>>()?;
    let results = [1, 10, 50, 100, 200, 500];
    let by_results = results.into_iter().map(|k| with(k, 100_000, FACTORS, k)).collect::<Result<Vec<_>>>()?;
    let plot = |name: &'static str, title: &str, x: &'static str, points: &[(f64, [f64; 3])]| Plot {
        name,
        title: title.to_owned(),
        x,
        series: ["f32", "as served", "plain read of the f32"]
            .into_iter()
            .enumerate()
            .map(|(i, of)| Series { of, points: points.iter().map(|(x, times)| (*x, times[i])).collect() })
            .collect(),
    };
    Ok(vec![
        plot("topk-items", "Exact top-100 over N × 64", "items", &by_items),
        plot("topk-factors", "Exact top-100 over 100,000 × d", "factors", &by_factors),
        plot("topk-results", "Exact top-k over 100,000 × 64", "k", &by_results),
    ])
}

/// Medians of the scan in f32, of the scan as it is served, and of a plain read, in seconds.
fn times(rows: usize, factors: usize, k: usize) -> Result<[f64; 3]> {
    const ROUNDS: usize = 15;
    let data = Data::random(rows, factors);
    let excluded = RowSet::none(rows);
    let blocks = data.blocks();
    let batch = BYTES_A_SAMPLE.div_ceil(size_of_val(blocks));
    let scan = |items: Items<'_>| top_k(black_box(items), &data.query, k, &excluded);
    let mut scanning = Contender::new(|| cpu_seconds(batch, || Ok(scan(data.items(false)))));
    let mut served = Contender::new(|| cpu_seconds(batch, || Ok(scan(data.items(true)))));
    let mut reading = Contender::new(|| cpu_seconds(batch, || Ok(read(black_box(blocks)))));
    interleave(1, ROUNDS, &mut [&mut scanning, &mut served, &mut reading])?;
    Ok([scanning.samples, served.samples, reading.samples].map(|samples| Samples::of(samples).median()))
}

/// A peer that searches the same items.
struct Searcher(Peer);

impl Searcher {
    /// FAISS, and candle.
    fn both(data: &Data) -> Result<[Self; 2]> {
        let files = tempfile::tempdir().context("cannot make a temporary folder")?;
        let (items, query) = (files.path().join("items.f32"), files.path().join("query.f32"));
        write_numbers(&items, &data.matrix)?;
        write_numbers(&query, &data.query)?;
        let mut command = peer::python("topk.py");
        command.arg(&items).arg(&query).arg(FACTORS.to_string()).arg(K.to_string());
        let faiss = Peer::start("FAISS", command)?;
        let candle = Peer::start_this("candle", 1, &["candle-top-k"], &[&items, &query])?;
        let mut both = [Self(faiss), Self(candle)];
        // The files are read by the first answer, and go.
        both.iter_mut().try_for_each(|peer| peer.find().map(drop))?;
        Ok(both)
    }

    /// Seconds of CPU time of one search, and the rows found.
    fn find(&mut self) -> Result<(f64, Vec<u32>)> {
        let numbers = self.0.ask("find")?;
        let (seconds, rows) = numbers.split_first().context("a peer answers nothing")?;
        Ok((*seconds, rows.iter().map(|row| *row as u32).collect()))
    }
}

/// The peer: candle's product of the items and the query, and the best of it.
pub(crate) fn candle(items: &Path, query: &Path) -> Result<()> {
    let query = Tensor::from_vec(read_numbers(query)?, (FACTORS, 1), &Device::Cpu)?;
    let items = read_numbers(items)?;
    let items = Tensor::from_vec(items, ((), FACTORS), &Device::Cpu)?;
    let batch = BYTES_A_SAMPLE.div_ceil(items.elem_count() * size_of::<f32>());
    let best = || Ok(best_by_selection(items.matmul(&query)?.flatten_all()?.to_vec1()?, K));
    while peer::question()?.is_some() {
        let seconds = cpu_seconds(batch, best)?;
        let rows = best()?.into_iter().map(f64::from);
        peer::answer(&iter::once(seconds).chain(rows).collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Reads what [`write_numbers`] wrote.
fn read_numbers(path: &Path) -> Result<Vec<f32>> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect())
}

/// Writes numbers as peers read them: little-endian.
pub(super) fn write_numbers(path: &Path, numbers: &[f32]) -> Result<()> {
    let mut out = BufWriter::new(File::create(path).context("cannot make a file of numbers")?);
    numbers.iter().try_for_each(|number| out.write_all(&number.to_le_bytes()))?;
    out.flush().context("cannot write a file of numbers")
}

/// Random items in all forms, and a query.
struct Data {
    rows: usize,
    factors: usize,
    query: Vec<f32>,
    matrix: Vec<f32>,
    integers: RowsInInt8,
    /// In blocks from `start` on, where a cache line begins, as in a mapped artifact.
    blocks: Vec<f32>,
    start: usize,
}

impl Data {
    fn random(rows: usize, factors: usize) -> Self {
        let matrix = random_values(rows * factors, 2);
        let room = CACHE_LINE_BYTES / size_of::<f32>();
        let mut blocks = vec![0.0; rows.next_multiple_of(BLOCK) * factors + room];
        let start = blocks.as_ptr().align_offset(CACHE_LINE_BYTES);
        let groups = matrix.chunks(BLOCK * factors).zip(blocks[start..].chunks_mut(BLOCK * factors));
        groups.for_each(|(rows, block)| to_block(rows, factors, block));
        let integers = RowsInInt8::of(&matrix, factors);
        Self { rows, factors, query: random_values(factors, 1), matrix, integers, blocks, start }
    }

    fn blocks(&self) -> &[f32] {
        &self.blocks[self.start..][..self.rows.next_multiple_of(BLOCK) * self.factors]
    }

    fn items(&self, integers: bool) -> Items<'_> {
        Items {
            layout: Layout::Blocked(self.blocks()),
            int8: integers.then(|| self.integers.with(&self.matrix)),
            factors: self.factors,
            rows: self.rows,
        }
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

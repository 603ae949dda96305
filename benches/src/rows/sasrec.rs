//! From a history to its exact best 100 by a sequence model, on one thread: the artifact as it is served, beside candle's
//! own operators and PyTorch with the same weights.
//!
//! The peers are processes of one thread, candle's with the widest vectors that its products of matrices know and without
//! a graph of gradients, PyTorch's in inference mode. All answer the same histories and must agree on the best items. A
//! turn of each is one history that does not count, since the others had the caches, and some that do, each a sample:
//! CPU time of the thread, waiting for memory included.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use candle_core::{Device, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::ThreadPoolBuilder;
use shared::catalogue::RowSet;
use shared::model::config::{Kind, NORM_EPSILON, SasrecConfig};
use shared::model::sasrec::network::{Batch, Inference, Network};
use shared::model::{Artifact, Attraction, Scored};

use super::Bench;
use crate::measure::{Contender, Samples, TakesTurns, each_cpu_seconds, interleave};
use crate::peer::{self, Peer};
use crate::report::{Aim, Findings, Row, Unit};
use crate::{Options, fixture};

pub(crate) const BENCH: Bench =
    Bench { name: "sasrec", about: "one history by a sequence model, beside candle and PyTorch", run };

/// What every contender returns.
const K: usize = 100;
/// Of [`K`], how many two of them must agree on: scores that are equal but for rounding may change places at the end.
const AGREED: usize = K - 2;
/// Different histories, taken in turn.
const HISTORIES: usize = 16;
/// Histories of a turn that count.
const A_TURN: usize = 10;

/// Dimensions, length and items of a model.
type Size = (usize, usize, usize);
/// The size that the design has aims for.
const AIMED_AT: Size = (64, 200, 4_000);

fn run(options: &Options) -> Result<Findings> {
    let all = [64, 256].into_iter().flat_map(|d| [50, 200].map(|length| (d, length)));
    let all = all.flat_map(|(d, length)| [4_000, 60_000].map(|items| (d, length, items)));
    let mut findings = Findings::default();
    for size in all.filter(|size| !options.quick || *size == AIMED_AT) {
        findings.rows.extend(compare(size, options)?);
    }
    findings.notes.push(format!(
        "SASRec: 2 blocks, 1 head, random weights, {HISTORIES} full histories by turns; from rows to the best {K}, CPU time \
         of one thread. Candle: its forms for inference, logits by its product, the best by select_nth_unstable; PyTorch: \
         scaled_dot_product_attention and topk in inference mode."
    ));
    Ok(findings)
}

fn compare(size: Size, options: &Options) -> Result<Vec<Row>> {
    let (dimensions, length, items) = size;
    let home = tempfile::tempdir().context("cannot make a temporary folder")?;
    let (model, file) = (home.path().join("model"), home.path().join("histories"));
    fixture::write_sasrec(&model, config(dimensions, length), items)?;
    let histories = histories(length, items);
    peer::write_histories(&file, &histories)?;

    let artifact = Artifact::open(&model)?;
    ensure!(artifact.has_serving(), "the artifact lacks its derived tensors");
    let known: Vec<Vec<Attraction>> = histories.iter().map(|history| attractions(history)).collect();
    let none = RowSet::none(items);
    let best = |history: usize| -> Result<Vec<Scored>> {
        let taste = artifact.recommender().taste(&known[history % HISTORIES]);
        Ok(taste.context("the history is not encoded")?.top_k(K, &none))
    };
    let expected: BTreeSet<u32> = best(0)?.iter().map(|scored| scored.row).collect();
    let mut candle = Peer::start_this("candle", 1, &["candle"], &[&model, &file])?;
    agree("candle", &mut candle, &expected)?;
    let mut torch = match &options.torch {
        Some(python) => {
            let mut command = peer::torch(python)?;
            command.arg("answer").args([&model, &file]);
            let mut torch = Peer::start("PyTorch", command)?;
            agree("PyTorch", &mut torch, &expected)?;
            Some(torch)
        }
        None => None,
    };

    let question = A_TURN.to_string();
    let mut ours = Contender::new(|| each_cpu_seconds(A_TURN, best));
    let mut candle = Contender::new(|| candle.ask(&question));
    let mut torch = torch.as_mut().map(|torch| Contender::new(|| torch.ask(&question)));
    let mut turns: Vec<&mut dyn TakesTurns> = vec![&mut ours, &mut candle];
    turns.extend(torch.as_mut().map(|torch| torch as &mut dyn TakesTurns));
    interleave(3, if options.quick { 20 } else { 100 }, &mut turns)?;
    let flat = |turns: Vec<Vec<f64>>| Samples::of(turns.into_iter().flatten());
    Ok(rows(size, &flat(ours.samples), &flat(candle.samples), torch.map(|torch| flat(torch.samples))))
}

fn rows(size: Size, ours: &Samples, candle: &Samples, torch: Option<Samples>) -> Vec<Row> {
    let (d, length, items) = size;
    let what = format!("SASRec: history of {length} to top-{K}, d = {d}, {}k items", items / 1_000);
    let row = |what: &str, ours: &Samples| Row::alone(what, Unit::Seconds, ours.clone());
    let aimed = |row: Row, aim: Aim| if size == AIMED_AT { row.aim(aim) } else { row };
    let p99 = |samples: &Samples| Samples::of([samples.percentile(0.99)]);
    let beside_torch = match torch {
        Some(torch) => Some(aimed(row(&what, ours).beside("PyTorch", torch), Aim::Ratio(0.5))),
        None if size == AIMED_AT => Some(row(&what, ours).aim(Aim::Later(WITHOUT_TORCH))),
        None => None,
    };
    let mut rows = vec![aimed(row(&what, ours).beside("candle", candle.clone()), Aim::Ratio(0.3))];
    rows.extend(beside_torch);
    let slowest = row(&format!("{what}: p99"), &p99(ours)).beside("candle", p99(candle));
    rows.push(aimed(slowest, Aim::Ours(1e-3)));
    rows
}

const WITHOUT_TORCH: &str = "≤ 0.50× PyTorch: not compared: --torch names no Python with torch";

pub(super) fn config(dimensions: usize, length: usize) -> SasrecConfig {
    SasrecConfig {
        dimensions,
        length,
        blocks: 2,
        heads: 1,
        feed_forward: dimensions,
        norm_epsilon: NORM_EPSILON,
        attended_padding: false,
        dropout: None,
        learning_rate: None,
        batch: None,
        epochs: None,
        negatives: None,
        seed: None,
    }
}

fn histories(length: usize, items: usize) -> Vec<Vec<u32>> {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut history = || (0..length).map(|_| random.random_range(0..items as u32)).collect();
    (0..HISTORIES).map(|_| history()).collect()
}

fn attractions(history: &[u32]) -> Vec<Attraction> {
    history.iter().map(|row| Attraction { row: *row, weight: 1.0 }).collect()
}

/// That a peer finds the same best items for the first history.
fn agree(name: &str, peer: &mut Peer, expected: &BTreeSet<u32>) -> Result<()> {
    let found: BTreeSet<u32> = peer.ask("best")?.into_iter().map(|row| row as u32).collect();
    let common = found.intersection(expected).count();
    ensure!(common >= AGREED, "{name} and the artifact agree on {common} of the best {K} items");
    Ok(())
}

/// The peer: candle's own operators over the weights of an artifact. It is told to answer `best`, with the best rows of the
/// first history, or how many histories to time.
pub(crate) fn candle(model: &Path, histories: &Path) -> Result<()> {
    // What candle divides runs in a pool of rayon: in this thread, that it is timed.
    let pool = ThreadPoolBuilder::new().num_threads(1).build().context("no thread starts")?;
    pool.install(|| {
        let candle = Candle::open(model, peer::read_histories(histories)?)?;
        while let Some(question) = peer::question()? {
            let answer = match question.parse() {
                Ok(count) => each_cpu_seconds(count, |history| candle.best(history))?,
                Err(_) => candle.best(0)?.into_iter().map(f64::from).collect(),
            };
            peer::answer(&answer)?;
        }
        Ok(())
    })
}

struct Candle {
    network: Network,
    /// The items' embeddings, `[d, items]`.
    items: Tensor,
    operators: Inference,
    length: usize,
    histories: Vec<Vec<u32>>,
}

impl Candle {
    fn open(model: &Path, histories: Vec<Vec<u32>>) -> Result<Self> {
        let Kind::Sasrec(config) = Artifact::open(model)?.config.kind else {
            anyhow::bail!("{} holds another kind of model", model.display())
        };
        let weights = model.join(shared::model::artifact::MODEL);
        let tensors: HashMap<String, Tensor> = candle_core::safetensors::load(weights, &Device::Cpu)?;
        let network = Network::new(&config, &tensors)?;
        let items = network.items().t()?;
        let operators = Inference::new(config.length, &Device::Cpu)?;
        Ok(Self { network, items, operators, length: config.length, histories })
    }

    fn best(&self, history: usize) -> Result<Vec<u32>> {
        let history = self.histories[history % self.histories.len()].as_slice();
        let batch = Batch::of([history], self.length, &Device::Cpu)?;
        let logits = self.network.queries(&batch, &self.operators)?.matmul(&self.items)?;
        let logits: Vec<f32> = logits.squeeze(0)?.to_vec1()?;
        Ok(best_by_selection(logits, K))
    }
}

/// The rows of the `k` largest scores, best first, as a team would find what candle has computed.
pub(super) fn best_by_selection(scores: Vec<f32>, k: usize) -> Vec<u32> {
    let mut scored: Vec<(f32, u32)> = scores.into_iter().zip(0..).collect();
    scored.select_nth_unstable_by(k - 1, |a, b| b.0.total_cmp(&a.0));
    scored.truncate(k);
    scored.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    scored.into_iter().map(|(_, row)| row).collect()
}

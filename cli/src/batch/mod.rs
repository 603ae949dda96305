//! `marquee batch`: a file of people becomes a file of answers, in order, on all cores, and can be interrupted.
//!
//! One thread reads, unpacks and cuts the input into blocks; the others score them; blocks are written in order. A few blocks
//! are under way at a time, so that memory does not grow with the input.

mod checkpoint;
mod input;
mod output;
mod progress;

use std::path::Path;
use std::sync::Arc;
use std::thread;

use anyhow::{Result, anyhow, bail, ensure};
use futures_util::{StreamExt, stream};
use shared::api::recommendation::K;
use shared::batch::{Manner, Scorer, Tally};
use shared::recommend::Recommending;
use tokio::sync::mpsc;

use crate::commands::BatchOptions;
use crate::state::{Choice, State};
use crate::{accelerators, cache};
use checkpoint::Run;
use input::{Input, Message};
use output::Output;
use progress::Progress;

/// Blocks that wait to be scored, for each core: what is read meanwhile.
const WAITING: usize = 2;

pub(crate) fn run(options: &BatchOptions) -> Result<()> {
    // First: a model that is trained for a file that isn't there was trained for nothing.
    let input = Input::open(&options.input)?;
    let recommending = Arc::new(Recommending::open(&match &options.model {
        Some(folder) => folder.clone(),
        None => cache::demo_model()?,
    })?);
    let run = Run::of(options, &recommending, &input);
    let Some(output) = Output::open(options, &run)? else {
        println!("{} is finished: there is nothing left to do", options.output.display());
        return Ok(());
    };
    let state = State::open(&options.store)?;
    if options.store == Choice::None {
        eprintln!("no --store: nobody's stored history is known, and a user_id alone gets what is popular");
    }
    let all = || thread::available_parallelism().map_or(1, usize::from);
    let cores = options.jobs.map_or_else(all, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(cores).enable_all().build()?;
    let manner = Manner { format: options.format.into(), k: K::new(options.k.into()), ..Manner::default() };
    let mut scorer = Scorer::new(Arc::clone(&recommending), state.profiles, manner);
    if let Some(endpoint) = &options.accelerator {
        let credentials = options.accelerator_credentials.as_deref();
        let endpoint = std::slice::from_ref(endpoint);
        let accelerators = accelerators::clients(endpoint, credentials, recommending.artifact())?;
        let digest = output.accelerator();
        scorer = accelerators
            .into_iter()
            .fold(scorer, |scorer, client| scorer.with_accelerator(client, digest.clone()));
    }
    let progress = Progress::new(&input, output.begins());
    runtime.block_on(work(input, output, scorer, cores, progress))
}

/// Scores everything that is left to do.
async fn work(
    input: Input,
    mut output: Output,
    scorer: Scorer,
    cores: usize,
    mut progress: Progress,
) -> Result<()> {
    let (to, mut messages) = mpsc::channel(WAITING * cores);
    let name = input.name().to_owned();
    let nobody = format!("{name} is empty: there is nobody in it");
    let reader = input.read(output.begins(), to);
    let Some(Message::Layout(layout)) = messages.recv().await else {
        return ended(reader).and(Err(anyhow!(nobody)));
    };
    let scorer = scorer.reading(layout);
    let read = stream::unfold(messages, async |mut messages| Some((messages.recv().await?, messages)));
    let blocks = read.filter_map(async |message| match message {
        Message::Block(read) => Some(read),
        Message::Layout(_) => None,
    });
    let scored = blocks.map(|read| {
        let scorer = scorer.clone();
        tokio::spawn(async move { (scorer.score(&read.block).await, read.text) })
    });
    let mut scored = std::pin::pin!(scored.buffered(WAITING * cores));
    // One for the whole run: it also hears what comes while a block is written.
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        let next = tokio::select! {
            biased;
            interrupted = &mut interrupted => {
                progress.clear();
                interrupted?;
                bail!(output.stopped());
            }
            next = scored.next() => next,
        };
        let Some(done) = next else { break };
        let (outcome, text) = done?;
        let block = outcome.map_err(|error| anyhow!(error).context(output.stopped()))?;
        progress.advance(&block.tally, text.read);
        output.write(&block, text)?;
    }
    progress.clear();
    ended(reader).map_err(|error| error.context(output.stopped()))?;
    ensure!(output.tally().rows > 0, nobody);
    let to_stdout = output.is_stream();
    progress.print(&output.finish()?, to_stdout);
    Ok(())
}

/// What came of reading.
fn ended(reader: thread::JoinHandle<Result<()>>) -> Result<()> {
    reader.join().unwrap_or_else(|_| bail!("reading broke off"))
}

/// What a run has done.
struct Report {
    tally: Tally,
    /// Bytes written.
    bytes: u64,
    to: String,
    /// Lines that the run before had done.
    resumed: u64,
}

/// Whether a path stands for standard input or output.
fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}

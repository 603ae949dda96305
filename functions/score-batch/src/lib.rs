//! Scores one range of a batch's input, and writes its answers as parts.
//!
//! A part ends where the range does or some megabytes of answers are there, so the same range gives the same parts. What is
//! kept already is not made again: a second attempt goes on where the first ended. When the time that Lambda gives is nearly
//! over, what is left is handed back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};
use shared::accelerator::Accelerator;
use shared::api::batches::{Backend, FailureCode, Tally};
use shared::batch::objects::{ObjectError, Objects};
use shared::batch::parts::{self, Part};
use shared::batch::ranges::Range;
use shared::batch::run::{self, Failure, Scoring, Stop, Task};
use shared::batch::{Block, Cutter, Manner, Place, ScoreError, Scored, Scorer};
use shared::model::manifest::hex;
use shared::recommend::Recommending;
use shared::store::{Jobs, Profiles, jobs};
use tokio::sync::mpsc;

/// Answers in bytes after which a part ends, where each is an object of S3: a second or two of work is lost with one that is
/// not finished.
pub const PART_BYTES: usize = 16 * 1024 * 1024;
/// The time that writing a part may take.
const RESERVE: Duration = Duration::from_secs(20);
/// Blocks that are read ahead.
const READ_AHEAD: usize = 4;

/// What it stands on.
#[derive(Clone, Debug)]
pub struct State {
    /// The model.
    pub recommending: Arc<Recommending>,
    /// What is known of people.
    pub profiles: Option<Arc<dyn Profiles>>,
    /// Who scores where that is asked for.
    pub accelerator: Option<Arc<dyn Accelerator>>,
    /// Where inputs and results are.
    pub objects: Objects,
    /// The batches.
    pub jobs: Arc<dyn Jobs>,
    /// Blocks that are scored at a time.
    pub at_a_time: usize,
    /// Answers in bytes after which a part ends; what a range's parts are depends on it, and what they say does not.
    pub part_bytes: usize,
}

/// Scores as much of a range as there is time for; `until` is when the time is over.
///
/// # Errors
/// When something fails that may work later. What never will is noted in the batch, which is over then.
pub async fn handle(event: Scoring, state: &State, until: Option<Instant>) -> Result<Scoring, Failure> {
    let Scoring { task, range, .. } = event;
    let range = match score(&task, range, state, until).await {
        Ok(range) => range,
        Err(Stop::Fault(code, detail)) => {
            run::fail(state.jobs.as_ref(), &task.batch_id, code, detail).await?;
            Range { from: range.to, ..range }
        }
        Err(Stop::Failure(error)) => return Err(error),
    };
    Ok(Scoring { done: range.from >= range.to, task, range })
}

/// What is left of the range.
async fn score(task: &Task, range: Range, state: &State, until: Option<Instant>) -> Result<Range, Stop> {
    let job = state.jobs.job(&task.batch_id).await?.map(|kept| kept.job);
    let Some(job) = job.filter(|job| !job.state.is_final()) else {
        // Cancelled, or failed in another range.
        return Ok(Range { from: range.to, ..range });
    };
    let mut bound_to = job.accelerator;
    let scorer = scorer(task, bound_to.clone(), state)?;
    let mut left = left(task, range, state).await?;
    let late = || until.is_some_and(|until| Instant::now() + RESERVE >= until);
    let mut blocks = blocks(task, left, state).await?;
    let mut scored = std::pin::pin!(
        stream::poll_fn(|context| blocks.poll_recv(context))
            .map(|block| {
                let scorer = scorer.clone();
                tokio::spawn(async move { Ok::<_, Stop>(scorer.score(&block?).await?) })
            })
            .buffered(state.at_a_time)
    );
    let (mut part, mut written) = (Open::at(left), 0);
    while let Some(block) = scored.next().await {
        let block = block.map_err(|error| Stop::Failure(error.into()))??;
        if bound_to != block.accelerator {
            bind(task, block.accelerator.as_deref(), state).await?;
            bound_to.clone_from(&block.accelerator);
        }
        part.push(&block);
        if part.answers.len() >= state.part_bytes {
            left = part.write(task, left, state).await?;
            (part, written) = (Open::at(left), written + 1);
        }
        if late() && left.from < left.to {
            // What is begun is made again from its beginning, so that parts are the same whenever the time is over; unless
            // it would be all that was done.
            return if written == 0 && part.tally.rows > 0 {
                Ok(part.write(task, left, state).await?)
            } else {
                Ok(left)
            };
        }
    }
    if part.tally.rows > 0 { Ok(part.write(task, left, state).await?) } else { Ok(left) }
}

/// Binds the batch to the accelerator's model, if no other range has bound it to another.
async fn bind(task: &Task, digest: Option<&str>, state: &State) -> Result<(), Stop> {
    let Some(now) = digest else { return Ok(()) };
    let bound = jobs::change(state.jobs.as_ref(), &task.batch_id, |job| {
        job.accelerator.get_or_insert_with(|| now.to_owned());
    });
    match bound.await?.and_then(|job| job.accelerator) {
        Some(before) if before != now => Err(ScoreError::OtherModel { before, now: now.to_owned() }.into()),
        _ => Ok(()),
    }
}

/// Who scores, if it is what the batch is bound to.
fn scorer(task: &Task, accelerator: Option<String>, state: &State) -> Result<Scorer, Stop> {
    let digest = &state.recommending.artifact().manifest.digest;
    if *digest != task.model {
        let detail = format!(
            "the batch is bound to the model {}, and here is {digest}: one batch, one model",
            task.model
        );
        return Err(Stop::Fault(FailureCode::ModelChanged, detail));
    }
    let manner = Manner { layout: task.layout.clone(), format: task.format, k: task.k };
    let scorer = Scorer::new(Arc::clone(&state.recommending), state.profiles.clone(), manner);
    match (task.backend, &state.accelerator) {
        (Backend::Function, _) => Ok(scorer),
        (Backend::Accelerator, Some(client)) => Ok(scorer.with_accelerator(Arc::clone(client), accelerator)),
        (Backend::Accelerator, None) => {
            let detail = "the batch asks for an accelerator, and none is configured here";
            Err(Stop::Fault(FailureCode::NoAccelerator, detail.into()))
        }
    }
}

/// What of a range has no part yet.
async fn left(task: &Task, range: Range, state: &State) -> Result<Range, ObjectError> {
    let found = parts::found(&state.objects, &task.batch_id).await?;
    let done = parts::chain(&found, range.from, range.to);
    let rows: u64 = done.iter().map(|part| part.rows).sum();
    let from = done.last().map_or(range.from, |last| last.to);
    Ok(Range { from, first_line: range.first_line + rows, ..range })
}

/// The blocks of a range, as they are read.
async fn blocks(
    task: &Task,
    range: Range,
    state: &State,
) -> Result<mpsc::Receiver<Result<Block, Stop>>, Stop> {
    let (to, blocks) = mpsc::channel(READ_AHEAD);
    if range.from >= range.to {
        return Ok(blocks);
    }
    let bytes = state.objects.read(&task.key, Some(range.from..range.to), task.tag.as_deref()).await;
    let mut bytes = bytes.map_err(Stop::reading)?;
    tokio::spawn(async move {
        let mut cutter = Cutter::new(range.begins());
        let mut cut = Vec::new();
        while let Some(chunk) = bytes.next().await {
            match chunk {
                Ok(chunk) => {
                    let Ok(()) = cutter.push(&chunk, |block| {
                        cut.push(block);
                        Ok::<_, std::convert::Infallible>(())
                    });
                }
                Err(error) => return drop(to.send(Err(Stop::reading(error))).await),
            }
            for block in cut.drain(..) {
                if to.send(Ok(block)).await.is_err() {
                    return;
                }
            }
        }
        if let Some(block) = cutter.finish() {
            drop(to.send(Ok(block)).await);
        }
    });
    Ok(blocks)
}

/// A part that is being made.
struct Open {
    begins: Place,
    ends: Place,
    answers: Vec<u8>,
    tally: Tally,
    started: Instant,
}

impl Open {
    fn at(left: Range) -> Self {
        let begins = left.begins();
        Self { begins, ends: begins, answers: Vec::new(), tally: Tally::default(), started: Instant::now() }
    }

    fn push(&mut self, block: &Scored) {
        self.answers.extend_from_slice(&block.bytes);
        self.tally += block.tally;
        self.ends = block.to;
    }

    /// Writes it: what is left then.
    async fn write(self, task: &Task, left: Range, state: &State) -> Result<Range, ObjectError> {
        let Self { begins, ends, answers, tally, started } = self;
        let range = Range { from: begins.offset, to: ends.offset, first_line: begins.line };
        let part = Part {
            key: Part::key(&task.batch_id, range, &tally),
            range,
            tally,
            bytes: answers.len() as u64,
            sha256: hex(&Sha256::digest(&answers)),
            elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        part.write(&state.objects, answers).await?;
        Ok(Range { from: ends.offset, to: left.to, first_line: ends.line })
    }
}

#[cfg(test)]
mod tests;

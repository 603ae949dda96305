//! Blocks become answers.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::layout::{Layout, Row};
use super::lines::{Block, Place};
use super::write::{self, Output};
use crate::accelerator::{Accelerator, CallError};
use crate::api::batches::{Asked, Format, Tally};
use crate::api::recommendation::{K, Rung};
use crate::api::{Answer, Problem, RecommendationRequest, UserId};
use crate::recommend::{Recommending, Remembered};
use crate::store::{Profiles, StoreError};

/// How many profiles are read at a time.
const READS: usize = 32;
/// How often the store, or the accelerator, is asked before a block is given up: with waits of 0.2, 0.4, … seconds in between
/// a moment's trouble is sat out, and whoever runs the block tries again after a longer one.
const TRIES: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// How long an accelerator may take over a block: nobody waits for it.
const ACCELERATOR_TIMEOUT: Duration = Duration::from_secs(10);

/// How a batch is read and written.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    /// How its lines are read.
    pub layout: Layout,
    /// How answers are written.
    pub format: Format,
    /// How many items for whoever doesn't say; 10.
    pub k: Option<K>,
}

/// Scores blocks: the same answers as over HTTPS, whoever asks and whenever.
#[derive(Clone, Debug)]
pub struct Scorer {
    recommending: Arc<Recommending>,
    profiles: Option<Arc<dyn Profiles>>,
    accelerator: Option<Arc<Bound>>,
    manner: Manner,
}

/// An accelerator, and the model that it is bound to: one batch, one model.
#[derive(Debug)]
struct Bound {
    accelerator: Arc<dyn Accelerator>,
    /// The digest that its first answer has; a server that says none is believed.
    digest: OnceLock<String>,
}

/// The answers to a block, as they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scored {
    /// Where the block begins.
    pub from: Place,
    /// Where it ends.
    pub to: Place,
    /// One line for each of the block's.
    pub bytes: Vec<u8>,
    /// What they are.
    pub tally: Tally,
    /// The digest of the accelerator's model, where there is one and it says so.
    pub accelerator: Option<String>,
}

/// A block could not be scored. No line is at fault.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// The profiles can't be read. Trying again later may help.
    #[error("the store does not say what it knows of people: {0}")]
    Store(StoreError),
    /// The accelerator gives nothing. Trying again later may help.
    #[error("the accelerator gives nothing: {}", .0.without_its_words())]
    Accelerator(CallError),
    /// The accelerator has another model now. Trying again does not help.
    #[error("the accelerator's model was {before} when the batch began, and is {now}: one batch, one model")]
    OtherModel {
        /// The digest of the model that the batch is bound to.
        before: String,
        /// That of the one that answered.
        now: String,
    },
}

impl Scorer {
    /// Scores with the function's own model and, where there is a store, what it knows of people.
    #[must_use]
    pub fn new(recommending: Arc<Recommending>, profiles: Option<Arc<dyn Profiles>>, manner: Manner) -> Self {
        Self { recommending, profiles, accelerator: None, manner }
    }

    /// The same for lines of this layout.
    #[must_use]
    pub fn reading(self, layout: Layout) -> Self {
        Self { manner: Manner { layout, ..self.manner }, ..self }
    }

    /// The same with lists of an accelerator, whose model is the one of this digest; without one, of its first answer.
    #[must_use]
    pub fn with_accelerator(self, accelerator: Arc<dyn Accelerator>, digest: Option<String>) -> Self {
        let digest = digest.map_or_else(OnceLock::new, OnceLock::from);
        Self { accelerator: Some(Arc::new(Bound { accelerator, digest })), ..self }
    }

    /// Scores a block.
    ///
    /// # Errors
    /// When store or accelerator fail for longer than a moment; a line that is wrong is answered with what is wrong.
    pub async fn score(&self, block: &Block) -> Result<Scored, ScoreError> {
        let k = self.manner.k.unwrap_or(RecommendationRequest::default().k);
        let rows: Vec<Row<'_>> = block.lines().map(|line| self.manner.layout.read(line, k)).collect();
        let users = rows.iter().map(|row| row.asked.as_ref().ok().and_then(Asked::user_id).cloned());
        let remembered = self.remembered(users.collect()).await?;
        let outcomes = self.outcomes(&rows, &remembered).await?;
        let (mut bytes, mut tally) = (Vec::new(), Tally::default());
        for (row, outcome) in rows.iter().zip(&outcomes) {
            write::count(&mut tally, outcome);
            write::line(self.manner.format, row, outcome, &mut bytes).unwrap_or_else(|error| {
                unreachable!("an answer is plain data, which JSON can hold: {error}")
            });
        }
        let accelerator = self.accelerator.as_ref().and_then(|bound| bound.digest.get().cloned());
        Ok(Scored { from: block.from, to: block.to, bytes, tally, accelerator })
    }

    /// What is known of each person.
    async fn remembered(&self, users: Vec<Option<UserId>>) -> Result<Vec<Remembered>, ScoreError> {
        let Some(profiles) = &self.profiles else { return Ok(vec![Remembered::default(); users.len()]) };
        let reads = users.into_iter().map(|user| async move {
            let Some(user) = user else { return Ok(Remembered::default()) };
            let stored = patiently(|| profiles.profile(&user)).await.map_err(ScoreError::Store)?;
            let history = stored.map(|stored| stored.profile.history()).unwrap_or_default();
            Ok::<_, ScoreError>(Remembered { history: history.into(), unavailable: false })
        });
        let reads: Vec<Result<_, _>> =
            stream::iter(reads.collect::<Vec<_>>()).buffered(READS).collect().await;
        reads.into_iter().collect()
    }

    /// What is answered to each row.
    async fn outcomes(
        &self,
        rows: &[Row<'_>],
        remembered: &[Remembered],
    ) -> Result<Vec<Result<Output, Problem>>, ScoreError> {
        let asked = rows.iter().zip(remembered).filter_map(|(row, remembered)| match &row.asked {
            Ok(Asked::Recommendation(request)) => Some((request, remembered)),
            _ => None,
        });
        let asked: Vec<_> = asked.collect();
        let answers = match &self.accelerator {
            None => self.recommending.answer_all(&asked),
            Some(bound) => {
                let call = || {
                    let accelerator = bound.accelerator.as_ref();
                    self.recommending.answer_all_by(accelerator, ACCELERATOR_TIMEOUT, &asked)
                };
                let answers = patiently(call).await.map_err(ScoreError::Accelerator)?;
                bound.check(&answers)?;
                answers
            }
        };
        let mut answers = answers.into_iter();
        let outcome = |(row, remembered): (&Row<'_>, &Remembered)| match &row.asked {
            Ok(Asked::Recommendation(_)) => Ok(answers.next().map(Output::Recommendation)),
            Ok(Asked::Ranking(request)) => {
                Ok(Some(Output::Ranking(self.recommending.rank_remembering(request, remembered))))
            }
            Err(problem) => Err(problem.clone()),
        };
        let outcomes = rows.iter().zip(remembered).map(outcome);
        // There are as many answers as were asked for.
        Ok(outcomes.filter_map(Result::transpose).collect())
    }
}

impl Bound {
    /// That all answers of the accelerator are those of one model.
    fn check(&self, answers: &[Answer]) -> Result<(), ScoreError> {
        let theirs = answers.iter().map(|answer| &answer.receipt);
        let theirs = theirs.filter(|receipt| receipt.rung == Rung::Accelerator);
        for now in theirs.filter_map(|receipt| receipt.model.digest.as_ref()) {
            let before = self.digest.get_or_init(|| now.clone());
            if before != now {
                return Err(ScoreError::OtherModel { before: before.clone(), now: now.clone() });
            }
        }
        Ok(())
    }
}

/// Tries again after a failure, a few times.
async fn patiently<T, E, F: Future<Output = Result<T, E>>>(mut call: impl FnMut() -> F) -> Result<T, E> {
    let mut wait = FIRST_WAIT;
    for _ in 1..TRIES {
        match call().await {
            Ok(done) => return Ok(done),
            Err(_) => tokio::time::sleep(wait).await,
        }
        wait *= 2;
    }
    call().await
}

#[cfg(test)]
mod tests;

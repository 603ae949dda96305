//! Batches on one machine: the functions that Step Functions runs on AWS, run in turn by this process, over files.
//!
//! A batch that was under way when the process died goes on when it starts again: what is kept of it is not made again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use async_trait::async_trait;
use batches::{Batches, Engine};
use serde_json::json;
use shared::accelerator::Accelerator;
use shared::api::BatchId;
use shared::batch::objects::Objects;
use shared::batch::run::{Asked, FinishEvent, PlanEvent, Planned, Scoring};
use shared::recommend::Recommending;
use shared::store::embedded::Embedded;
use shared::store::jobs::Job;
use shared::store::{Jobs, StoreError};
use tokio::sync::mpsc;

/// Whose runs these are: after a crash this process's.
const RUN: &str = "marquee serve";
/// Answers in bytes after which a part is written: what a kill undoes is a moment's work.
const PART_BYTES: usize = 1024 * 1024;
/// How often a step that fails is tried again, and how long after.
const TRIES: u32 = 4;
const WAIT: Duration = Duration::from_secs(1);
/// Batches that are looked at a time when the process starts.
const PAGE: usize = 100;

/// A place for batches and what runs them.
pub(super) struct Local {
    /// What the routes stand on.
    pub(super) batches: Arc<Batches>,
    runner: Runner,
    asked: mpsc::UnboundedReceiver<BatchId>,
}

/// Hands batches over to the [`Runner`].
#[derive(Debug)]
struct Queue(mpsc::UnboundedSender<BatchId>);

#[async_trait]
impl Engine for Queue {
    async fn start(&self, batch: &BatchId) -> Result<(), StoreError> {
        self.0.send(batch.clone()).map_err(|_| StoreError::new("the service is stopping"))
    }

    /// The next step finds that it is over.
    async fn stop(&self, _: &Job) -> Result<(), StoreError> {
        Ok(())
    }
}

struct Runner {
    plan: plan_batch::State,
    score: score_batch::State,
    finish: finish_batch::State,
}

impl Local {
    /// The folder of a store's batches where none is named.
    pub(super) fn beside(store: &Path) -> PathBuf {
        let mut folder = store.as_os_str().to_owned();
        folder.push(".batches");
        folder.into()
    }

    /// Batches below a folder, of this model and store.
    pub(super) fn open(
        folder: &Path,
        recommending: &Recommending,
        accelerator: Option<Arc<dyn Accelerator>>,
        store: Embedded,
    ) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))?;
        let objects = Objects::in_folder(folder).map_err(|error| anyhow!("{error}"))?;
        let store = Arc::new(store);
        let jobs: Arc<dyn Jobs> = store.clone();
        let (to, asked) = mpsc::unbounded_channel();
        let engine = Arc::new(Queue(to));
        let batches =
            Batches { jobs: jobs.clone(), objects: objects.clone(), engine, results_limit: u64::MAX };
        let model = plan_batch::receipt(recommending.artifact());
        let runner = Runner {
            plan: plan_batch::State {
                model,
                objects: objects.clone(),
                jobs: jobs.clone(),
                everyone: store.clone(),
            },
            score: score_batch::State {
                recommending: Arc::new(recommending.clone()),
                profiles: Some(store),
                accelerator,
                objects: objects.clone(),
                jobs: jobs.clone(),
                // Requests come first: a batch takes one core at most.
                at_a_time: 1,
                part_bytes: PART_BYTES,
            },
            finish: finish_batch::State { objects, jobs },
        };
        Ok(Self { batches: Arc::new(batches), runner, asked })
    }

    /// Runs what was under way, then what is asked for, one after the other, for as long as the process lives.
    pub(super) async fn run(mut self) {
        match patiently(|| self.left_behind()).await {
            Ok(batches) => {
                for batch in batches {
                    self.runner.run(&batch).await;
                }
            }
            Err(error) => tracing::error!(%error, "batches that were under way can't be found"),
        }
        while let Some(batch) = self.asked.recv().await {
            self.runner.run(&batch).await;
        }
    }

    /// The batches that have not come to an end, oldest first.
    async fn left_behind(&self) -> Result<Vec<BatchId>, Failure> {
        let (mut left, mut before) = (Vec::new(), None);
        loop {
            let page = self.runner.finish.jobs.jobs(before.as_ref(), PAGE).await?;
            left.extend(page.jobs.iter().filter(|job| !job.state.is_final()).map(|job| job.batch_id.clone()));
            before = page.jobs.last().map(|job| job.batch_id.clone());
            if !page.more {
                left.reverse();
                return Ok(left);
            }
        }
    }
}

impl Runner {
    /// The state machine: plan, score each range, finish; a step that fails is tried again.
    async fn run(&self, batch: &BatchId) {
        let planned = patiently(|| {
            let event = PlanEvent { event: Asked::Batch { batch_id: batch.clone() }, run: RUN.into() };
            plan_batch::handle(event, &self.plan)
        });
        let event = match planned.await {
            Ok(planned) if !planned.go => return,
            Ok(planned) => {
                let error = self.score(&planned).await.err();
                FinishEvent { planned: Some(planned), event: None, error: error.map(|error| said(&*error)) }
            }
            Err(error) => {
                let event = Some(json!({"batch_id": batch}));
                FinishEvent { planned: None, event, error: Some(said(&*error)) }
            }
        };
        match patiently(|| finish_batch::handle(event.clone(), &self.finish)).await {
            Ok(state) => tracing::info!(%batch, ?state, "a batch came to an end"),
            // It goes on when the process starts again.
            Err(error) => tracing::error!(%batch, %error, "a batch can't be finished"),
        }
    }

    async fn score(&self, planned: &Planned) -> Result<(), Failure> {
        let Some(task) = &planned.task else { return Ok(()) };
        for range in &planned.ranges {
            let scoring = Scoring { task: task.clone(), range: *range, done: false };
            // Without an end of time nothing is handed back.
            patiently(|| score_batch::handle(scoring.clone(), &self.score, None)).await?;
        }
        Ok(())
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// As Step Functions words it.
fn said(error: &(dyn std::error::Error + Send + Sync)) -> serde_json::Value {
    json!({"Error": "Step", "Cause": error.to_string()})
}

async fn patiently<T, F: Future<Output = Result<T, Failure>>>(
    mut step: impl FnMut() -> F,
) -> Result<T, Failure> {
    let mut wait = WAIT;
    for _ in 1..TRIES {
        match step().await {
            Ok(done) => return Ok(done),
            Err(error) => tracing::warn!(%error, "a step of a batch is tried again"),
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
    step().await
}

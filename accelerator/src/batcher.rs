//! Dynamic batching: requests that wait for the same model are computed together.
//!
//! Each model has one queue and computes one batch at a time. A batch is whatever waited when the one before it ended, up
//! to [`Batching::max_batch`] histories; it waits for company only where that can gain something
//! ([`Batching::max_delay`]). Every request has a channel of its own for its reply, so replies can't be mixed up.

use std::sync::Arc;
use std::time::Duration;

use shared::model::Scored;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task;
use tokio::time::{Instant, timeout_at};

use crate::engine::{Engine, Query};
use crate::metrics::ModelMetrics;

/// How requests are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// Most histories that the engine is given at once, 1 or more.
    pub max_batch: usize,
    /// How long after its arrival a request that found the engine busy may be kept waiting for others to join its batch.
    /// What finds the engine idle is computed at once: nobody gains if it waits.
    pub max_delay: Duration,
    /// Most histories that wait. A request that doesn't fit is refused at once.
    pub queue: usize,
}

/// Why a request has no lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no room for it in the queue.
    #[error("the queue is full")]
    Full,
    /// Its deadline passed while it waited.
    #[error("the request's timeout passed while it waited")]
    Late,
    /// The engine failed, which the log says more of.
    #[error("the model could not be computed")]
    Failed,
}

type Lists = Vec<Vec<Scored>>;

/// The queue of one model. Dropped, it lets the requests in it finish.
#[derive(Debug)]
pub struct Batcher {
    jobs: UnboundedSender<Job>,
    /// A permit for each history that may wait.
    room: Arc<Semaphore>,
    queue: usize,
    metrics: ModelMetrics,
}

/// A request that waits.
#[derive(Debug)]
struct Job {
    queries: Vec<Query>,
    arrived: Instant,
    deadline: Option<Instant>,
    reply: oneshot::Sender<Result<Lists, Refusal>>,
    /// Its place in the queue.
    _place: OwnedSemaphorePermit,
}

impl Batcher {
    /// A queue in front of an engine. It works on the Tokio runtime that this is called in.
    #[must_use]
    pub fn start(engine: Arc<dyn Engine>, batching: Batching, metrics: ModelMetrics) -> Self {
        let (jobs, queued) = mpsc::unbounded_channel();
        let worker = Worker { engine, batching, metrics: metrics.clone(), queued, next: None };
        task::spawn(worker.work());
        let room = Arc::new(Semaphore::new(batching.queue));
        Self { jobs, room, queue: batching.queue, metrics }
    }

    /// The lists of some queries, one each in their order. A caller that stops waiting is dropped from the queue.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn lists(&self, queries: Vec<Query>, deadline: Option<Instant>) -> Result<Lists, Refusal> {
        let histories = u32::try_from(queries.len()).unwrap_or(u32::MAX);
        let Ok(place) = Arc::clone(&self.room).try_acquire_many_owned(histories) else {
            self.metrics.full.inc();
            return Err(Refusal::Full);
        };
        let (reply, answer) = oneshot::channel();
        let job = Job { queries, arrived: Instant::now(), deadline, reply, _place: place };
        // The worker ends after the last sender, and drops a reply only when it panics.
        self.jobs.send(job).map_err(|_| Refusal::Failed)?;
        answer.await.unwrap_or(Err(Refusal::Failed))
    }

    /// How many histories wait, those of the batch that is being gathered among them.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue - self.room.available_permits()
    }
}

/// What takes requests from the queue.
struct Worker {
    engine: Arc<dyn Engine>,
    batching: Batching,
    metrics: ModelMetrics,
    queued: UnboundedReceiver<Job>,
    /// A request that had no room in the last batch.
    next: Option<Job>,
}

impl Worker {
    async fn work(mut self) {
        while let Some(batch) = self.gather().await {
            self.compute(batch).await;
        }
    }

    /// The next batch; `None` when there will be none.
    async fn gather(&mut self) -> Option<Vec<Job>> {
        let (first, found_busy) = match self.next.take().map_or_else(|| self.queued.try_recv(), Ok) {
            Ok(job) => (job, true),
            Err(TryRecvError::Empty) => (self.queued.recv().await?, false),
            Err(TryRecvError::Disconnected) => return None,
        };
        let until = first.arrived + self.batching.max_delay;
        let mut batch = Batch::of(first);
        while !self.is_full(&batch) {
            let job = match self.queued.try_recv() {
                Ok(job) => Some(job),
                Err(TryRecvError::Empty) if found_busy => {
                    timeout_at(until, self.queued.recv()).await.ok().flatten()
                }
                Err(_) => None,
            };
            let Some(job) = job else { break };
            if batch.histories + job.queries.len() > self.batching.max_batch {
                self.next = Some(job);
                break;
            }
            batch.push(job);
        }
        Some(batch.jobs)
    }

    fn is_full(&self, batch: &Batch) -> bool {
        batch.histories >= self.batching.max_batch
    }

    /// Computes what is still wanted of a batch, and sends each reply.
    async fn compute(&self, batch: Vec<Job>) {
        let now = Instant::now();
        let mut callers = Vec::with_capacity(batch.len());
        let mut queries = Vec::new();
        for mut job in batch {
            self.metrics.queue_seconds.observe((now - job.arrived).as_secs_f64());
            if job.reply.is_closed() {
                self.metrics.gone.inc();
            } else if job.deadline.is_some_and(|deadline| deadline <= now) {
                self.metrics.late.inc();
                // Whoever has left in this instant needs no reply; so below.
                let _ = job.reply.send(Err(Refusal::Late));
            } else {
                callers.push((job.queries.len(), job.reply));
                queries.append(&mut job.queries);
            }
        }
        if queries.is_empty() {
            return;
        }
        self.metrics.batch_histories.observe(queries.len() as f64);
        let lists = self.run(queries).await;
        self.metrics.compute_seconds.observe(now.elapsed().as_secs_f64());
        let mut lists = lists.map(Vec::into_iter);
        for (histories, reply) in callers {
            let own = lists.as_mut().map(|lists| lists.take(histories).collect());
            let _ = reply.send(own.map_err(|refusal| *refusal));
        }
    }

    /// Runs the engine off the threads that serve connections. One request may hold more histories than a batch: then
    /// it is a batch alone, and computed in parts.
    async fn run(&self, queries: Vec<Query>) -> Result<Lists, Refusal> {
        let (engine, max_batch, expected) =
            (Arc::clone(&self.engine), self.batching.max_batch, queries.len());
        let computed = task::spawn_blocking(move || {
            let mut lists = Vec::with_capacity(queries.len());
            for part in queries.chunks(max_batch) {
                lists.append(&mut engine.recommend(part)?);
            }
            Ok::<_, crate::engine::EngineError>(lists)
        });
        match computed.await {
            Ok(Ok(lists)) if lists.len() == expected => return Ok(lists),
            Ok(Ok(lists)) => tracing::error!(expected, found = lists.len(), "the engine lost histories"),
            Ok(Err(error)) => tracing::error!(%error, "a batch failed"),
            Err(panic) => tracing::error!(%panic, "a batch failed"),
        }
        self.metrics.failed.inc();
        Err(Refusal::Failed)
    }
}

/// Requests that are to be computed together.
struct Batch {
    jobs: Vec<Job>,
    histories: usize,
}

impl Batch {
    fn of(first: Job) -> Self {
        Self { histories: first.queries.len(), jobs: vec![first] }
    }

    fn push(&mut self, job: Job) {
        self.histories += job.queries.len();
        self.jobs.push(job);
    }
}

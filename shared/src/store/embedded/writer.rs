//! One writer: calls that wait at the same time share a transaction, and with it the sync, which is what a write costs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::WriteTransaction;
use tokio::sync::oneshot;

use super::people::PersonKey;
use super::{Fault, Inner};
use crate::store::StoreError;

/// What waits to be written, and whose turn it is.
#[derive(Default)]
pub(super) struct Writer {
    queue: Mutex<Vec<Box<dyn Job>>>,
    turn: Mutex<()>,
}

impl Writer {
    /// Waits until nobody else writes.
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does work in a transaction that may be shared with others', and waits until it is on disk.
pub(super) async fn write<T: Send + 'static>(
    inner: &Arc<Inner>,
    work: impl Fn(&WriteTransaction, &PersonKey) -> Result<T, Fault> + Send + 'static,
) -> Result<T, StoreError> {
    let (to, answer) = oneshot::channel();
    let first = {
        let mut queue = inner.writer.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push(Box::new(Work { work, made: None, to }));
        queue.len() == 1
    };
    if first {
        // Whoever comes before this one's turn is taken along.
        let inner = Arc::clone(inner);
        tokio::task::spawn_blocking(move || drain(inner));
    }
    answer.await.unwrap_or_else(|_| Err(StoreError::new("the store's work broke off")))
}

fn drain(inner: Arc<Inner>) {
    let turn = inner.writer.turn();
    let mut jobs = std::mem::take(&mut *inner.writer.queue.lock().unwrap_or_else(PoisonError::into_inner));
    let outcomes: Vec<Result<(), StoreError>> = match commit(&inner, &mut jobs) {
        Err(_) if jobs.len() > 1 => jobs.chunks_mut(1).map(|job| commit(&inner, job)).collect(),
        outcome => vec![outcome; jobs.len()],
    };
    drop(turn);
    // Before anybody is answered: who then drops the last handle has closed the file.
    drop(inner);
    jobs.into_iter().zip(outcomes).for_each(|(job, outcome)| job.answer(outcome));
}

/// Does all of the jobs or none.
fn commit(inner: &Inner, jobs: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    let mut run = || {
        let file = inner.file.read().unwrap_or_else(PoisonError::into_inner);
        // Its durability is the immediate one: when the commit is done, it is on disk.
        let transaction = file.begin_write()?;
        jobs.iter_mut().try_for_each(|job| job.run(&transaction, &inner.key))?;
        Ok::<_, Fault>(transaction.commit()?)
    };
    run().map_err(StoreError::new)
}

trait Job: Send {
    fn run(&mut self, file: &WriteTransaction, key: &PersonKey) -> Result<(), Fault>;
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

struct Work<T, F> {
    work: F,
    made: Option<T>,
    to: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, F: Fn(&WriteTransaction, &PersonKey) -> Result<T, Fault> + Send> Job for Work<T, F> {
    fn run(&mut self, file: &WriteTransaction, key: &PersonKey) -> Result<(), Fault> {
        self.made = Some((self.work)(file, key)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let made = self.made.ok_or_else(|| StoreError::new("the store's work was not done"));
        // Whoever asked may have gone; it is written all the same.
        drop(self.to.send(outcome.and(made)));
    }
}

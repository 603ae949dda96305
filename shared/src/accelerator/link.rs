//! One accelerator as a function sees it: whether to ask it, asking it beside the function's own work, and what is learned
//! from how that went.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::breaker::{Admission, Breaker, Change, PROBE_LIMIT, Ticket};
use super::{Accelerator, CallError, contract};
use crate::model::{Artifact, Attraction, Scored};
use crate::telemetry::{self, Dependency};

/// The least time after which having no reply speaks against the accelerator. A caller who gives it less has learned
/// nothing of it, and must not be able to cut everybody else off.
const FAIR: Duration = Duration::from_millis(50);
/// How many popular items make the history of the golden query.
const GOLDEN_ITEMS: usize = 3;
/// How many rows the golden query asks for.
const GOLDEN_LIMIT: usize = 10;
/// The operation of a person's request in the log.
const INFER: &str = "infer";

/// The link to one accelerator.
#[derive(Debug)]
pub struct Link {
    accelerator: Arc<dyn Accelerator>,
    breaker: Mutex<Breaker>,
    /// Items of the catalogue.
    rows: usize,
    /// A query that every model over the catalogue can answer.
    golden: Vec<Attraction>,
}

/// What became of asking.
#[derive(Debug)]
pub enum Asked {
    /// It was not asked: the breaker isn't closed.
    Open,
    /// It was; the reply comes here, by the instant that was given.
    Called(oneshot::Receiver<Result<Ranked, CallError>>),
}

/// What an accelerator answers, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// Known rows, none twice, best first.
    pub items: Vec<Scored>,
    /// The name under which the model is served.
    pub model: String,
    /// The model's version, where the server has versions.
    pub version: Option<String>,
    /// The digest of its artifact, where the server says it.
    pub digest: Option<String>,
}

impl Link {
    /// A link to an accelerator that serves a model over the catalogue of this artifact.
    #[must_use]
    pub fn new(accelerator: Arc<dyn Accelerator>, artifact: &Artifact) -> Self {
        let popular = artifact.catalogue.by_popularity().iter().take(GOLDEN_ITEMS);
        let golden = popular.map(|&row| Attraction { row, weight: 1.0 }).collect();
        Self { accelerator, breaker: Mutex::default(), rows: artifact.catalogue.len(), golden }
    }

    /// The accelerator's name in the log.
    #[must_use]
    pub fn name(&self) -> &str {
        self.accelerator.name()
    }

    /// Whether requests may ask it.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.breaker().is_closed()
    }

    /// Asks for at least `limit` rows for a history, oldest first, if the breaker lets it; waits for nothing. Where the
    /// breaker wants a probe, it runs beside the caller.
    pub fn ask(self: &Arc<Self>, history: &[Attraction], limit: usize, by: Instant) -> Asked {
        let now = Instant::now();
        // Decided before anything is sent, and not under the lock.
        let admission = self.breaker().admit(now);
        match admission {
            Admission::Skip => Asked::Open,
            Admission::SkipAndProbe(ticket) => {
                let link = Arc::clone(self);
                tokio::spawn(async move { link.probe(ticket).await });
                Asked::Open
            }
            Admission::Call(ticket) => {
                let (sender, receiver) = oneshot::channel();
                let (link, history) = (Arc::clone(self), history.to_vec());
                tokio::spawn(async move {
                    let outcome = link.call(&history, limit, by).await;
                    let unfair =
                        outcome == Err(CallError::Timeout) && by.saturating_duration_since(now) < FAIR;
                    if !unfair {
                        link.learn(ticket, INFER, outcome.as_ref().err());
                    }
                    // Whoever asked may have answered without it.
                    drop(sender.send(outcome));
                });
                Asked::Called(receiver)
            }
        }
    }

    /// Opens a connection and learns what there is to know, ahead of the first request. It takes no longer than `limit`;
    /// when it fails the first requests do without.
    pub async fn warm_up(self: &Arc<Self>, limit: Duration) {
        let warmed = self.call(&self.golden, GOLDEN_LIMIT, Instant::now() + limit).await;
        if let Err(error) = warmed {
            telemetry::failed(Dependency::Accelerator, "warm_up", &format!("{}: {error}", self.name()));
            self.hear(false);
        }
    }

    /// Looks whether it is ready and answers a query as it should, which takes no longer than twice the time of a probe.
    /// The breaker doesn't hear of it.
    ///
    /// # Errors
    /// What failed first.
    pub async fn check(&self) -> Result<(), CallError> {
        self.accelerator.ready(Instant::now() + PROBE_LIMIT).await?;
        self.call(&self.golden, GOLDEN_LIMIT, Instant::now() + PROBE_LIMIT).await.map(drop)
    }

    /// Takes note of what somebody else found of the accelerator a moment ago.
    pub fn hear(&self, up: bool) {
        let change = self.breaker().hear(up, Instant::now(), chance());
        self.tell(change);
    }

    async fn probe(self: Arc<Self>, ticket: Ticket) {
        let outcome = self.call(&self.golden, GOLDEN_LIMIT, Instant::now() + PROBE_LIMIT).await;
        self.learn(ticket, "probe", outcome.as_ref().err());
    }

    async fn call(&self, history: &[Attraction], limit: usize, by: Instant) -> Result<Ranked, CallError> {
        let timeout = by.saturating_duration_since(Instant::now());
        let request = contract::request(&[history], limit, timeout);
        // Whoever is asked keeps to the instant; the breaker learns of it even if not.
        let asked = timeout_at(by, self.accelerator.infer(&request, by)).await;
        let response = asked.unwrap_or(Err(CallError::Timeout))?;
        // A timer may go off a millisecond late. What came in between came too late: it was not waited for, and must not
        // count as good.
        if Instant::now() >= by {
            return Err(CallError::Timeout);
        }
        let lists = contract::lists(&response, 1, self.rows);
        let mut lists = lists.map_err(|error| CallError::InvalidOutput(error.to_string()))?;
        Ok(Ranked {
            items: lists.pop().unwrap_or_default(),
            model: self.accelerator.model().to_owned(),
            digest: contract::digest(&response),
            version: contract::version(&response),
        })
    }

    fn learn(&self, ticket: Ticket, operation: &'static str, error: Option<&CallError>) {
        if let Some(error) = error {
            // The server's own words may repeat what it was sent, which in a request is a person's history.
            let words = if operation == INFER { error.without_its_words() } else { error.to_string() };
            telemetry::failed(Dependency::Accelerator, operation, &format!("{}: {words}", self.name()));
        }
        let change = self.breaker().record(ticket, error.is_none(), Instant::now(), chance());
        self.tell(change);
    }

    fn tell(&self, change: Option<Change>) {
        if let Some(change) = change {
            telemetry::breaker(self.name(), change == Change::Opened);
        }
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number from 0 to 1, by chance; should the system have none to give, the middle.
fn chance() -> f64 {
    let mut bytes = [0; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}

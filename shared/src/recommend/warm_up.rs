//! Before the first request: connections to the accelerators are opened, except where that is known to be in vain.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{join_all, select};
use tokio::time::timeout;

use super::Recommending;
use crate::api::history::Time;
use crate::store::LinkNotes;
use crate::telemetry::{self, Dependency};

/// How long a start waits for an accelerator: a connection over a VPN with its handshakes takes a tenth of a second. When the
/// link is down and no note says so, every new environment pays this once.
const LIMIT: Duration = Duration::from_millis(250);

impl Recommending {
    /// Opens connections to the accelerators ahead of the first request. It takes a moment at most, and can't fail: what is
    /// not reached is tried again beside the requests. A link that is noted as down is not waited for.
    pub async fn warm_up(&self, notes: Option<&dyn LinkNotes>) {
        if self.links.is_empty() {
            return;
        }
        let down = self.noted_down(notes).boxed().shared();
        let links = self.links.iter().map(|link| {
            let down = down.clone();
            let heard = async move {
                if down.await.iter().any(|name| name == link.name()) {
                    link.hear(false);
                } else {
                    std::future::pending::<()>().await;
                }
            };
            select(Box::pin(link.warm_up(LIMIT)), Box::pin(heard))
        });
        join_all(links).await;
    }

    /// The names of the links that are noted as down.
    async fn noted_down(&self, notes: Option<&dyn LinkNotes>) -> Vec<String> {
        let Some(notes) = notes else { return Vec::new() };
        let names: Vec<&str> = self.links.iter().map(|link| link.name()).collect();
        let read = timeout(LIMIT, notes.links(&names)).await;
        let failure = match read {
            Ok(Ok(notes)) => {
                let now = Time::now();
                let down = notes.into_iter().filter(|note| !note.up && note.is_fresh(now));
                return down.map(|note| note.accelerator).collect();
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no notes within {} ms", LIMIT.as_millis()),
        };
        telemetry::failed(Dependency::Store, "links", &failure);
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::accelerator::protocol::{InferRequest, InferResponse};
    use crate::accelerator::{Accelerator, CallError};
    use crate::store::{LinkNote, StoreError};
    use crate::testing;

    /// An accelerator that says nothing.
    #[derive(Debug)]
    struct Silent;

    #[async_trait]
    impl Accelerator for Silent {
        fn name(&self) -> &str {
            "http://silent:80"
        }

        fn model(&self) -> &str {
            "theirs"
        }

        async fn ready(&self, _: Instant) -> Result<(), CallError> {
            std::future::pending().await
        }

        async fn infer(&self, _: &InferRequest, _: Instant) -> Result<InferResponse, CallError> {
            std::future::pending().await
        }
    }

    /// Notes that come after a while.
    #[derive(Debug)]
    struct Noted(Duration, Result<Vec<LinkNote>, StoreError>);

    #[async_trait]
    impl LinkNotes for Noted {
        async fn links(&self, _: &[&str]) -> Result<Vec<LinkNote>, StoreError> {
            sleep(self.0).await;
            self.1.clone()
        }
    }

    /// How long a start takes, after which every breaker is open.
    async fn start(notes: Option<Noted>) -> Duration {
        let folder = testing::artifact();
        let recommending = Recommending::open(folder.path()).unwrap();
        let recommending = recommending.with_accelerators([Arc::new(Silent) as Arc<dyn Accelerator>]);
        let started = Instant::now();
        recommending.warm_up(notes.as_ref().map(|notes| notes as _)).await;
        assert!(recommending.links().iter().all(|link| !link.is_closed()));
        started.elapsed()
    }

    fn noted(up: bool, age: Duration) -> Vec<LinkNote> {
        let checked_at =
            Time::from_millis(Time::now().millis() - i64::try_from(age.as_millis()).unwrap()).unwrap();
        vec![LinkNote { accelerator: "http://silent:80".into(), up, checked_at }]
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_that_is_noted_as_down_is_not_waited_for() {
        let note = noted(false, Duration::from_secs(60));
        let took = start(Some(Noted(Duration::from_millis(3), Ok(note)))).await;
        assert_eq!(took, Duration::from_millis(3));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_fresh_note_that_says_so_it_is_waited_for_a_moment() {
        let soon = Duration::from_millis(3);
        assert_eq!(start(None).await, LIMIT);
        assert_eq!(start(Some(Noted(soon, Ok(noted(true, soon))))).await, LIMIT);
        assert_eq!(start(Some(Noted(soon, Ok(noted(false, Duration::from_secs(300)))))).await, LIMIT);
        assert_eq!(start(Some(Noted(soon, Err(StoreError::new("gone"))))).await, LIMIT);
        assert_eq!(start(Some(Noted(Duration::from_secs(9), Ok(Vec::new())))).await, LIMIT);
    }
}

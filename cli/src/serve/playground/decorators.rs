//! Accelerators and a store that fail when they are told to.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use shared::accelerator::protocol::{Data, InferRequest, InferResponse};
use shared::accelerator::{Accelerator, CallError, contract};
use shared::api::history::Time;
use shared::api::{EventId, UserId};
use shared::store::{Erased, Event, EventPage, Events, People, Profiles, Put, StoreError, StoredProfile};
use tokio::time::{Instant, timeout_at};

use super::faults::{AcceleratorFault, Faults, ProfilesFault};
use crate::state::State;

/// The same accelerator with these faults.
pub(super) fn accelerator(inner: Arc<dyn Accelerator>, faults: &Arc<Faults>) -> Arc<dyn Accelerator> {
    Arc::new(Faulty { inner, faults: Arc::clone(faults) })
}

/// Gives every part of a store these faults.
pub(super) fn store(state: &mut State, faults: &Arc<Faults>) {
    fn faulty<S: ?Sized>(inner: Arc<S>, faults: &Arc<Faults>) -> Arc<Faulty<S>> {
        Arc::new(Faulty { inner, faults: Arc::clone(faults) })
    }
    state.profiles = state.profiles.take().map(|inner| faulty(inner, faults) as _);
    state.events = state.events.take().map(|inner| faulty(inner, faults) as _);
    state.people = state.people.take().map(|inner| faulty(inner, faults) as _);
}

/// Somebody with faults.
struct Faulty<S: ?Sized> {
    inner: Arc<S>,
    faults: Arc<Faults>,
}

impl<S: fmt::Debug + ?Sized> fmt::Debug for Faulty<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").field("inner", &&*self.inner).field("faults", &self.faults).finish()
    }
}

#[async_trait]
impl Accelerator for Faulty<dyn Accelerator> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn model(&self) -> &str {
        self.inner.model()
    }

    /// Nobody asks this of an accelerator behind `marquee serve`: whoever looks at links looks past the playground.
    async fn ready(&self, by: Instant) -> Result<(), CallError> {
        self.inner.ready(by).await
    }

    async fn infer(&self, request: &InferRequest, by: Instant) -> Result<InferResponse, CallError> {
        let mut fault = self.faults.now().accelerator;
        if fault == AcceleratorFault::Slow {
            let mended = timeout_at(by, self.faults.no_longer(AcceleratorFault::Slow)).await;
            mended.map_err(|_| CallError::Timeout)?;
            fault = self.faults.now().accelerator;
        }
        match fault {
            AcceleratorFault::Unplugged | AcceleratorFault::None => self.inner.infer(request, by).await,
            AcceleratorFault::Cut => Err(CallError::Unreachable("its cable is cut in the playground".into())),
            AcceleratorFault::Slow => Err(CallError::Timeout),
            AcceleratorFault::Nonsense => self.inner.infer(request, by).await.map(nonsense),
        }
    }
}

/// The reply with rows that no catalogue has.
fn nonsense(mut reply: InferResponse) -> InferResponse {
    let items = reply.outputs.iter_mut().find(|output| output.name == contract::ITEMS);
    if let Some(Data::Int32(rows)) = items.map(|output| &mut output.data) {
        rows.fill(i32::MAX);
    }
    reply
}

impl<S: ?Sized> Faulty<S> {
    fn stored(&self) -> Result<&S, StoreError> {
        match self.faults.now().profiles {
            ProfilesFault::None => Ok(&self.inner),
            ProfilesFault::Down => Err(StoreError::new("it is down in the playground")),
        }
    }
}

#[async_trait]
impl<S: Profiles + ?Sized> Profiles for Faulty<S> {
    async fn profile(&self, user: &UserId) -> Result<Option<StoredProfile>, StoreError> {
        self.stored()?.profile(user).await
    }
}

#[async_trait]
impl Events for Faulty<dyn Events> {
    async fn put(&self, events: &[Event]) -> Vec<Result<Put, StoreError>> {
        match self.stored() {
            Ok(store) => store.put(events).await,
            Err(down) => events.iter().map(|_| Err(down.clone())).collect(),
        }
    }

    async fn warm_up(&self) {
        self.inner.warm_up().await;
    }
}

#[async_trait]
impl People for Faulty<dyn People> {
    async fn events(
        &self,
        user: &UserId,
        after: Option<&EventId>,
        limit: usize,
    ) -> Result<EventPage, StoreError> {
        self.stored()?.events(user, after, limit).await
    }

    async fn erase(&self, user: &UserId, now: Time) -> Result<Erased, StoreError> {
        self.stored()?.erase(user, now).await
    }
}

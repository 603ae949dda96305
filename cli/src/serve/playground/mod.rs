//! The playground: a page at `/` that shows the service at work, and lets whoever looks make trouble on purpose.
//!
//! The page talks to the public HTTP API alone. What goes wrong is set by one more route, `/playground/faults`, and done by
//! decorators ([`decorators`]) around the accelerators and the store; the routes that answer know nothing of it.
//!
//! Where no accelerator is asked for, one of the same model stands by in this process ([`standby`]), unplugged: until
//! somebody plugs it in, every answer is the one of a service without an accelerator, to the last field of its receipt.

mod decorators;
mod faults;
mod page;
mod standby;

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::extract::Request;
use shared::accelerator::Accelerator;
use shared::recommend::Recommending;
use tower::{ServiceExt, service_fn};

use super::access::Access;
use crate::accelerators;
use crate::commands::ServeOptions;
use crate::state::State;
use faults::{AcceleratorFault, Faults};
use standby::Standby;

pub(super) use page::router as page;

/// Whether the page is shown: where it is asked for, and by default where the service is open.
pub(super) fn is_wanted(options: &ServeOptions, access: &Access) -> bool {
    !options.no_playground && (options.playground || matches!(access, Access::Open))
}

/// Where trouble is made. It is only where the service is open to this machine alone: what a key may do is in the table
/// of routes, and no key may do this.
pub(super) struct Stage {
    faults: Arc<Faults>,
    /// Answers as if there were no accelerator.
    alone: Arc<Recommending>,
    /// Answers with the accelerators.
    accelerated: Arc<Recommending>,
    standby: Option<Standby>,
}

impl Stage {
    /// Takes over a model in `folder`, the accelerators to ask, and the store. With no accelerators one stands by.
    pub(super) fn set(
        folder: &Path,
        alone: Recommending,
        mut accelerators: Vec<Arc<dyn Accelerator>>,
        state: &mut State,
    ) -> Result<Self> {
        let standby = if accelerators.is_empty() { Some(Standby::bind(folder)?) } else { None };
        let faults = Arc::new(Faults::new(match &standby {
            Some(_) => AcceleratorFault::Unplugged,
            None => AcceleratorFault::None,
        }));
        if let Some(standby) = &standby {
            let endpoint = std::slice::from_ref(standby.endpoint());
            accelerators.extend(accelerators::clients(endpoint, None, alone.artifact())?);
        }
        decorators::store(state, &faults);
        let accelerators = accelerators.into_iter().map(|inner| decorators::accelerator(inner, &faults));
        let accelerated = Arc::new(alone.clone().with_accelerators(accelerators));
        Ok(Self { faults, alone: Arc::new(alone), accelerated, standby })
    }

    /// The model with the accelerators.
    pub(super) fn accelerated(&self) -> &Arc<Recommending> {
        &self.accelerated
    }

    /// Whether an accelerator is plugged in.
    pub(super) fn is_plugged_in(&self) -> bool {
        self.faults.now().accelerator != AcceleratorFault::Unplugged
    }

    /// The service: all `routes` over the model as it is plugged in at the moment of a request.
    pub(super) fn router(self: &Arc<Self>, routes: impl Fn(&Arc<Recommending>) -> Router) -> Router {
        let (alone, accelerated) = (routes(&self.alone), routes(&self.accelerated));
        let stage = Arc::clone(self);
        Router::new().fallback_service(service_fn(move |request: Request| {
            let router = if stage.is_plugged_in() { &accelerated } else { &alone };
            router.clone().oneshot(request)
        }))
    }

    /// The route by which trouble is made.
    pub(super) fn routes(self: &Arc<Self>) -> Router {
        faults::router(Arc::clone(self))
    }

    /// What has to be done when the faults were set: an accelerator that works is started where it stands by, and the
    /// links hear that it is up, as they do from the probe of a deployed service.
    async fn changed(&self) {
        if self.faults.now().accelerator != AcceleratorFault::None {
            return;
        }
        if let Some(standby) = &self.standby
            && let Err(error) = standby.start().await
        {
            // The service answers without it, and says in each receipt that it can't be reached.
            tracing::error!("the playground's accelerator can't be started: {error:#}");
            return;
        }
        self.accelerated.links().iter().for_each(|link| link.hear(true));
    }
}

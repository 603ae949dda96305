//! How each dependency fares.

use std::sync::Arc;
use std::time::Duration;

use shared::api::UserId;
use shared::api::health::{Dependencies, DependencyState, ModelState, State};
use shared::api::history::Time;
use shared::recommend::Recommending;
use shared::store::{LinkNotes, Profiles};
use shared::telemetry::{self, Dependency};
use tokio::time::timeout;

/// How long a dependency may take to show that it is there: more than an answer would wait for it, and less than a monitor
/// does.
const LIMIT: Duration = Duration::from_millis(500);

/// Whose profile is read to see whether profiles can be read. There needn't be one.
const NOBODY: &str = "nobody";

/// What answers stand on here.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The model, and the links of this process where it asks accelerators itself.
    pub recommending: Arc<Recommending>,
    /// Where profiles are read, if any are kept.
    pub profiles: Option<Arc<dyn Profiles>>,
    /// What is noted of the links that other functions use, if they use any.
    pub noted: Option<Noted>,
}

/// Accelerators that other functions ask, and where the state of the links to them is noted.
#[derive(Clone, Debug)]
pub struct Noted {
    /// The accelerators' names.
    pub accelerators: Vec<String>,
    /// Their notes.
    pub notes: Arc<dyn LinkNotes>,
}

impl Standing {
    /// Looks at all of them at once. It always comes to something, in half a second.
    pub(crate) async fn look(&self) -> Dependencies {
        let (store, accelerator) = futures_util::future::join(self.store(), self.accelerator()).await;
        Dependencies {
            model: self.model(),
            store: store.map(State::from),
            accelerator: accelerator.map(State::from),
        }
    }

    /// The model is mapped before the first request, and with it an answer is possible whatever else fails.
    fn model(&self) -> ModelState {
        let artifact = self.recommending.artifact();
        ModelState {
            state: DependencyState::Ready,
            name: artifact.config.name.clone(),
            version: artifact.config.version.clone(),
            items: artifact.catalogue.len(),
        }
    }

    async fn store(&self) -> Option<DependencyState> {
        let profiles = self.profiles.as_ref()?;
        let nobody = UserId::try_from(NOBODY.to_owned()).ok()?;
        let read = within_the_limit(profiles.profile(&nobody)).await;
        Some(read.map_or(DependencyState::Unavailable, |_| DependencyState::Ready))
    }

    /// One accelerator that can be asked is enough.
    async fn accelerator(&self) -> Option<DependencyState> {
        let up = |up| if up { DependencyState::Ready } else { DependencyState::Unavailable };
        let links = self.recommending.links();
        if !links.is_empty() {
            return Some(up(links.iter().any(|link| link.is_closed())));
        }
        let Noted { accelerators, notes } = self.noted.as_ref()?;
        let names: Vec<&str> = accelerators.iter().map(String::as_str).collect();
        let read = within_the_limit(notes.links(&names)).await.unwrap_or_default();
        let now = Time::now();
        let fresh: Vec<_> = read.iter().filter(|note| note.is_fresh(now)).collect();
        if fresh.is_empty() {
            return Some(DependencyState::Unknown);
        }
        Some(up(fresh.iter().any(|note| note.up)))
    }
}

/// What a read of the store brings in time; why it brought nothing is logged.
async fn within_the_limit<T>(read: impl Future<Output = Result<T, shared::store::StoreError>>) -> Option<T> {
    let failure = match timeout(LIMIT, read).await {
        Ok(Ok(value)) => return Some(value),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("nothing within {} ms", LIMIT.as_millis()),
    };
    telemetry::failed(Dependency::Store, "ready", &failure);
    None
}

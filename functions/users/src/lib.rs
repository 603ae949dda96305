//! `/v1/users/{id}`: what is held about a person, and its erasure.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::get;
use shared::api::history::Time;
use shared::api::http::{self, RequestId};
use shared::api::users::{ErasedUser, KnownEntry, KnownEvent, Removed, User, UserEvents, UserEventsQuery};
use shared::api::{Problem, UserId};
use shared::store::{Event, People, ProfileEntry, StoreError};
use shared::telemetry::{self, Dependency};

type Store = Option<Arc<dyn People>>;

/// The routes, over a store; without one nothing is held, and every call is told that there is none.
pub fn router(store: Store) -> Router {
    Router::new()
        .route("/v1/users/{id}", get(show).delete(erase))
        .route("/v1/users/{id}/events", get(events))
        .with_state(store)
}

async fn show(State(store): State<Store>, Path(user): Path<String>, id: RequestId) -> Response {
    let outcome = user_of(store, user, &id).await;
    http::reply(outcome, id)
}

async fn user_of(store: Store, user: String, id: &RequestId) -> Result<User, Problem> {
    let (store, user_id) = (store.ok_or_else(Problem::no_store)?, user_id(user)?);
    let stored = store.profile(&user_id).await.map_err(unavailable)?;
    Ok(User {
        request_id: id.0.clone(),
        changed_at: stored.as_ref().map(|stored| stored.changed_at),
        history: stored.iter().flat_map(|stored| stored.profile.entries()).map(entry).collect(),
        user_id,
    })
}

async fn events(
    State(store): State<Store>,
    Path(user): Path<String>,
    id: RequestId,
    request: Request,
) -> Response {
    let outcome = match http::query(&request, &["limit"]) {
        Ok(query) => events_of(store, user, query).await,
        Err(problem) => Err(problem),
    };
    http::reply(outcome, id)
}

async fn events_of(store: Store, user: String, query: UserEventsQuery) -> Result<UserEvents, Problem> {
    let (store, user) = (store.ok_or_else(Problem::no_store)?, user_id(user)?);
    let limit = query.limit.get() as usize;
    let page = store.events(&user, query.cursor.as_ref(), limit).await.map_err(unavailable)?;
    let next_cursor = page.events.last().filter(|_| page.more).map(|last| last.event_id.clone());
    Ok(UserEvents { items: page.events.into_iter().map(event).collect(), next_cursor })
}

async fn erase(State(store): State<Store>, Path(user): Path<String>, id: RequestId) -> Response {
    let outcome = erasure_of(store, user, &id).await;
    http::reply(outcome, id)
}

async fn erasure_of(store: Store, user: String, id: &RequestId) -> Result<ErasedUser, Problem> {
    let (store, user) = (store.ok_or_else(Problem::no_store)?, user_id(user)?);
    let erased = store.erase(&user, Time::now()).await.map_err(unavailable)?;
    Ok(ErasedUser {
        request_id: id.0.clone(),
        removed: Removed { events: erased.events, profiles: erased.profiles },
        erased_until: erased.until,
    })
}

fn user_id(text: String) -> Result<UserId, Problem> {
    UserId::try_from(text).map_err(|error| Problem::invalid_path_id(&error))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn unavailable(error: StoreError) -> Problem {
    telemetry::failed(Dependency::Store, "user", &error);
    Problem::store_unavailable("nothing is known and nothing was promised: ask again")
}

fn entry(entry: &ProfileEntry) -> KnownEntry {
    KnownEntry {
        item_id: entry.item_id.clone(),
        kind: entry.kind,
        value: entry.value,
        occurred_at: entry.occurred_at,
        event_id: entry.event_id.clone(),
    }
}

fn event(event: Event) -> KnownEvent {
    KnownEvent {
        event_id: event.event_id,
        item_id: event.item_id,
        kind: event.kind,
        value: event.value,
        occurred_at: event.occurred_at,
        received_at: event.received_at,
    }
}

#[cfg(test)]
mod tests;

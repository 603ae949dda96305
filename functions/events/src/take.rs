//! From a request's events to kept ones.

use shared::api::events::{EventsAnswer, NewEvent, RejectedEvent, Rejection, TakenEvent};
use shared::api::history::{GivenTime, Time};
use shared::api::http::RequestId;
use shared::api::{EventId, Problem};
use shared::store::{Event, Events, Put};
use shared::telemetry::{self, Dependency};

/// Keeps what can be kept and says of every event what became of it.
///
/// # Errors
/// `store_unavailable` when the store failed for every event it was given: then nothing of them is kept.
pub(crate) async fn events(
    store: &dyn Events,
    given: Vec<NewEvent>,
    received_at: Time,
    request_id: String,
) -> Result<EventsAnswer, Problem> {
    let mut answer =
        EventsAnswer { request_id, accepted: Vec::new(), duplicates: Vec::new(), rejected: Vec::new() };
    let (mut places, mut timely) = (Vec::new(), Vec::new());
    for (index, new) in given.into_iter().enumerate() {
        match event(new, received_at) {
            Some(event) => {
                places.push(index);
                timely.push(event);
            }
            None => answer.rejected.push(rejected(index, Rejection::InvalidTime)),
        }
    }
    let outcomes = store.put(&timely).await;
    let mut failures = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    if let Some(failure) = failures.next() {
        let failed = 1 + failures.count();
        telemetry::failed(Dependency::Store, "put", &format_args!("{failed} of {}: {failure}", timely.len()));
        if failed == timely.len() {
            return Err(Problem::store_unavailable("none of the events could be kept: send them again"));
        }
    }
    for ((index, event), outcome) in places.into_iter().zip(timely).zip(outcomes) {
        let taken = TakenEvent { index, event_id: event.event_id };
        match outcome {
            Ok(Put::Accepted) => answer.accepted.push(taken),
            Ok(Put::Duplicate) => answer.duplicates.push(taken),
            Ok(Put::Conflict) => answer.rejected.push(rejected(index, Rejection::Conflict)),
            Ok(Put::Erased) => answer.rejected.push(rejected(index, Rejection::Erased)),
            Err(_) => answer.rejected.push(rejected(index, Rejection::StoreUnavailable)),
        }
    }
    answer.rejected.sort_by_key(|rejected| rejected.index);
    Ok(answer)
}

fn rejected(index: usize, code: Rejection) -> RejectedEvent {
    RejectedEvent { index, code, detail: code.detail().to_owned() }
}

/// The event with what the caller left out filled in; `None` when its time is before 1990 or after it came.
fn event(new: NewEvent, received_at: Time) -> Option<Event> {
    let occurred_at = match new.occurred_at.map(GivenTime::millis) {
        Some(millis) => Time::from_millis(millis).filter(|time| *time <= received_at)?,
        None => received_at,
    };
    Some(Event {
        user_id: new.user_id,
        event_id: new.event_id.unwrap_or_else(random_id),
        item_id: new.item_id,
        kind: new.kind,
        value: new.value,
        occurred_at,
        received_at,
        time_given: new.occurred_at.is_some(),
    })
}

fn random_id() -> EventId {
    EventId::try_from(RequestId::random().0).expect("hexadecimal digits are an id")
}

//! Folds the stream of the table's changes into profiles.
//!
//! The stream hands over records in batches, each at least once, and again after a failure. Folding is idempotent and
//! knows no order, so a batch is cut by person and the persons folded side by side; what failed is reported record by
//! record, the rest is done. Where a person's fold fails, each of their records is: Lambda tries again from the first
//! record reported, and in the end hands what never succeeds to the dead-letter queue.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use aws_lambda_events::dynamodb::{Event as StreamEvent, EventRecord};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use futures_util::{StreamExt, stream};
use serde_dynamo::AttributeValue;
use shared::api::UserId;
use shared::api::history::Time;
use shared::store::table::{EVENT, EventItem, SORT_KEY};
use shared::store::{self, Event, Folding, StoreError};
use shared::telemetry::{self, Dependency};

/// How many people's folds run at a time: each is a few calls that wait for the table.
const AT_A_TIME: usize = 16;

/// Folds a batch of records; the answer names those that have to come again.
pub async fn handle(event: StreamEvent, store: &Arc<dyn Folding>) -> DynamoDbEventResponse {
    let (started, now) = (Instant::now(), Time::now());
    let mut response = DynamoDbEventResponse::default();
    let mut people: BTreeMap<UserId, Person> = BTreeMap::new();
    let records = event.records.len();
    for record in event.records {
        let sequence_number = record.change.sequence_number.clone();
        match read(record, now) {
            Ok(Some(change)) => people.entry(change.user().clone()).or_default().add(change, sequence_number),
            Ok(None) => {}
            Err(error) => {
                tracing::error!(sequence_number, %error, "a record can't be read");
                fail(&mut response, [sequence_number]);
            }
        }
    }
    let events: usize = people.values().map(|person| person.put.len() + person.removed.len()).sum();
    let folds = people.into_iter().map(|(user, person)| async move {
        let folded = store::fold(store.as_ref(), &user, &person.put, &person.removed, now).await;
        folded.map_err(|error| (person.sequence_numbers, error))
    });
    let folds: Vec<_> = stream::iter(folds).buffer_unordered(AT_A_TIME).collect().await;
    let mut folded = events;
    for (sequence_numbers, error) in folds.into_iter().filter_map(Result::err) {
        folded -= sequence_numbers.len();
        let failure = format_args!("{error}; {} records have to come again", sequence_numbers.len());
        telemetry::failed(Dependency::Store, "fold", &failure);
        fail(&mut response, sequence_numbers);
    }
    let failed = response.batch_item_failures.len();
    telemetry::folded(&telemetry::Folding { records, folded, failed, elapsed: started.elapsed() });
    response
}

/// What a batch brings about one person.
#[derive(Default)]
struct Person {
    put: Vec<Event>,
    removed: Vec<Event>,
    sequence_numbers: Vec<Option<String>>,
}

impl Person {
    fn add(&mut self, change: Change, sequence_number: Option<String>) {
        match change {
            Change::Put(event) => self.put.push(event),
            Change::Removed(event) => self.removed.push(event),
        }
        self.sequence_numbers.push(sequence_number);
    }
}

enum Change {
    Put(Event),
    Removed(Event),
}

impl Change {
    fn user(&self) -> &UserId {
        match self {
            Self::Put(event) | Self::Removed(event) => &event.user_id,
        }
    }
}

/// The change that a record tells of; `None` where it is none to a person's events, or an event whose time was up.
fn read(record: EventRecord, now: Time) -> Result<Option<Change>, StoreError> {
    let change = record.change;
    let Some(AttributeValue::S(key)) = change.keys.get(SORT_KEY) else {
        return Err(StoreError::new("a record without a sort key"));
    };
    if !key.starts_with(EVENT) {
        return Ok(None);
    }
    if record.event_name == "REMOVE" {
        let item = EventItem::from_item(change.old_image)?;
        return Ok((!item.expired(now)).then(|| Change::Removed(item.into_event())));
    }
    Ok(Some(Change::Put(EventItem::from_item(change.new_image)?.into_event())))
}

fn fail(response: &mut DynamoDbEventResponse, sequence_numbers: impl IntoIterator<Item = Option<String>>) {
    response.batch_item_failures.extend(sequence_numbers.into_iter().map(|sequence_number| {
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = sequence_number;
        failure
    }));
}

#[cfg(test)]
mod tests;

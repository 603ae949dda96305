//! Taking events: each is put on the condition that its id is new, and only then is its person's tombstone read.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use futures_util::future::join;
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use super::connection::OPERATION_TIMEOUT;
use super::failure::failed;
use super::item::{self, Attributes};
use super::{AT_A_TIME, DynamoDb};
use crate::api::history::Time;
use crate::api::{EventId, UserId};
use crate::store::table::{EventItem, event_sort, user_partition};
use crate::store::{Event, Events, Pseudonym, Put, StoreError};

/// Within this every call of [`Events::put`] ends: two operations, one after the other, that use up their time. Without
/// it a hundred events would wait for an outage seven times over, sixteen at a time.
const PUT_TIMEOUT: Duration = OPERATION_TIMEOUT.saturating_mul(2);

/// The key of no item, read to open the connection.
const NOBODY: &str = "NOBODY";

/// What became of a put before the tombstone was read.
struct Kept {
    put: Put,
    /// When that was done which is in the table under the event's id.
    occurred_at: Time,
}

#[async_trait]
impl Events for DynamoDb {
    async fn put(&self, events: &[Event]) -> Vec<Result<Put, StoreError>> {
        let deadline = Instant::now() + PUT_TIMEOUT;
        // Without the key no tombstone can be read and nothing could be acknowledged; so nothing is put.
        let key = match by(deadline, self.pseudonym_key.key()).await {
            Ok(key) => key,
            Err(error) => return vec![Err(error); events.len()],
        };
        let kept = self.keep_all(events, deadline).await;
        let people =
            events.iter().zip(&kept).filter(|(_, kept)| kept.is_ok()).map(|(event, _)| &event.user_id);
        let erased = self.erasures(people.collect(), &key, deadline).await;
        let settled = events.iter().zip(kept).map(|(event, kept)| {
            let erased_until = erased.get(&event.user_id).cloned().unwrap_or(Ok(None));
            by(deadline, self.settle(event, kept, erased_until))
        });
        stream::iter(settled.collect::<Vec<_>>()).buffered(AT_A_TIME).collect().await
    }

    async fn warm_up(&self) {
        let get = self.item(item::key(NOBODY.into(), NOBODY.into()));
        let (got, key) = join(get, self.pseudonym_key.key()).await;
        for error in [got.err(), key.err()].into_iter().flatten() {
            tracing::warn!(%error, "the store can't be opened yet");
        }
    }
}

/// What `call` comes to, unless the time is up before.
async fn by<T>(
    deadline: Instant,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let late = |_| Err(StoreError::new(format!("events were not kept within {} s", PUT_TIMEOUT.as_secs())));
    timeout_at(deadline, call).await.unwrap_or_else(late)
}

impl DynamoDb {
    /// Puts events side by side, those under one id one after the other.
    async fn keep_all(&self, events: &[Event], deadline: Instant) -> Vec<Result<Kept, StoreError>> {
        let mut ids: HashMap<(&UserId, &EventId), Vec<usize>> = HashMap::with_capacity(events.len());
        for (index, event) in events.iter().enumerate() {
            ids.entry((&event.user_id, &event.event_id)).or_default().push(index);
        }
        let puts = ids.into_values().map(|indexes| async move {
            let mut kept = Vec::with_capacity(indexes.len());
            for index in indexes {
                kept.push((index, by(deadline, self.keep(&events[index])).await));
            }
            kept
        });
        let kept = stream::iter(puts.collect::<Vec<_>>()).buffer_unordered(AT_A_TIME).map(stream::iter);
        let kept: BTreeMap<usize, _> = kept.flatten().collect().await;
        kept.into_values().collect()
    }

    async fn keep(&self, event: &Event) -> Result<Kept, StoreError> {
        let item = EventItem::new(event, self.settings.event_retention_days).to_item()?;
        let put = self.connection.client().await.put_item().table_name(&self.settings.table);
        let put = put
            .set_item(Some(item.into()))
            .condition_expression(item::IS_NEW)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else {
            return Ok(Kept { put: Put::Accepted, occurred_at: event.occurred_at });
        };
        let Some(PutItemError::ConditionalCheckFailedException(failure)) = error.as_service_error() else {
            return Err(failed("PutItem of an event")(error));
        };
        let held = match failure.item.clone() {
            Some(item) => Some(item),
            // Emulators from before 2023 do not say.
            None => self.item(event_key(event)).await?,
        };
        let held = held.ok_or_else(|| StoreError::new("an event went away while it was sent again"))?;
        let held = EventItem::from_item(held.into())?.into_event();
        let put = if held.same_as_given(event) { Put::Duplicate } else { Put::Conflict };
        Ok(Kept { put, occurred_at: held.occurred_at })
    }

    /// Until when these people were erased, as it is at this moment.
    async fn erasures<'a>(
        &self,
        mut people: Vec<&'a UserId>,
        key: &[u8],
        deadline: Instant,
    ) -> HashMap<&'a UserId, Result<Option<Time>, StoreError>> {
        people.sort_unstable();
        people.dedup();
        let reads = people
            .into_iter()
            .map(|user| async move { (user, by(deadline, self.tombstone(&Pseudonym::of(user, key))).await) });
        stream::iter(reads.collect::<Vec<_>>()).buffer_unordered(AT_A_TIME).collect().await
    }

    /// What became of an event, now that the tombstone is known: one that it covers is deleted again. Of a duplicate, the
    /// time of the one that is held counts, which an erasure under way is about to find.
    async fn settle(
        &self,
        event: &Event,
        kept: Result<Kept, StoreError>,
        erased_until: Result<Option<Time>, StoreError>,
    ) -> Result<Put, StoreError> {
        let (kept, erased_until) = (kept?, erased_until?);
        let covered = |until: &Time| match kept.put {
            Put::Duplicate => kept.occurred_at <= *until,
            _ => event.occurred_at <= *until,
        };
        let Some(until) = erased_until.filter(covered) else { return Ok(kept.put) };
        self.delete(event_key(event), Some(until)).await?;
        Ok(Put::Erased)
    }
}

fn event_key(event: &Event) -> Attributes {
    item::key(user_partition(&event.user_id), event_sort(&event.event_id))
}

//! Loading events in bulk.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::batch::WRITES;
use super::{AT_A_TIME, DynamoDb};
use crate::api::{EventId, UserId};
use crate::store::table::EventItem;
use crate::store::{Event, Loading, StoreError};

#[async_trait]
impl Loading for DynamoDb {
    async fn load(&self, events: &[Event]) -> Result<(), StoreError> {
        // A batch must not name a key twice, and batches are in no order: of several events under one id the last stays.
        let mut last: HashMap<(&UserId, &EventId), &Event> = HashMap::with_capacity(events.len());
        last.extend(events.iter().map(|event| ((&event.user_id, &event.event_id), event)));
        let puts: Result<Vec<_>, StoreError> =
            last.into_values().map(|event| self.put_request(event)).collect();
        let batches = stream::iter(batches(puts?)).map(|batch| self.write(batch));
        batches.buffer_unordered(AT_A_TIME).try_collect().await
    }
}

impl DynamoDb {
    fn put_request(&self, event: &Event) -> Result<WriteRequest, StoreError> {
        let item = EventItem::new(event, self.settings.event_retention_days).to_item()?;
        let put = PutRequest::builder().set_item(Some(item.into())).build().map_err(StoreError::new)?;
        Ok(WriteRequest::builder().put_request(put).build())
    }
}

fn batches(writes: Vec<WriteRequest>) -> Vec<Vec<WriteRequest>> {
    let mut writes = writes.into_iter();
    std::iter::from_fn(|| {
        Some(writes.by_ref().take(WRITES).collect::<Vec<_>>()).filter(|batch| !batch.is_empty())
    })
    .collect()
}

//! Several items at once. What the service leaves undone, because a part of it was throttled, is asked for again.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::operation::batch_write_item::BatchWriteItemError;
use aws_sdk_dynamodb::types::{KeysAndAttributes, WriteRequest};

use super::DynamoDb;
use super::failure::failed;
use super::item::Attributes;
use crate::store::StoreError;
use crate::store::fold::jittered;

/// Most writes of one call, by the service's limits.
pub(super) const WRITES: usize = 25;

/// Reads that are left undone are asked for twice more, some 10 and 20 ms later: an answer waits for them.
const READ_TURNS: u32 = 3;
const READ_WAIT: Duration = Duration::from_millis(10);
/// Writes come in bulk and can wait: 50 ms, doubling eight times, are 13 s at most, in which a partition that was too
/// busy has long been split or refilled.
const WRITE_TURNS: u32 = 9;
const WRITE_WAIT: Duration = Duration::from_millis(50);

impl DynamoDb {
    /// The items of these keys that there are, in any order, maybe a moment old. At most 100 keys, all different.
    pub(super) async fn items(&self, keys: Vec<Attributes>) -> Result<Vec<Attributes>, StoreError> {
        let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(false).build();
        let mut wanted = keys.map_err(StoreError::new)?;
        let mut items = Vec::new();
        for turn in 0..READ_TURNS {
            if turn > 0 {
                tokio::time::sleep(jittered(READ_WAIT * 2_u32.pow(turn - 1))).await;
            }
            let get = self.connection.client().await.batch_get_item();
            let got = get.request_items(&self.settings.table, wanted).send().await;
            let got = got.map_err(failed("BatchGetItem"))?;
            items.extend(got.responses.into_iter().flatten().flat_map(|(_, items)| items));
            match got.unprocessed_keys.into_iter().flatten().next() {
                Some((_, keys)) => wanted = keys,
                None => return Ok(items),
            }
        }
        Err(StoreError::new("BatchGetItem: keys were left unprocessed"))
    }

    /// Does at most [`WRITES`] writes, of different keys.
    pub(super) async fn write(&self, writes: Vec<WriteRequest>) -> Result<(), StoreError> {
        let mut wanted = HashMap::from([(self.settings.table.clone(), writes)]);
        for turn in 0..WRITE_TURNS {
            if turn > 0 {
                tokio::time::sleep(jittered(WRITE_WAIT * 2_u32.pow(turn - 1))).await;
            }
            let write = self.connection.client().await.batch_write_item();
            match write.set_request_items(Some(wanted.clone())).send().await {
                Ok(written) => wanted = written.unprocessed_items.unwrap_or_default(),
                // Where all of it was throttled, that is an error, and none of it was done.
                Err(error) if error.as_service_error().is_some_and(throttled) => {}
                Err(error) => return Err(failed("BatchWriteItem")(error)),
            }
            if wanted.is_empty() {
                return Ok(());
            }
        }
        Err(StoreError::new("BatchWriteItem: items were left unprocessed"))
    }
}

fn throttled(error: &BatchWriteItemError) -> bool {
    error.is_provisioned_throughput_exceeded_exception()
        || error.is_request_limit_exceeded()
        || error.is_throttling_exception()
}

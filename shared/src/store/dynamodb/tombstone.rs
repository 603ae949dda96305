//! Tombstones: who was erased, and until when.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;

use super::DynamoDb;
use super::failure::failed;
use super::item::{self, Attributes};
use crate::api::UserId;
use crate::api::history::Time;
use crate::store::table::{TOMBSTONE, TombstoneItem, tombstone_partition};
use crate::store::{Pseudonym, StoreError};

impl DynamoDb {
    pub(super) async fn pseudonym(&self, user: &UserId) -> Result<Pseudonym, StoreError> {
        Ok(Pseudonym::of(user, &self.pseudonym_key.key().await?))
    }

    /// The time of a tombstone as it is at this moment.
    pub(super) async fn tombstone(&self, pseudonym: &Pseudonym) -> Result<Option<Time>, StoreError> {
        let key = item::key(tombstone_partition(pseudonym), TOMBSTONE.into());
        let item = self.item(key).await?;
        Ok(item.map(read).transpose()?.map(|tombstone| tombstone.erased_until))
    }

    /// Writes a tombstone, unless there is a later one. The time that holds now.
    pub(super) async fn bury(&self, pseudonym: &Pseudonym, until: Time) -> Result<Time, StoreError> {
        let put = self.connection.client().await.put_item().table_name(&self.settings.table);
        let put = put
            .set_item(Some(item::to_item(&TombstoneItem::new(pseudonym, until))?))
            .condition_expression("attribute_not_exists(pk) OR erased_until < :until")
            .expression_attribute_values(":until", item::time(until))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else { return Ok(until) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failure)) => {
                let later = match failure.item.clone() {
                    Some(item) => Some(read(item)?.erased_until),
                    // Emulators from before 2023 do not say.
                    None => self.tombstone(pseudonym).await?,
                };
                later.ok_or_else(|| StoreError::new("a tombstone went away"))
            }
            _ => Err(failed("PutItem of a tombstone")(error)),
        }
    }

    /// An item as it is at this moment.
    pub(super) async fn item(&self, key: Attributes) -> Result<Option<Attributes>, StoreError> {
        let get = self.connection.client().await.get_item().table_name(&self.settings.table);
        let got = get.set_key(Some(key)).consistent_read(true).send().await.map_err(failed("GetItem"))?;
        Ok(got.item)
    }
}

fn read(item: Attributes) -> Result<TombstoneItem, StoreError> {
    item::from_item("tombstone", item)
}

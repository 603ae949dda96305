//! Folding: a profile is replaced only where it still is what was read.

use async_trait::async_trait;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use futures_util::future::try_join;

use super::failure::failed;
use super::{DynamoDb, item, reading};
use crate::api::history::Time;
use crate::api::{EventId, UserId};
use crate::store::table::{ProfileItem, event_sort, profile_sort, user_partition};
use crate::store::{Basis, Folding, Profile, Saved, StoreError};

/// The condition that a profile is the one that was read.
const IS_SAME: &str = "revision = :revision";

#[async_trait]
impl Folding for DynamoDb {
    async fn basis(&self, user: &UserId) -> Result<Basis, StoreError> {
        let pseudonym = self.pseudonym(user).await?;
        let profile = self.item(item::key(user_partition(user), profile_sort(&self.settings.region)));
        let (profile, erased_until) = try_join(profile, self.tombstone(&pseudonym)).await?;
        let Some(item) = profile else { return Ok(Basis { erased_until, ..Basis::default() }) };
        let item = reading::read(item)?;
        Ok(Basis { profile: item.profile()?, revision: Some(item.revision), erased_until })
    }

    async fn erased_until(&self, user: &UserId) -> Result<Option<Time>, StoreError> {
        self.tombstone(&self.pseudonym(user).await?).await
    }

    async fn save(
        &self,
        user: &UserId,
        profile: &Profile,
        revision: Option<&str>,
        changed_at: Time,
    ) -> Result<Saved, StoreError> {
        if profile.is_empty() {
            return self.drop_profile(user, revision).await;
        }
        let new = ProfileItem::new(user, &self.settings.region, profile, new_revision()?, changed_at)?;
        let put = self.connection.client().await.put_item().table_name(&self.settings.table);
        let put = put
            .set_item(Some(item::to_item(&new)?))
            .condition_expression(condition(revision))
            .set_expression_attribute_values(revision_value(revision))
            .send();
        match put.await {
            Ok(_) => Ok(Saved::Kept),
            Err(SdkError::ServiceError(context))
                if matches!(context.err(), PutItemError::ConditionalCheckFailedException(_)) =>
            {
                Ok(Saved::Changed)
            }
            Err(error) => Err(failed("PutItem of a profile")(error)),
        }
    }

    async fn remove(&self, user: &UserId, event: &EventId, until: Time) -> Result<(), StoreError> {
        self.delete(item::key(user_partition(user), event_sort(event)), Some(until)).await?;
        Ok(())
    }
}

impl DynamoDb {
    async fn drop_profile(&self, user: &UserId, revision: Option<&str>) -> Result<Saved, StoreError> {
        let delete = self.connection.client().await.delete_item().table_name(&self.settings.table);
        let delete = delete
            .set_key(Some(item::key(user_partition(user), profile_sort(&self.settings.region))))
            .condition_expression(condition(revision))
            .set_expression_attribute_values(revision_value(revision))
            .send();
        match delete.await {
            Ok(_) => Ok(Saved::Kept),
            Err(SdkError::ServiceError(context))
                if matches!(context.err(), DeleteItemError::ConditionalCheckFailedException(_)) =>
            {
                Ok(Saved::Changed)
            }
            Err(error) => Err(failed("DeleteItem of a profile")(error)),
        }
    }
}

fn condition(revision: Option<&str>) -> &'static str {
    if revision.is_some() { IS_SAME } else { item::IS_NEW }
}

fn revision_value(revision: Option<&str>) -> Option<item::Attributes> {
    revision.map(|revision| item::Attributes::from([(":revision".into(), item::text(revision))]))
}

/// 128 random bits in hexadecimal: no two profiles ever get the same.
pub(super) fn new_revision() -> Result<String, StoreError> {
    let mut bits = [0_u8; 16];
    getrandom::fill(&mut bits).map_err(|error| StoreError::new(format!("no random numbers: {error}")))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bits)))
}

//! Reading profiles and events.

use async_trait::async_trait;

use super::DynamoDb;
use super::failure::failed;
use super::item::{self, Attributes};
use crate::api::history::Time;
use crate::api::{EventId, UserId};
use crate::store::table::{EVENT, EventItem, ProfileItem, event_sort, profile_sort, user_partition};
use crate::store::{EventPage, Profiles, StoreError, StoredProfile};

#[async_trait]
impl Profiles for DynamoDb {
    async fn profile(&self, user: &UserId) -> Result<Option<StoredProfile>, StoreError> {
        let key = |region: &String| item::key(user_partition(user), profile_sort(region));
        let items = self.items(self.settings.regions.iter().map(key).collect()).await?;
        let profiles: Result<Vec<_>, StoreError> = items.into_iter().map(stored).collect();
        Ok(StoredProfile::joined(profiles?))
    }
}

fn stored(item: Attributes) -> Result<StoredProfile, StoreError> {
    let item = read(item)?;
    Ok(StoredProfile { profile: item.profile()?, changed_at: item.changed_at })
}

pub(super) fn read(item: Attributes) -> Result<ProfileItem, StoreError> {
    item::from_item("profile", item)
}

impl DynamoDb {
    /// See [`People::events`](crate::store::People::events).
    pub(super) async fn page(
        &self,
        user: &UserId,
        after: Option<&EventId>,
        limit: usize,
    ) -> Result<EventPage, StoreError> {
        let now = Time::now();
        let start = after.map(|event| item::key(user_partition(user), event_sort(event)));
        let query = self.connection.client().await.query().table_name(&self.settings.table);
        let query = query
            .key_condition_expression(item::IN_PARTITION_BEGINNING)
            .expression_attribute_values(":pk", item::text(user_partition(user)))
            .expression_attribute_values(":sk", item::text(EVENT))
            .set_exclusive_start_key(start)
            .consistent_read(true)
            // One more than asked for says whether there are more.
            .limit(i32::try_from(limit.saturating_add(1)).unwrap_or(i32::MAX));
        let mut pages = query.into_paginator().send();
        let mut events = Vec::new();
        while let Some(page) = pages.next().await {
            for item in page.map_err(failed("Query"))?.items.unwrap_or_default() {
                let item = EventItem::from_item(item.into())?;
                // The service takes its time, up to days, to drop what has expired.
                if item.expired(now) {
                    continue;
                }
                if events.len() == limit {
                    return Ok(EventPage { events, more: true });
                }
                events.push(item.into_event());
            }
        }
        Ok(EventPage { events, more: false })
    }
}

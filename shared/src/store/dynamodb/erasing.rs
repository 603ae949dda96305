//! Erasing a person: the tombstone first, then everything it covers, until a look finds nothing more.

use async_trait::async_trait;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::types::ReturnValue;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;

use super::failure::failed;
use super::item::{self, Attributes};
use super::{AT_A_TIME, DynamoDb, reading};
use crate::api::history::Time;
use crate::api::{EventId, UserId};
use crate::store::table::{EVENT, EventItem, PROFILE, user_partition};
use crate::store::{Erased, Event, EventPage, People, StoreError, fold};

/// How often what belongs to a person is looked through. The first removes; the second finds nothing, or what came in
/// meanwhile; from the tombstone on whoever puts something covered removes it again, so that a third is rare.
const LOOKS: u32 = 5;

#[async_trait]
impl People for DynamoDb {
    async fn events(
        &self,
        user: &UserId,
        after: Option<&EventId>,
        limit: usize,
    ) -> Result<EventPage, StoreError> {
        self.page(user, after, limit).await
    }

    async fn erase(&self, user: &UserId, now: Time) -> Result<Erased, StoreError> {
        let pseudonym = self.pseudonym(user).await?;
        let newest = self.newest(user).await?;
        let until = self.bury(&pseudonym, newest.map_or(now, |newest| newest.max(now))).await?;
        let mut erased = Erased { events: 0, profiles: 0, until };
        for look in 0..LOOKS {
            let found = self.look_through(user, until, look == 0).await?;
            if found.to_delete == 0 {
                self.fold_again(user, &found.newer, now).await?;
                return Ok(erased);
            }
            erased.events += found.events;
            erased.profiles += found.profiles;
        }
        Err(StoreError::new("there was more to erase each time it was looked for"))
    }
}

/// What a look through a person's partition came to.
#[derive(Default)]
struct Found {
    /// Items that had to go.
    to_delete: u64,
    /// Of these, the events that were there when they were deleted.
    events: u64,
    /// And the profiles.
    profiles: u64,
    /// What came in after the tombstone was written and was done after its time.
    newer: Vec<Event>,
}

/// What happens to an item of a person.
enum Verdict {
    Stays,
    /// It stays, and is an event.
    Newer(Event),
    /// It is deleted if it still is an event that the tombstone covers.
    Covered,
    /// It is deleted, whatever it is by then.
    Goes,
}

impl DynamoDb {
    /// The time of the newest event held.
    async fn newest(&self, user: &UserId) -> Result<Option<Time>, StoreError> {
        #[derive(Deserialize)]
        struct Timed {
            occurred_at: Time,
        }
        let query = self.connection.client().await.query().table_name(&self.settings.table);
        let query = query
            .key_condition_expression(item::IN_PARTITION_BEGINNING)
            .expression_attribute_values(":pk", item::text(user_partition(user)))
            .expression_attribute_values(":sk", item::text(EVENT))
            .projection_expression("occurred_at")
            .consistent_read(true);
        let mut items = query.into_paginator().items().send();
        let mut newest = None;
        while let Some(item) = items.next().await {
            // An event that can't be read has no time, and is erased all the same.
            let timed = item::from_item::<Timed>("event", item.map_err(failed("Query"))?);
            newest = newest.max(timed.ok().map(|timed| timed.occurred_at));
        }
        Ok(newest)
    }

    /// Deletes from a person's partition what a tombstone of `until` covers. The first look deletes every profile, the
    /// later ones those that say something covered: a fold that has seen the tombstone may have made one since.
    async fn look_through(&self, user: &UserId, until: Time, first: bool) -> Result<Found, StoreError> {
        let query = self.connection.client().await.query().table_name(&self.settings.table);
        let query = query
            .key_condition_expression(item::IN_PARTITION)
            .expression_attribute_values(":pk", item::text(user_partition(user)))
            .consistent_read(true);
        let mut pages = query.into_paginator().send();
        let mut found = Found::default();
        while let Some(page) = pages.next().await {
            let items = page.map_err(failed("Query"))?.items.unwrap_or_default();
            let mut deletions = Vec::new();
            for item in items {
                let (key, profile) = (item::key_of(&item), item::sort_key(&item).starts_with(PROFILE));
                let covered_by = match verdict(item, until, first) {
                    Verdict::Stays => continue,
                    Verdict::Newer(event) => {
                        found.newer.push(event);
                        continue;
                    }
                    Verdict::Covered => Some(until),
                    Verdict::Goes => None,
                };
                deletions.push(async move { Ok((profile, self.delete(key, covered_by).await?)) });
            }
            found.to_delete += deletions.len() as u64;
            let deleted: Result<Vec<_>, StoreError> =
                stream::iter(deletions).buffer_unordered(AT_A_TIME).try_collect().await;
            for (profile, deleted) in deleted? {
                let counter = if profile { &mut found.profiles } else { &mut found.events };
                *counter += u64::from(deleted);
            }
        }
        Ok(found)
    }

    /// The profiles are gone whole; what they said of these events, which stay, is folded anew.
    async fn fold_again(&self, user: &UserId, newer: &[Event], now: Time) -> Result<(), StoreError> {
        if newer.is_empty() {
            return Ok(());
        }
        fold(self, user, newer, &[], now).await.map_err(StoreError::new)
    }

    /// Deletes an item; where a tombstone's time is given, only an event that it covers. Whether there was one.
    ///
    /// The condition is for an event under whose id another one was put after the first was erased.
    pub(super) async fn delete(&self, key: Attributes, covered_by: Option<Time>) -> Result<bool, StoreError> {
        let delete = self.connection.client().await.delete_item().table_name(&self.settings.table);
        let mut delete = delete.set_key(Some(key)).return_values(ReturnValue::AllOld);
        if let Some(until) = covered_by {
            delete = delete
                .condition_expression("occurred_at <= :until")
                .expression_attribute_values(":until", item::time(until));
        }
        match delete.send().await {
            Ok(deleted) => Ok(deleted.attributes.is_some_and(|item| !item.is_empty())),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(failed("DeleteItem")(error)),
            },
        }
    }
}

/// What can't be read goes too: a fault in an item must not keep a person from being erased.
fn verdict(item: Attributes, until: Time, first: bool) -> Verdict {
    let sort_key = item::sort_key(&item);
    if sort_key.starts_with(EVENT) {
        let event = EventItem::from_item(item.into()).map(EventItem::into_event);
        return match event {
            Ok(event) if event.occurred_at > until => Verdict::Newer(event),
            Ok(_) => Verdict::Covered,
            Err(_) => Verdict::Goes,
        };
    }
    if sort_key.starts_with(PROFILE) && !first {
        let profile = reading::read(item).and_then(|item| item.profile());
        let newer =
            profile.is_ok_and(|profile| profile.entries().iter().all(|entry| entry.occurred_at > until));
        return if newer { Verdict::Stays } else { Verdict::Goes };
    }
    Verdict::Goes
}

//! Batches in the table, and everybody in it.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::DynamoDb;
use super::failure::failed;
use super::folding::new_revision;
use super::item::{self, Attributes};
use crate::api::history::Time;
use crate::api::{BatchId, UserId};
use crate::store::jobs::{
    Claim, Everyone, JOB_RETENTION_DAYS, Job, JobPage, Jobs, KeptJob, Segment, UserPage,
};
use crate::store::table::{
    BATCH, BATCHES, CLAIM, PARTITION_KEY, SORT_KEY, batch_sort, claim_partition, profile_sort, user_of,
};
use crate::store::{Saved, StoreError};

/// A job as the table has it.
#[derive(Serialize, Deserialize)]
struct JobItem {
    pk: String,
    sk: String,
    /// As JSON text.
    job: String,
    revision: String,
    expires_at: i64,
}

impl JobItem {
    fn new(job: &Job) -> Result<Self, StoreError> {
        Ok(Self {
            pk: BATCHES.into(),
            sk: batch_sort(&job.batch_id),
            job: serde_json::to_string(job).map_err(StoreError::new)?,
            revision: new_revision()?,
            expires_at: expires(job.created_at),
        })
    }

    fn read(item: Attributes) -> Result<KeptJob, StoreError> {
        let item: Self = item::from_item("batch", item)?;
        Ok(KeptJob {
            job: serde_json::from_str(&item.job).map_err(StoreError::new)?,
            revision: item.revision,
        })
    }
}

fn expires(created_at: Time) -> i64 {
    created_at.millis() / 1_000 + JOB_RETENTION_DAYS * 86_400
}

#[async_trait]
impl Jobs for DynamoDb {
    async fn claim(&self, name: &str, claim: &Claim) -> Result<Claim, StoreError> {
        let digest: String = Sha256::digest(name).iter().map(|byte| format!("{byte:02x}")).collect();
        let partition = claim_partition(&digest);
        let key = item::key(partition, CLAIM.into());
        let mut new = item::to_item(claim)?;
        new.extend(key.clone());
        let end = expires(Time::now()).to_string();
        new.insert("expires_at".into(), aws_sdk_dynamodb::types::AttributeValue::N(end));
        if self.put_if(new, |put| put.condition_expression(item::IS_NEW)).await? {
            return Ok(claim.clone());
        }
        let held = self.item(key).await?.ok_or_else(|| StoreError::new("a claim went away"))?;
        item::from_item("claim", held)
    }

    async fn create(&self, job: &Job) -> Result<bool, StoreError> {
        let new = item::to_item(&JobItem::new(job)?)?;
        self.put_if(new, |put| put.condition_expression(item::IS_NEW)).await
    }

    async fn job(&self, id: &BatchId) -> Result<Option<KeptJob>, StoreError> {
        self.item(item::key(BATCHES.into(), batch_sort(id))).await?.map(JobItem::read).transpose()
    }

    async fn replace(&self, job: &Job, revision: &str) -> Result<Saved, StoreError> {
        let new = item::to_item(&JobItem::new(job)?)?;
        let same = |put: PutItemFluentBuilder| {
            put.condition_expression("revision = :revision")
                .expression_attribute_values(":revision", item::text(revision))
        };
        Ok(if self.put_if(new, same).await? { Saved::Kept } else { Saved::Changed })
    }

    async fn jobs(&self, before: Option<&BatchId>, limit: usize) -> Result<JobPage, StoreError> {
        let start = before.map(|id| item::key(BATCHES.into(), batch_sort(id)));
        let query = self.connection.client().await.query().table_name(&self.settings.table);
        let query = query
            .key_condition_expression(item::IN_PARTITION_BEGINNING)
            .expression_attribute_values(":pk", item::text(BATCHES))
            .expression_attribute_values(":sk", item::text(BATCH))
            .scan_index_forward(false)
            .set_exclusive_start_key(start)
            .limit(i32::try_from(limit.saturating_add(1)).unwrap_or(i32::MAX));
        let mut items = query.into_paginator().items().send();
        let mut page = JobPage::default();
        while let Some(item) = items.next().await {
            if page.jobs.len() == limit {
                page.more = true;
                break;
            }
            page.jobs.push(JobItem::read(item.map_err(failed("Query"))?)?.job);
        }
        Ok(page)
    }
}

#[async_trait]
impl Everyone for DynamoDb {
    /// The table is read whole, events too, each segment by itself; whoever has a profile of this region is somebody.
    async fn users(&self, segment: Segment, from: Option<&str>) -> Result<UserPage, StoreError> {
        let start = from.and_then(|from| from.split_once('\n'));
        let start = start.map(|(partition, sort)| item::key(partition.into(), sort.into()));
        let scan = self.connection.client().await.scan().table_name(&self.settings.table);
        let scan = scan
            .segment(i32::try_from(segment.index).unwrap_or(i32::MAX))
            .total_segments(i32::try_from(segment.of).unwrap_or(i32::MAX))
            .projection_expression(PARTITION_KEY)
            .filter_expression("sk = :sk")
            .expression_attribute_values(":sk", item::text(profile_sort(&self.settings.region)))
            .set_exclusive_start_key(start);
        let scanned = scan.send().await.map_err(failed("Scan"))?;
        let user = |item: &Attributes| -> Option<UserId> { user_of(key_part(item, PARTITION_KEY)?) };
        let last = scanned.last_evaluated_key.as_ref();
        let next = last
            .and_then(|key| Some(format!("{}\n{}", key_part(key, PARTITION_KEY)?, key_part(key, SORT_KEY)?)));
        Ok(UserPage { users: scanned.items.iter().flatten().filter_map(user).collect(), next })
    }
}

fn key_part<'a>(
    item: &'a HashMap<String, aws_sdk_dynamodb::types::AttributeValue>,
    name: &str,
) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

impl DynamoDb {
    /// Puts an item on a condition: whether it held.
    async fn put_if(
        &self,
        new: Attributes,
        condition: impl FnOnce(PutItemFluentBuilder) -> PutItemFluentBuilder,
    ) -> Result<bool, StoreError> {
        let put = self.connection.client().await.put_item().table_name(&self.settings.table);
        match condition(put.set_item(Some(new))).send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(failed("PutItem of a batch")(error)),
            },
        }
    }
}

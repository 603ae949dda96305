//! Batches in the file, and everybody in it.

use std::ops::Bound;

use async_trait::async_trait;
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, TableDefinition, TableError};

use super::people::{from_json, to_json};
use super::tables::{BATCHES, CLAIMS, Numbering, PROFILES};
use super::{Embedded, Fault};
use crate::api::history::Time;
use crate::api::{BatchId, UserId};
use crate::store::jobs::{Claim, Everyone, Job, JobPage, Jobs, KeptJob, Segment, UserPage, oldest_id};
use crate::store::{Saved, StoreError};

/// People on a page: a few hundred microseconds of work.
const PEOPLE: usize = 1_000;

#[async_trait]
impl Jobs for Embedded {
    async fn claim(&self, name: &str, claim: &Claim) -> Result<Claim, StoreError> {
        let (name, claim) = (name.to_owned(), claim.clone());
        self.write(move |file, _| {
            let mut claims = file.open_table(CLAIMS)?;
            if let Some(held) = claims.get(name.as_str())? {
                return from_json("a claim", held.value());
            }
            claims.insert(name.as_str(), to_json(&claim)?.as_str())?;
            Ok(claim.clone())
        })
        .await
    }

    async fn create(&self, job: &Job) -> Result<bool, StoreError> {
        let job = job.clone();
        self.write(move |file, _| {
            let mut batches = file.open_table(BATCHES)?;
            if batches.get(job.batch_id.as_str())?.is_some() {
                return Ok(false);
            }
            let mut numbering = Numbering::open(file)?;
            batches.insert(job.batch_id.as_str(), (numbering.give(), to_json(&job)?.as_str()))?;
            numbering.close()?;
            // Ids begin with the time: what is before is forgotten.
            let first = oldest_id(Time::now());
            batches.retain_in::<&str, _>(..first.as_str(), |_, _| false)?;
            let is_new =
                |claim: Result<Claim, _>| claim.is_ok_and(|claim| claim.batch_id.as_str() >= first.as_str());
            file.open_table(CLAIMS)?.retain(|_, json| is_new(serde_json::from_str(json)))?;
            Ok(true)
        })
        .await
    }

    async fn job(&self, id: &BatchId) -> Result<Option<KeptJob>, StoreError> {
        let id = id.clone();
        self.read(move |file| {
            let Some(batches) = there(file, BATCHES)? else { return Ok(None) };
            let Some(kept) = batches.get(id.as_str())? else { return Ok(None) };
            let (revision, json) = kept.value();
            Ok(Some(KeptJob { job: from_json("a batch", json)?, revision: revision.to_string() }))
        })
        .await
    }

    async fn replace(&self, job: &Job, revision: &str) -> Result<Saved, StoreError> {
        let (job, revision) = (job.clone(), revision.to_owned());
        self.write(move |file, _| {
            let mut batches = file.open_table(BATCHES)?;
            let now = batches.get(job.batch_id.as_str())?.map(|kept| kept.value().0.to_string());
            if now.as_ref() != Some(&revision) {
                return Ok(Saved::Changed);
            }
            let mut numbering = Numbering::open(file)?;
            batches.insert(job.batch_id.as_str(), (numbering.give(), to_json(&job)?.as_str()))?;
            numbering.close()?;
            Ok(Saved::Kept)
        })
        .await
    }

    async fn jobs(&self, before: Option<&BatchId>, limit: usize) -> Result<JobPage, StoreError> {
        let before = before.cloned();
        self.read(move |file| {
            let Some(batches) = there(file, BATCHES)? else { return Ok(JobPage::default()) };
            let end = before.as_ref().map_or(Bound::Unbounded, |id| Bound::Excluded(id.as_str()));
            let mut page = JobPage::default();
            for kept in batches.range::<&str>((Bound::Unbounded, end))?.rev() {
                if page.jobs.len() == limit {
                    page.more = true;
                    break;
                }
                // One that can't be read is missing, and takes no other with it.
                match from_json("a batch", kept?.1.value().1) {
                    Ok(job) => page.jobs.push(job),
                    Err(error) => tracing::error!(%error, "a batch is passed over"),
                }
            }
            Ok(page)
        })
        .await
    }
}

#[async_trait]
impl Everyone for Embedded {
    /// Everybody is in the first segment.
    async fn users(&self, segment: Segment, from: Option<&str>) -> Result<UserPage, StoreError> {
        if segment.index > 0 {
            return Ok(UserPage::default());
        }
        let from = from.map(str::to_owned);
        self.read(move |file| {
            let start = from.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let profiles = file.open_table(PROFILES)?;
            let mut page = UserPage::default();
            for profile in profiles.range::<&str>((start, Bound::Unbounded))?.take(PEOPLE) {
                let user = profile?.0.value().to_owned();
                page.users.push(UserId::try_from(user).map_err(StoreError::new)?);
            }
            page.next = page.users.last().filter(|_| page.users.len() == PEOPLE).map(ToString::to_string);
            Ok(page)
        })
        .await
    }
}

/// A table that files of before lack.
fn there<V: redb::Value + 'static>(
    file: &ReadTransaction,
    definition: TableDefinition<'_, &'static str, V>,
) -> Result<Option<ReadOnlyTable<&'static str, V>>, Fault> {
    match file.open_table(definition) {
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        table => Ok(Some(table?)),
    }
}

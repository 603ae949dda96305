//! Notes of the links to the accelerators.

use async_trait::async_trait;

use super::DynamoDb;
use super::failure::failed;
use super::item;
use crate::store::table::{LinkItem, link_partition};
use crate::store::{LinkNote, LinkNotes, NotingLinks, StoreError};

#[async_trait]
impl LinkNotes for DynamoDb {
    async fn links(&self, accelerators: &[&str]) -> Result<Vec<LinkNote>, StoreError> {
        let mut names = accelerators.to_vec();
        names.sort_unstable();
        names.dedup();
        let partition = link_partition(&self.settings.region);
        let keys: Vec<_> =
            names.iter().map(|name| item::key(partition.clone(), (*name).to_owned())).collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let items = self.items(keys).await?.into_iter();
        items.map(|item| Ok(item::from_item::<LinkItem>("link", item)?.into_note())).collect()
    }
}

#[async_trait]
impl NotingLinks for DynamoDb {
    async fn note(&self, note: &LinkNote) -> Result<(), StoreError> {
        let item = item::to_item(&LinkItem::new(&self.settings.region, note))?;
        let put = self.connection.client().await.put_item();
        let put = put.table_name(&self.settings.table).set_item(Some(item));
        put.send().await.map_err(failed("PutItem"))?;
        Ok(())
    }
}

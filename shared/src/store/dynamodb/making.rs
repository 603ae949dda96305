//! Making the table where no template does: on a laptop, in tests.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::client::Waiters;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, StreamSpecification,
    StreamViewType, TimeToLiveSpecification, TimeToLiveStatus,
};

use super::DynamoDb;
use super::failure::failed;
use crate::store::StoreError;
use crate::store::table::{EXPIRES_AT, PARTITION_KEY, SORT_KEY};

/// A table takes some ten seconds to be made.
const MADE_WITHIN: Duration = Duration::from_secs(120);

impl DynamoDb {
    /// Makes the table: paid by use, its changes streamed with old and new images, expired items dropped. Whether it was
    /// made; `false` where there was one by this name already, of which only the expiry is seen to.
    ///
    /// Backups are left to `deploy/state.yaml`, which makes the table that people's state is trusted to.
    ///
    /// # Errors
    /// When it can't be made.
    pub async fn create_table(&self) -> Result<bool, StoreError> {
        let client = self.connection.client().await;
        let made = self.make(client).await?;
        let exists = client.wait_until_table_exists().table_name(&self.settings.table).wait(MADE_WITHIN);
        exists.await.map_err(|_| StoreError::new("DescribeTable: the table does not come up"))?;
        self.expire(client).await?;
        Ok(made)
    }

    async fn make(&self, client: &Client) -> Result<bool, StoreError> {
        let stream = StreamSpecification::builder()
            .stream_enabled(true)
            .stream_view_type(StreamViewType::NewAndOldImages)
            .build()
            .map_err(StoreError::new)?;
        let create = client.create_table().table_name(&self.settings.table);
        let create = create
            .set_attribute_definitions(Some(attributes().map_err(StoreError::new)?))
            .set_key_schema(Some(keys().map_err(StoreError::new)?))
            .billing_mode(BillingMode::PayPerRequest)
            .stream_specification(stream);
        match create.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if error.as_service_error().is_some_and(CreateTableError::is_resource_in_use_exception) =>
            {
                Ok(false)
            }
            Err(error) => Err(failed("CreateTable")(error)),
        }
    }

    async fn expire(&self, client: &Client) -> Result<(), StoreError> {
        let table = &self.settings.table;
        let described = client.describe_time_to_live().table_name(table).send().await;
        let described = described.map_err(failed("DescribeTimeToLive"))?.time_to_live_description;
        let status = described.and_then(|description| description.time_to_live_status);
        if matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)) {
            return Ok(());
        }
        let specification =
            TimeToLiveSpecification::builder().enabled(true).attribute_name(EXPIRES_AT).build();
        let update = client.update_time_to_live().table_name(table);
        let update = update.time_to_live_specification(specification.map_err(StoreError::new)?);
        update.send().await.map_err(failed("UpdateTimeToLive"))?;
        Ok(())
    }
}

fn attributes() -> Result<Vec<AttributeDefinition>, BuildError> {
    let text = |name: &str| {
        AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build()
    };
    [PARTITION_KEY, SORT_KEY].into_iter().map(text).collect()
}

fn keys() -> Result<Vec<KeySchemaElement>, BuildError> {
    let key = |(name, kind)| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    [(PARTITION_KEY, KeyType::Hash), (SORT_KEY, KeyType::Range)].map(key).into_iter().collect()
}

//! The DynamoDB store, on servers that speak its protocol: moto always, Amazon's own DynamoDB Local with the feature
//! `real-parts`, and moto behind a proxy that fails on purpose.

mod faults;
mod people;
mod proxy;
mod table;
mod turn;

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use serde_json::Value;
use shared::config::TableSettings;
use shared::store::{DynamoDb, PseudonymKey, StoreError};
use shared::testing::conformance;
use tests::{Request, send};
use turn::Turn;

/// A server, and the name of a table that no other test uses.
pub(crate) struct Server {
    endpoint: String,
    table: String,
    /// Held for their ends.
    _running: (Arc<dyn Any + Send + Sync>, Turn),
}

impl Server {
    fn new(endpoint: &str, running: Arc<dyn Any + Send + Sync>) -> Self {
        static TABLES: AtomicU32 = AtomicU32::new(0);
        let table = format!("people-{}", TABLES.fetch_add(1, Ordering::Relaxed));
        Self { endpoint: endpoint.to_owned(), table, _running: (running, Turn::wait()) }
    }

    pub(crate) fn moto() -> Self {
        let moto = tests::Moto::shared();
        Self::new(moto.endpoint(), Arc::clone(&moto) as Arc<dyn Any + Send + Sync>)
    }

    #[cfg(feature = "real-parts")]
    fn dynamodb_local() -> Self {
        let local = tests::DynamoDbLocal::shared();
        Self::new(local.endpoint(), Arc::clone(&local) as Arc<dyn Any + Send + Sync>)
    }

    /// The settings of a laptop.
    pub(crate) fn settings(&self) -> TableSettings {
        let (region, regions) = ("local".to_owned(), vec!["local".to_owned()]);
        TableSettings { table: self.table.clone(), region, regions, event_retention_days: None }
    }

    /// The store in a table that is made.
    pub(crate) async fn store(&self) -> DynamoDb {
        let store = self.store_of(self.settings());
        assert!(store.create_table().await.unwrap());
        store
    }

    pub(crate) fn store_of(&self, settings: TableSettings) -> DynamoDb {
        store_at(&self.endpoint, settings)
    }

    /// What the server itself answers to an operation on the table, without the SDK and the store between.
    pub(crate) fn call(&self, operation: &str, mut body: Value) -> Value {
        body["TableName"] = self.table.clone().into();
        let scope = "emulator/20260101/eu-central-1/dynamodb/aws4_request";
        let request = Request::post("/", body.to_string())
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", &format!("DynamoDB_20120810.{operation}"))
            .header(
                "authorization",
                &format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"),
            );
        let reply = send(&self.endpoint, &request).unwrap();
        assert_eq!(reply.status, 200, "{operation}: {reply:?}");
        reply.json()
    }
}

pub(crate) fn store_at(endpoint: &str, settings: TableSettings) -> DynamoDb {
    DynamoDb::emulated(settings, Arc::new(Key), endpoint)
}

/// A key that is at hand.
#[derive(Debug)]
pub(crate) struct Key;

#[async_trait]
impl PseudonymKey for Key {
    async fn key(&self) -> Result<Vec<u8>, StoreError> {
        Ok(b"a key of the tests".to_vec())
    }
}

/// Runs a test that waits.
pub(crate) fn wait(test: impl Future<Output = ()>) {
    tokio::runtime::Runtime::new().unwrap().block_on(test);
}

async fn does_what_every_store_does(server: Server) {
    conformance::all(&server.store().await).await;
}

macro_rules! on {
    ($server:ident: $($module:ident::$name:ident)*) => {
        mod $server {
            $(#[test]
            fn $name() {
                super::wait(super::$module::$name(super::Server::$server()));
            })*

            #[test]
            fn does_what_every_store_does() {
                super::wait(super::does_what_every_store_does(super::Server::$server()));
            }
        }
    };
}

macro_rules! on_each {
    ($($case:tt)*) => {
        on! { moto: $($case)* }
        #[cfg(feature = "real-parts")]
        on! { dynamodb_local: $($case)* table::pages_of_the_service_are_put_together }
    };
}

on_each! {
    table::is_made_once_and_as_documented
    table::holds_items_as_documented
    table::events_that_expired_are_not_shown
    table::what_cannot_be_read_is_erased_all_the_same
    table::profiles_of_all_regions_are_joined_and_erased
    table::of_events_loaded_under_one_id_the_last_is_kept
}

//! Items as the SDK takes them.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::history::Time;
use crate::store::StoreError;
use crate::store::table::{PARTITION_KEY, SORT_KEY};

/// An item, or its key.
pub(super) type Attributes = HashMap<String, AttributeValue>;

/// The condition that there is no such item.
pub(super) const IS_NEW: &str = "attribute_not_exists(pk)";
/// The key condition of everything in a partition.
pub(super) const IN_PARTITION: &str = "pk = :pk";
/// The key condition of the items of a partition whose sort keys begin so.
pub(super) const IN_PARTITION_BEGINNING: &str = "pk = :pk AND begins_with(sk, :sk)";

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// Times are kept as text of which the later is the greater.
pub(super) fn time(time: Time) -> AttributeValue {
    text(time.to_string())
}

pub(super) fn key(partition: String, sort: String) -> Attributes {
    HashMap::from([(PARTITION_KEY.into(), text(partition)), (SORT_KEY.into(), text(sort))])
}

pub(super) fn key_of(item: &Attributes) -> Attributes {
    let part = |name: &str| item.get(name).map(|value| (name.to_owned(), value.clone()));
    [PARTITION_KEY, SORT_KEY].into_iter().filter_map(part).collect()
}

/// The sort key of an item; empty where it has none, which no table's items lack.
pub(super) fn sort_key(item: &Attributes) -> &str {
    item.get(SORT_KEY).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

pub(super) fn to_item(value: &impl Serialize) -> Result<Attributes, StoreError> {
    serde_dynamo::aws_sdk_dynamodb_1::to_item(value).map_err(StoreError::new)
}

/// Reads an item as `what`, a word for the error. The error names attributes and their types, and no value.
pub(super) fn from_item<T: DeserializeOwned>(what: &str, item: Attributes) -> Result<T, StoreError> {
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item)
        .map_err(|error| StoreError::new(format!("an item is no {what}: {error}")))
}

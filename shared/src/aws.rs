//! What a function on AWS, or a service that uses the same table, is made of: the store as the environment configures it.

use std::error::Error;
use std::sync::Arc;

use crate::config::TableSettings;
use crate::store::{DynamoDb, Profiles};

/// The table of the environment, for functions that need no key of tombstones: those that read profiles, and those that read
/// or write notes of links. `None` when it names none. Nothing is connected before the first call.
///
/// # Errors
/// When a variable can't be used.
pub fn open_table() -> Result<Option<Arc<DynamoDb>>, Box<dyn Error>> {
    Ok(TableSettings::from_env()?.map(|settings| Arc::new(DynamoDb::without_key(settings))))
}

/// The profiles in the table of the environment, as [`open_table`].
///
/// # Errors
/// When a variable can't be used.
pub fn profiles() -> Result<Option<Arc<dyn Profiles>>, Box<dyn Error>> {
    Ok(open_table()?.map(|table| table as _))
}

/// The table of the environment, for functions that always need it: connected, and the key of its tombstones read,
/// before the first event comes. What fails of that is tried again then. `None` when the environment names no table.
///
/// # Errors
/// When a variable can't be used, or a table is named and no secret with the key.
#[cfg(feature = "secrets")]
pub async fn table() -> Result<Option<Arc<DynamoDb>>, Box<dyn Error>> {
    use crate::store::Events;
    let Some(settings) = TableSettings::from_env()? else { return Ok(None) };
    let (table, key) = keyed(settings)?;
    futures_util::future::join(table.warm_up(), key.warm_up()).await;
    Ok(Some(table))
}

/// The table of that name, everything else as the environment says.
///
/// # Errors
/// As [`table`].
#[cfg(feature = "secrets")]
pub fn table_named(name: &str) -> Result<Arc<DynamoDb>, Box<dyn Error>> {
    Ok(keyed(TableSettings::named(name.to_owned())?)?.0)
}

/// The bucket and the table of the environment, for functions that run batches. Nothing is connected yet.
///
/// # Errors
/// When the environment names none, or a variable can't be used.
#[cfg(feature = "s3")]
pub fn batches() -> Result<(crate::batch::objects::Objects, Arc<DynamoDb>), Box<dyn Error>> {
    let bucket = crate::config::BucketSettings::from_env()?;
    let bucket = bucket.ok_or("the variable MARQUEE_BUCKET is needed: the bucket of batches")?;
    let table = TableSettings::from_env()?;
    let table = table.ok_or("the variable MARQUEE_TABLE is needed: the table that batches are kept in")?;
    let objects = crate::batch::objects::Objects::in_bucket(&bucket.bucket)?;
    Ok((objects, Arc::new(DynamoDb::without_key(table))))
}

/// The accelerators of the environment, for the model over this artifact's catalogue; none when it names none. Nothing is
/// connected yet.
///
/// # Errors
/// When a variable can't be used.
#[cfg(all(feature = "accelerator", feature = "secrets"))]
pub fn accelerators(
    artifact: &crate::model::Artifact,
) -> Result<Vec<Arc<dyn crate::accelerator::Accelerator>>, Box<dyn Error>> {
    use crate::accelerator::{client::Client, contract};
    let Some(settings) = crate::config::AcceleratorSettings::from_env()? else { return Ok(Vec::new()) };
    let secrets = crate::secrets::Secrets::default();
    let credentials = secrets.accelerator_credentials(&settings).map(Arc::new);
    let model = contract::model_name(&artifact.manifest.catalogue_digest);
    let client = |endpoint| Arc::new(Client::new(endpoint, model.clone(), credentials.clone())) as _;
    Ok(settings.endpoints.into_iter().map(client).collect())
}

#[cfg(feature = "secrets")]
fn keyed(
    settings: TableSettings,
) -> Result<(Arc<DynamoDb>, Arc<crate::secrets::SecretPseudonymKey>), Box<dyn Error>> {
    let erasure = crate::config::ErasureSettings::from_env()?;
    let erasure = erasure.ok_or(
        "with a table the variable MARQUEE_ERASURE_SECRET is needed: the secret with the key of its tombstones",
    )?;
    let key = Arc::new(crate::secrets::Secrets::default().pseudonym_key(&erasure));
    Ok((Arc::new(DynamoDb::new(settings, Arc::clone(&key) as _)), key))
}

//! The accelerators that are asked.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use async_trait::async_trait;
use shared::accelerator::client::Client;
use shared::accelerator::{Accelerator, Credentials, Endpoint, contract};
use shared::model::Artifact;
use shared::secrets::{Cached, SecretError, Source};

/// For how long credentials that were read are used: a file costs nothing to read, and one that changed is soon in use.
const CREDENTIALS_TTL: Duration = Duration::from_secs(5);

/// The accelerators at these endpoints, of the model over this artifact's catalogue; `credentials` is a file.
///
/// # Errors
/// When the credentials are of no use; what becomes of them later is met in use.
pub(crate) fn of(
    endpoints: impl IntoIterator<Item = Endpoint>,
    credentials: Option<PathBuf>,
    artifact: &Artifact,
) -> Result<Vec<Arc<dyn Accelerator>>> {
    let credentials = credentials.map(read).transpose()?;
    let model = contract::model_name(&artifact.manifest.catalogue_digest);
    let client = |endpoint| Client::new(endpoint, model.clone(), credentials.clone());
    Ok(endpoints.into_iter().map(|endpoint| Arc::new(client(endpoint)) as Arc<dyn Accelerator>).collect())
}

fn read(path: PathBuf) -> Result<Arc<Cached<Credentials>>> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(&path).with_context(|| format!("{name} can't be read"))?;
    Credentials::parse(&text).map_err(|fault| anyhow!("{name} is of no use: {fault}"))?;
    Ok(Arc::new(Cached::new(CredentialsFile { name, path }, CREDENTIALS_TTL, Credentials::parse)))
}

/// Credentials in a file, of the same form as in Secrets Manager.
#[derive(Debug)]
struct CredentialsFile {
    name: String,
    path: PathBuf,
}

#[async_trait]
impl Source for CredentialsFile {
    async fn fetch(&self) -> Result<String, SecretError> {
        let read = std::fs::read_to_string(&self.path);
        read.map_err(|error| SecretError::new(format!("{} can't be read: {error}", self.name)))
    }

    fn name(&self) -> &str {
        &self.name
    }
}

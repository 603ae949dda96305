//! The accelerators that are asked first, and that an artifact is compared with.

use std::path::{Path, PathBuf};
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

/// Clients of the accelerators at these endpoints, for the model over this artifact's catalogue; `credentials` is the file
/// with what lets us in.
///
/// # Errors
/// When the credentials are of no use; what becomes of them later is met in use.
pub(crate) fn clients(
    endpoints: &[Endpoint],
    credentials: Option<&Path>,
    artifact: &Artifact,
) -> Result<Vec<Arc<dyn Accelerator>>> {
    let credentials = credentials.map(self::credentials).transpose()?;
    let model = contract::model_name(&artifact.manifest.catalogue_digest);
    let client = |endpoint: &Endpoint| Client::new(endpoint.clone(), model.clone(), credentials.clone());
    Ok(endpoints.iter().map(|endpoint| Arc::new(client(endpoint)) as _).collect())
}

fn credentials(path: &Path) -> Result<Arc<Cached<Credentials>>> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("{name} can't be read"))?;
    Credentials::parse(&text).map_err(|fault| anyhow!("{name} is of no use: {fault}"))?;
    let file = CredentialsFile { name, path: path.to_owned() };
    Ok(Arc::new(Cached::new(file, CREDENTIALS_TTL, Credentials::parse)))
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

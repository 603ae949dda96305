//! AWS Secrets Manager. The only place that calls it.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use aws_sdk_secretsmanager::{Client, config};
use tokio::sync::OnceCell;

use super::{Cached, SecretError, Source};
use crate::accelerator::Credentials;
use crate::config::{AcceleratorSettings, ErasureSettings, KeysSettings};
use crate::keys::KeyRing;
use crate::store::{PseudonymKey, StoreError};

/// Within a region a connection takes a few milliseconds. What takes longer has lost a packet, which the kernel would
/// send again after a second: a new attempt is sooner.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// A secret comes in some 20 ms; with a new connection, its handshake and a key of KMS that is not warm, in 200 ms. Five
/// times that is no longer slow but lost.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);
/// One more than the first: a lost packet or a closed connection is mended by one, and an outage by none.
const ATTEMPTS: u32 = 2;
/// Between the two, times a random number from 0 to 1.
const BACKOFF: Duration = Duration::from_millis(100);
/// Two attempts and the wait between them, 2.1 s, and something for signing and reading: half of what the authorizer may
/// take (its `Timeout` in template.yaml), so that there is time left to answer.
const OPERATION_TIMEOUT: Duration = Duration::from_millis(2_500);

/// Shortest key of pseudonyms in bytes: as long as the hash it is used with (RFC 2104, section 3).
const PSEUDONYM_KEY_LENGTH: usize = 32;
/// A key of pseudonyms never changes: once read, it is read no more.
const FOR_EVER: Duration = Duration::MAX;

/// Secrets Manager. Its client is built with the first secret that is read, and shared by all of them.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    client: Arc<OnceCell<Client>>,
}

impl Secrets {
    /// The API keys.
    #[must_use]
    pub fn key_ring(&self, settings: &KeysSettings) -> Cached<KeyRing> {
        let read = |text: &str| KeyRing::parse(text.as_bytes()).map_err(|error| error.to_string());
        Cached::new(self.source(&settings.secret), settings.ttl, read)
    }

    /// The key under which people's pseudonyms are made: the bytes of the secret's text.
    #[must_use]
    pub fn pseudonym_key(&self, settings: &ErasureSettings) -> SecretPseudonymKey {
        SecretPseudonymKey(Cached::new(self.source(&settings.secret), FOR_EVER, long_enough))
    }

    /// What lets us in at the accelerators; `None` where no secret is named.
    #[must_use]
    pub fn accelerator_credentials(&self, settings: &AcceleratorSettings) -> Option<Cached<Credentials>> {
        let secret = settings.secret.as_ref()?;
        Some(Cached::new(self.source(secret), settings.ttl, Credentials::parse))
    }

    fn source(&self, secret: &str) -> SecretsManagerSource {
        SecretsManagerSource { secrets: self.clone(), secret: secret.to_owned() }
    }

    async fn client(&self) -> &Client {
        self.client.get_or_init(connect).await
    }
}

async fn connect() -> Client {
    let shared = aws_config::defaults(BehaviorVersion::latest()).load().await;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    // Standard: a budget of retries shared by all calls. Adaptive would hold calls back, and there is one in minutes.
    let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(BACKOFF);
    Client::from_conf(config::Builder::from(&shared).timeout_config(timeouts).retry_config(retries).build())
}

/// One secret of Secrets Manager, as it is there now.
#[derive(Debug)]
struct SecretsManagerSource {
    secrets: Secrets,
    secret: String,
}

#[async_trait]
impl Source for SecretsManagerSource {
    async fn fetch(&self) -> Result<String, SecretError> {
        let Self { secrets, secret } = self;
        let got = secrets.client().await.get_secret_value().secret_id(secret).send().await;
        let got =
            got.map_err(|error| SecretError::new(format!("{secret} can't be read: {}", cause(&error))))?;
        let text =
            got.secret_string.ok_or_else(|| SecretError::new(format!("{secret} holds bytes, not text")))?;
        Ok(text)
    }

    fn name(&self) -> &str {
        &self.secret
    }
}

/// What the service said; where it said nothing, what happened on the way.
fn cause<R>(error: &SdkError<GetSecretValueError, R>) -> String {
    if let Some(code) = error.code() {
        return error.message().map_or_else(|| code.to_owned(), |message| format!("{code}: {message}"));
    }
    let (mut words, connector) = match error {
        SdkError::TimeoutError(_) => ("no answer in time".to_owned(), None),
        SdkError::DispatchFailure(failure) => ("no connection".to_owned(), failure.as_connector_error()),
        _ => ("the call failed".to_owned(), None),
    };
    let mut source = connector.map(|error| error as &dyn Error);
    while let Some(error) = source {
        words = format!("{words}: {error}");
        source = error.source();
    }
    words
}

/// The key of pseudonyms, kept in a secret.
#[derive(Debug)]
pub struct SecretPseudonymKey(Cached<Vec<u8>>);

impl SecretPseudonymKey {
    /// Reads it ahead of its first use. When that fails the first use tries again.
    pub async fn warm_up(&self) {
        self.0.warm_up().await;
    }
}

#[async_trait]
impl PseudonymKey for SecretPseudonymKey {
    async fn key(&self) -> Result<Vec<u8>, StoreError> {
        self.0.get().await.map(|key| key.to_vec()).map_err(StoreError::new)
    }
}

fn long_enough(text: &str) -> Result<Vec<u8>, String> {
    let key = text.as_bytes().to_vec();
    match key.len() {
        PSEUDONYM_KEY_LENGTH.. => Ok(key),
        length => Err(format!("it holds {length} bytes; at least {PSEUDONYM_KEY_LENGTH} are needed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_pseudonyms_is_the_texts_bytes_and_at_least_32_of_them() {
        assert_eq!(long_enough(&"k".repeat(32)), Ok(vec![b'k'; 32]));
        let error = long_enough(&"k".repeat(31)).unwrap_err();
        assert!(error.contains("31") && !error.contains("kk"), "{error}");
    }
}

//! The SDK's client: made when it is first needed, patient for as long as it makes sense.

use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{Credentials, Region};
use aws_sdk_dynamodb::{Client, Config};
use tokio::sync::OnceCell;

/// TCP and TLS 1.3 take two round trips: 2 ms inside a region, 0.6 s from the far side of the earth.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// A connection and a reply. Gets and puts take milliseconds; the slowest reply is a page of 1 MiB, most of a second
/// over 10 Mbit/s.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// One; another because the connection of an environment that slept is often dead; and one more because what is
/// throttled or caught in a partition that splits is served a moment later. More only queue up behind an outage.
const ATTEMPTS: u32 = 3;
/// Two attempts that get no reply: three are only made where they fail sooner.
pub(super) const OPERATION_TIMEOUT: Duration = Duration::from_secs(4);
/// Doubles with each attempt after a throttling (other failures wait 25 ms, the SDK's own number for this service). The
/// SDK's second would use up the time; a partition's bucket is filled anew each second anyway.
const THROTTLING_WAIT: Duration = Duration::from_millis(100);

/// Where the table is, and the client once there is one.
#[derive(Debug)]
pub(super) struct Connection {
    /// Without one the environment says.
    emulator: Option<String>,
    client: OnceCell<Client>,
}

impl Connection {
    pub(super) fn of_environment() -> Self {
        Self { emulator: None, client: OnceCell::new() }
    }

    pub(super) fn of_emulator(endpoint: &str) -> Self {
        Self { emulator: Some(endpoint.to_owned()), client: OnceCell::new() }
    }

    pub(super) async fn client(&self) -> &Client {
        let make = async || match &self.emulator {
            Some(endpoint) => emulated(endpoint),
            None => {
                let loader = aws_config::from_env().retry_config(retries()).timeout_config(timeouts());
                Client::new(&loader.load().await)
            }
        };
        self.client.get_or_init(make).await
    }
}

fn emulated(endpoint: &str) -> Client {
    let config = Config::builder()
        .behavior_version_latest()
        .endpoint_url(endpoint)
        // One that exists: emulators look it up.
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("emulator", "emulator", None, None, "emulator"))
        .retry_config(retries())
        .timeout_config(timeouts());
    Client::from_conf(config.build())
}

fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(THROTTLING_WAIT)
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build()
}

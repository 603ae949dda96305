//! Lambda and CodeDeploy. The only place that calls them.

use std::time::Duration;

use async_trait::async_trait;
use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_codedeploy::types::LifecycleEventStatus;
use aws_sdk_lambda::error::DisplayErrorContext;
use aws_sdk_lambda::primitives::Blob;
use serde_json::Value;

use crate::{Deployments, Functions, Hook};

/// Inside a region a connection takes milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest that a function may take is 29 s (`Timeout` in template.yaml), and its start ten more.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(40);
/// A new version is busy being made for a moment, and a function that is asked too often at once is refused.
const ATTEMPTS: u32 = 4;

/// AWS as the environment says.
#[derive(Debug)]
pub struct Aws {
    lambda: aws_sdk_lambda::Client,
    codedeploy: aws_sdk_codedeploy::Client,
}

impl Aws {
    /// Clients of the environment's region and role. Nothing is connected yet.
    pub async fn of_environment() -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .read_timeout(ATTEMPT_TIMEOUT)
            .build();
        let config = aws_config::defaults(BehaviorVersion::latest())
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .load()
            .await;
        Self {
            lambda: aws_sdk_lambda::Client::new(&config),
            codedeploy: aws_sdk_codedeploy::Client::new(&config),
        }
    }
}

#[async_trait]
impl Functions for Aws {
    async fn invoke(&self, arn: &str, event: &Value) -> Result<Value, String> {
        let invoke = self.lambda.invoke().function_name(arn).payload(Blob::new(event.to_string()));
        let answer = invoke
            .send()
            .await
            .map_err(|error| format!("it can't be invoked: {}", DisplayErrorContext(error)))?;
        let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
        if answer.function_error.is_some() {
            return Err(format!("it fails: {}", String::from_utf8_lossy(&payload)));
        }
        serde_json::from_slice(&payload).map_err(|error| format!("its answer is not JSON: {error}"))
    }
}

#[async_trait]
impl Deployments for Aws {
    async fn report(&self, hook: &Hook, passed: bool) -> Result<(), String> {
        let status = if passed { LifecycleEventStatus::Succeeded } else { LifecycleEventStatus::Failed };
        let put = self.codedeploy.put_lifecycle_event_hook_execution_status();
        let put = put
            .deployment_id(&hook.deployment_id)
            .lifecycle_event_hook_execution_id(&hook.lifecycle_event_hook_execution_id)
            .status(status);
        put.send()
            .await
            .map_err(|error| format!("CodeDeploy can't be told: {}", DisplayErrorContext(error)))?;
        Ok(())
    }
}

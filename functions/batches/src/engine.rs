//! AWS Step Functions, which runs batches where the service is deployed. The only place that sees its SDK.

use async_trait::async_trait;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::error::ProvideErrorMetadata;
use serde_json::json;
use shared::api::BatchId;
use shared::store::StoreError;
use shared::store::jobs::Job;
use shared::telemetry::{self, Dependency};

use crate::Engine;

/// The state machine of batches.
#[derive(Debug)]
pub struct StepFunctions {
    client: Client,
    state_machine: String,
}

impl StepFunctions {
    /// The state machine of this ARN, where the SDK's own variables say that AWS is. Nothing is connected yet.
    pub async fn of_environment(state_machine: String) -> Self {
        let client = Client::new(&aws_config::from_env().load().await);
        Self { client, state_machine }
    }
}

#[async_trait]
impl Engine for StepFunctions {
    /// An execution has the batch's name: started twice, it is one.
    async fn start(&self, batch: &BatchId) -> Result<(), StoreError> {
        let start = self.client.start_execution().state_machine_arn(&self.state_machine);
        let input = json!({"batch_id": batch}).to_string();
        match start.name(batch.as_str()).input(input).send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(service) if service.is_execution_already_exists() => Ok(()),
                service => {
                    let code = service.and_then(ProvideErrorMetadata::code).unwrap_or("it can't be reached");
                    let error = StoreError::new(format!("StartExecution: {code}"));
                    telemetry::failed(Dependency::Store, "batch", &error);
                    Err(error)
                }
            },
        }
    }

    async fn stop(&self, job: &Job) -> Result<(), StoreError> {
        let Some(run) = &job.run else { return Ok(()) };
        let stop = self.client.stop_execution().execution_arn(run).error("Cancelled");
        match stop.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(StoreError::new(format!(
                "StopExecution: {}",
                error.code().unwrap_or("it can't be reached")
            ))),
        }
    }
}

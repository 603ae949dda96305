//! AWS on this machine: moto's server, which answers for DynamoDB, Secrets Manager, S3, EventBridge and Step Functions.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::http::{Request, send};
use crate::in_common::InCommon;
use crate::process::{Process, command};
use crate::venv;

/// A running server, in memory. Dropping it kills it, and forgets all that it held.
#[derive(Debug)]
pub struct Moto {
    process: Mutex<Process>,
    endpoint: String,
}

impl Moto {
    /// Starts a server on a free port.
    ///
    /// # Errors
    /// When it does not say where it listens.
    pub fn start() -> Result<Self> {
        let mut command = command(&venv().python());
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]);
        let mut process = Process::spawn(command)?;
        let endpoint = process.wait_for(address).context("moto does not say where it listens")?;
        Ok(Self { process: Mutex::new(process), endpoint })
    }

    /// The server that the tests running at this moment share; each keeps to tables and names of its own. It ends with
    /// the last of them.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn shared() -> Arc<Self> {
        static RUNNING: InCommon<Moto> = InCommon::new();
        RUNNING.get(Self::start)
    }

    /// Where it listens, such as `http://127.0.0.1:41234`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The environment in which the AWS SDKs talk to it, and to nothing else.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.endpoint.clone()),
            ("AWS_REGION", "eu-central-1".into()),
            ("AWS_DEFAULT_REGION", "eu-central-1".into()),
            ("AWS_ACCESS_KEY_ID", "emulator".into()),
            ("AWS_SECRET_ACCESS_KEY", "emulator".into()),
            ("AWS_EC2_METADATA_DISABLED", "true".into()),
        ]
    }

    /// Calls Secrets Manager: `CreateSecret`, `PutSecretValue` and so on.
    ///
    /// # Errors
    /// When it does not answer, or with an error.
    pub fn secrets_manager(&self, operation: &str, parameters: &Value) -> Result<Value> {
        self.call("secretsmanager", "1.1", &format!("secretsmanager.{operation}"), parameters)
    }

    /// Calls Step Functions: `CreateStateMachine` and so on.
    ///
    /// # Errors
    /// When it does not answer, or with an error.
    pub fn step_functions(&self, operation: &str, parameters: &Value) -> Result<Value> {
        self.call("states", "1.0", &format!("AWSStepFunctions.{operation}"), parameters)
    }

    fn call(&self, scope: &str, version: &str, target: &str, parameters: &Value) -> Result<Value> {
        // moto knows the service by the scope of the signature, and does not check the signature itself.
        let signature = format!(
            "AWS4-HMAC-SHA256 Credential=emulator/20260101/eu-central-1/{scope}/aws4_request, SignedHeaders=host, \
             Signature=0"
        );
        let request = Request::post("/", parameters.to_string())
            .header("content-type", &format!("application/x-amz-json-{version}"))
            .header("x-amz-target", target)
            .header("authorization", &signature);
        let reply = send(&self.endpoint, &request)?;
        ensure!(reply.status == 200, "{target}: {reply:?}");
        Ok(reply.json())
    }

    /// What it has written so far: a line for each request, and its own faults.
    pub fn log(&self) -> String {
        self.process.lock().unwrap_or_else(PoisonError::into_inner).log()
    }
}

/// The address in what it has written, once the line is complete.
fn address(log: &str) -> Option<String> {
    let (_, rest) = log.split_once("Running on http://127.0.0.1:")?;
    let (port, _) = rest.split_once('\n')?;
    Some(format!("http://127.0.0.1:{}", port.trim()))
}

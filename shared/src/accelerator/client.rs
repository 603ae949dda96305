//! The client: the only place that speaks HTTP to an accelerator.
//!
//! Connections are kept open and used again, over TLS where the endpoint asks for it. A connection that turns out to be none
//! any more costs one more attempt, on a new one; so does one that was idle and says nothing. Redirects are not followed:
//! they are no success. Every reply is read to a limit and believed in nothing.

mod connection;
#[cfg(test)]
mod tests;
mod tls;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hyper::header::HeaderValue;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::protocol::{Encoded, Encoding, InferRequest, InferResponse};
use super::{Accelerator, CallError, Credentials, Endpoint};
use crate::api::ProblemCode;
use crate::secrets::Cached;
use connection::{Broken, Connection, Message, Reply};

/// How long a connection may be idle and still be used. Firewalls and gateways forget connections after minutes of
/// silence, and some after one.
const IDLE_LIMIT: Duration = Duration::from_secs(60);
/// From when on an idle connection is not trusted: what froze the process, or cut the link, may have taken it along
/// without a word. It gets half of the time, and a new one the rest.
const SUSPECT: Duration = Duration::from_secs(1);
/// Most idle connections kept: as many as requests run at a time in a busy process; a function needs one.
const IDLE_CONNECTIONS: usize = 64;
/// Bytes that a reply may have beside its lists: names, shapes, parameters.
const REPLY_HEAD: usize = 64 * 1024;
/// Bytes that one list may have: 1,000 rows and scores as JSON are some 30 KB, and twice that where it is indented.
const REPLY_LIST: usize = 64 * 1024;

/// A client of one accelerator and one model.
pub struct Client {
    endpoint: Endpoint,
    model: String,
    name: String,
    credentials: Option<Arc<Cached<Credentials>>>,
    idle: Mutex<Vec<Connection>>,
    tls: Mutex<Option<Connector>>,
}

/// A connector, and the credentials that it is made of.
struct Connector {
    of: Option<Arc<Credentials>>,
    connector: Arc<TlsConnector>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("name", &self.name).field("model", &self.model).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the model that is served under this name at an endpoint. Nothing is connected yet.
    #[must_use]
    pub fn new(endpoint: Endpoint, model: String, credentials: Option<Arc<Cached<Credentials>>>) -> Self {
        Self {
            name: endpoint.to_string(),
            endpoint,
            model,
            credentials,
            idle: Mutex::default(),
            tls: Mutex::default(),
        }
    }

    /// Sends a message with the credentials there are; once more where they are refused and there are newer ones.
    async fn send(&self, message: Message, limit: usize, by: Instant) -> Result<Reply, CallError> {
        let Some(cached) = &self.credentials else { return self.send_with(message, None, limit, by).await };
        let no_secret = |error: crate::secrets::SecretError| CallError::Unreachable(error.to_string());
        let credentials = cached.get_beside().await.map_err(no_secret)?;
        match self.send_with(message.clone(), Some(&credentials), limit, by).await {
            Err(error) if is_about_credentials(&error) => {
                let newer = cached.get_newer().await.map_err(no_secret)?;
                if newer == credentials {
                    return Err(error);
                }
                self.send_with(message, Some(&newer), limit, by).await
            }
            outcome => outcome,
        }
    }

    async fn send_with(
        &self,
        mut message: Message,
        credentials: Option<&Arc<Credentials>>,
        limit: usize,
        by: Instant,
    ) -> Result<Reply, CallError> {
        if let Some(token) = credentials.and_then(|credentials| credentials.token()) {
            let value = HeaderValue::try_from(format!("Bearer {token}"));
            let mut value =
                value.map_err(|_| CallError::Unreachable("the token is no header's value".into()))?;
            value.set_sensitive(true);
            message.token = Some(value);
        }
        if let Some(mut idle) = self.take_idle() {
            let now = Instant::now();
            let suspect = now.saturating_duration_since(idle.idle_since()) >= SUSPECT;
            let patience = if suspect { now + by.saturating_duration_since(now) / 2 } else { by };
            match timeout_at(patience, idle.exchange(&self.endpoint, &message, limit)).await {
                Ok(Ok(reply)) => return Ok(self.kept(idle, reply)),
                Ok(Err(Broken::Failed(error))) => return Err(error),
                // It was none any more.
                Ok(Err(Broken::Stale(_))) | Err(_) => {}
            }
        }
        let tls = if self.endpoint.tls { Some(self.tls(credentials)?) } else { None };
        let mut connection = Connection::open(&self.endpoint, tls).await?;
        match connection.exchange(&self.endpoint, &message, limit).await {
            Ok(reply) => Ok(self.kept(connection, reply)),
            Err(Broken::Failed(error)) => Err(error),
            Err(Broken::Stale(words)) => Err(CallError::Unreachable(words)),
        }
    }

    /// The connection that was used last: the others grow old, and are dropped.
    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|connection| connection.is_open() && connection.idle_since().elapsed() < IDLE_LIMIT);
        idle.pop()
    }

    fn kept(&self, connection: Connection, reply: Reply) -> Reply {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_CONNECTIONS {
            idle.push(connection);
        }
        reply
    }

    /// The connector for these credentials, made when they are new.
    fn tls(&self, credentials: Option<&Arc<Credentials>>) -> Result<Arc<TlsConnector>, CallError> {
        let mut made = self.tls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Connector { of, connector }) = &*made
            && of.as_ref() == credentials
        {
            return Ok(Arc::clone(connector));
        }
        let ca = credentials.and_then(|credentials| credentials.ca());
        let connector = Arc::new(tls::connector(ca).map_err(CallError::Unreachable)?);
        *made = Some(Connector { of: credentials.cloned(), connector: Arc::clone(&connector) });
        Ok(connector)
    }
}

/// Whether newer credentials might mend it.
fn is_about_credentials(error: &CallError) -> bool {
    let refusals = [ProblemCode::Unauthorized.status(), ProblemCode::Forbidden.status()];
    match error {
        CallError::Untrusted(_) => true,
        CallError::Rejected { status, .. } => refusals.contains(status),
        _ => false,
    }
}

#[async_trait]
impl Accelerator for Client {
    fn name(&self) -> &str {
        &self.name
    }

    fn model(&self) -> &str {
        &self.model
    }

    async fn ready(&self, by: Instant) -> Result<(), CallError> {
        let message = Message::get(format!("/v2/models/{}/ready", self.model));
        let sent = timeout_at(by, self.send(message, REPLY_HEAD, by)).await;
        sent.unwrap_or(Err(CallError::Timeout)).map(drop)
    }

    /// The inputs go as JSON and the outputs are asked for in binary: the one form that Triton, KServe and MLServer all
    /// take, of which MLServer answers in JSON.
    async fn infer(&self, request: &InferRequest, by: Instant) -> Result<InferResponse, CallError> {
        let lists = request.inputs.first().and_then(|input| input.shape.first()).copied().unwrap_or(1);
        let Encoded { body, .. } = request.encode(Encoding::Json);
        let message = Message::post(format!("/v2/models/{}/infer", self.model), body.into());
        let sent = timeout_at(by, self.send(message, REPLY_HEAD + lists * REPLY_LIST, by)).await;
        let reply = sent.unwrap_or(Err(CallError::Timeout))?;
        let wanted: Vec<&str> = request.outputs.iter().map(|output| output.name.as_str()).collect();
        let response = InferResponse::decode(&reply.body, reply.header_length, &wanted);
        let response = response.map_err(|error| CallError::InvalidOutput(error.to_string()))?;
        if response.model_name.is_empty() || response.model_name == self.model {
            return Ok(response);
        }
        Err(CallError::InvalidOutput(format!("an answer of another model than {}", self.model)))
    }
}

//! One connection: opened, and asked one thing at a time.

use std::error::Error;
use std::io;
use std::sync::Arc;

use axum::body::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{self, pki_types::ServerName};

use crate::accelerator::protocol::HEADER_LENGTH;
use crate::accelerator::{CallError, Endpoint};

/// Most characters of a server's own words that are taken into the log.
const WORDS: usize = 200;

/// What is sent.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// From `/v2` on.
    path: String,
    /// JSON; a message without it is a GET.
    body: Option<Bytes>,
    pub(super) token: Option<HeaderValue>,
}

impl Message {
    pub(super) const fn get(path: String) -> Self {
        Self { path, body: None, token: None }
    }

    pub(super) const fn post(path: String, json: Bytes) -> Self {
        Self { path, body: Some(json), token: None }
    }
}

/// What came back, whole, with a status of success.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) header_length: Option<usize>,
    pub(super) body: Bytes,
}

/// Why an exchange came to nothing.
#[derive(Debug)]
pub(super) enum Broken {
    /// The connection failed before the server had begun to reply: it was none any more, or the server is gone.
    Stale(String),
    /// It failed later, or the reply is of no use.
    Failed(CallError),
}

/// An open connection, idle.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    idle_since: Instant,
}

impl Connection {
    /// Opens one. `tls` where the endpoint asks for it.
    pub(super) async fn open(endpoint: &Endpoint, tls: Option<Arc<TlsConnector>>) -> Result<Self, CallError> {
        let unreachable = |error: io::Error| {
            let words = words(&error);
            let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
            match cause {
                Some(rustls::Error::InvalidCertificate(_)) => CallError::Untrusted(words),
                _ => CallError::Unreachable(words),
            }
        };
        let stream =
            TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await.map_err(unreachable)?;
        // Requests are small and alone on their way: nothing is gained by waiting for more to send.
        stream.set_nodelay(true).map_err(unreachable)?;
        let Some(tls) = tls else { return Self::over(stream).await };
        let name = ServerName::try_from(endpoint.host.clone())
            .map_err(|_| CallError::Unreachable("no certificate can be for this host".into()))?;
        Self::over(tls.connect(name, stream).await.map_err(unreachable)?).await
    }

    async fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<Self, CallError> {
        let opened = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = opened.map_err(|error| CallError::Unreachable(words(&error)))?;
        // It ends with its sender; what fails in it reaches whoever waits for a reply.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender, idle_since: Instant::now() })
    }

    /// Whether the other side has not closed it yet, as far as is known.
    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    pub(super) const fn idle_since(&self) -> Instant {
        self.idle_since
    }

    /// Sends a message and reads the reply to its end, of at most `limit` bytes.
    pub(super) async fn exchange(
        &mut self,
        endpoint: &Endpoint,
        message: &Message,
        limit: usize,
    ) -> Result<Reply, Broken> {
        let stale = |error: hyper::Error| Broken::Stale(words(&error));
        self.sender.ready().await.map_err(stale)?;
        let request = request(endpoint, message).map_err(Broken::Failed)?;
        let response = self.sender.send_request(request).await.map_err(|error| {
            if error.is_parse() {
                Broken::Failed(CallError::InvalidOutput(format!("no reply in HTTP: {}", words(&error))))
            } else {
                stale(error)
            }
        })?;
        let reply = read(response, limit).await.map_err(|error| Broken::Failed(hushed(error, message)))?;
        self.idle_since = Instant::now();
        Ok(reply)
    }
}

fn request(endpoint: &Endpoint, message: &Message) -> Result<Request<Full<Bytes>>, CallError> {
    let uri = format!("{}{}", endpoint.path, message.path);
    let mut request = match message.body {
        Some(_) => Request::post(uri).header(CONTENT_TYPE, "application/json"),
        None => Request::get(uri),
    };
    request = request.header(HOST, endpoint.authority()).header(USER_AGENT, "marquee");
    if let Some(token) = &message.token {
        request = request.header(AUTHORIZATION, token);
    }
    let request = request.body(Full::new(message.body.clone().unwrap_or_default()));
    request.map_err(|error| CallError::Unreachable(format!("no request can be made: {error}")))
}

async fn read(response: Response<Incoming>, limit: usize) -> Result<Reply, CallError> {
    let (head, body) = response.into_parts();
    let declared =
        head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if head.status.is_success() && declared.is_some_and(|bytes| bytes > limit as u64) {
        return Err(CallError::InvalidOutput(format!("a reply of more than {limit} bytes")));
    }
    let body = Limited::new(body, limit).collect().await;
    if !head.status.is_success() {
        // Whatever came of the body, the status says enough.
        let said = body.map(|body| said(&body.to_bytes())).unwrap_or_default();
        return Err(CallError::Rejected { status: head.status.as_u16(), said });
    }
    let body = body.map_err(|error| {
        if error.is::<LengthLimitError>() {
            CallError::InvalidOutput(format!("a reply of more than {limit} bytes"))
        } else {
            CallError::Unreachable(format!("lost in the middle of a reply: {}", words(&*error)))
        }
    })?;
    let header_length =
        head.headers.get(HEADER_LENGTH).map(|value| value.to_str().unwrap_or_default().parse());
    let header_length = header_length.transpose().map_err(|_| {
        CallError::InvalidOutput(format!("the header {HEADER_LENGTH} of the reply is no number"))
    })?;
    Ok(Reply { header_length, body: body.to_bytes() })
}

/// The error without the token, should the server repeat it.
fn hushed(error: CallError, message: &Message) -> CallError {
    let token = message.token.as_ref().and_then(|token| token.to_str().ok()?.split_once(' '));
    match (error, token) {
        (CallError::Rejected { status, said }, Some((_, token))) if said.contains(token) => {
            CallError::Rejected { status, said: said.replace(token, "…") }
        }
        (error, _) => error,
    }
}

/// What a server said of an error: `{"error": …}`, `{"detail": …}`, or plain text.
fn said(body: &[u8]) -> String {
    let value: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let field = |name: &str| value.as_ref().and_then(|value| value.get(name)?.as_str());
    let text = field("error").or_else(|| field("detail")).map(str::to_owned);
    let text = text.unwrap_or_else(|| String::from_utf8_lossy(body).trim().to_owned());
    text.chars().filter(|c| !c.is_control()).take(WORDS).collect()
}

/// An error and its causes.
fn words(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        words = format!("{words}: {error}");
        source = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_taken_in_each_of_the_forms_that_servers_have() {
        assert_eq!(said(br#"{"error": "no such model"}"#), "no such model");
        assert_eq!(said(br#"{"detail": "Not Found"}"#), "Not Found");
        assert_eq!(said(br#"{"detail": [{"msg": "x"}]}"#), r#"{"detail": [{"msg": "x"}]}"#);
        assert_eq!(said(b"plain\n"), "plain");
        assert_eq!(said(b"\xff"), "\u{fffd}");
        assert_eq!(said("é".repeat(1_000).as_bytes()).chars().count(), WORDS);
    }
}

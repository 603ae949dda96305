//! Who is answered: this machine alone, or whoever has a token.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use shared::api::http::asks_by_local_name;
use subtle::{Choice, ConstantTimeEq};

use crate::metrics::Metrics;
use crate::routes::Failure;
use crate::stamp::Stamp;

/// Fewest characters of a token: 16 of base 64 are 96 bits, which nobody guesses.
const TOKEN_LENGTH: usize = 16;
/// Most bytes of a token file: a few tokens while one is rotated.
const FILE_LIMIT: u64 = 64 * 1024;

/// Whom the server answers.
#[derive(Clone, Debug)]
pub enum Access {
    /// Anybody on this machine.
    Open,
    /// Whoever has a token of this file.
    Tokens(Arc<TokenFile>),
}

impl Access {
    /// Open without tokens, which is refused where other machines could ask.
    ///
    /// # Errors
    /// When tokens are missing where they are needed, or can't be read.
    pub fn of(listen: SocketAddr, token_file: Option<&Path>, metrics: &Metrics) -> Result<Self> {
        match token_file {
            Some(path) => Ok(Self::Tokens(Arc::new(TokenFile::open(path, metrics.clone())?))),
            None if listen.ip().is_loopback() => Ok(Self::Open),
            None => bail!(
                "--listen {listen} lets other machines in, and that needs a token: give --token-file FILE (`openssl rand \
                 -base64 32` makes one)"
            ),
        }
    }

    /// The header that a sample request needs, ready for a shell.
    pub(crate) fn sample_header(&self) -> &'static str {
        match self {
            Self::Open => "",
            Self::Tokens(_) => " -H \"authorization: Bearer $TOKEN\"",
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("open to this machine alone"),
            Self::Tokens(file) => write!(f, "open to the tokens of {}", file.path.display()),
        }
    }
}

/// Lets through whoever may pass.
pub(crate) async fn guard(State(access): State<Access>, request: Request, next: Next) -> Response {
    let refused = match &access {
        Access::Open => (!asks_by_local_name(request.headers())).then(host_not_local),
        Access::Tokens(file) => (!file.admits(request.headers())).then(no_token),
    };
    match refused {
        Some(response) => response,
        None => next.run(request).await,
    }
}

/// A page on the internet can make a browser ask 127.0.0.1 under the page's own name (DNS rebinding); such a name is
/// not ours, and is not answered. Where tokens are asked for this is not: such a page has none.
fn host_not_local() -> Response {
    let words = "this server is open to its own machine alone; ask it as localhost or 127.0.0.1";
    Failure::new(StatusCode::FORBIDDEN, words).into_response()
}

fn no_token() -> Response {
    let mut response =
        Failure::new(StatusCode::UNAUTHORIZED, "a token that this server knows is needed").into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// The token of `Authorization: Bearer`; several headers are none.
fn presented(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else { return None };
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Tokens in a file, one a line, read again when the file changes. Several are valid at once while one is rotated. Empty
/// lines and those that start with `#` are passed over.
pub struct TokenFile {
    path: PathBuf,
    read: Mutex<Tokens>,
    metrics: Metrics,
}

impl fmt::Debug for TokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenFile").field("path", &self.path).finish_non_exhaustive()
    }
}

struct Tokens {
    digests: Arc<[[u8; 32]]>,
    /// Of the file that was looked at last, whether it was of use or not.
    stamp: Option<Stamp>,
}

impl TokenFile {
    fn open(path: &Path, metrics: Metrics) -> Result<Self> {
        let stamp = Stamp::of(path);
        let read = Mutex::new(Tokens { digests: digests(path)?, stamp });
        Ok(Self { path: path.to_owned(), read, metrics })
    }

    /// Whether a request brings one of the tokens. Digests are compared, each to its end and with each other token too, so
    /// that the time says nothing of any.
    fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(token) = presented(headers) else { return false };
        let digest: [u8; 32] = Sha256::digest(token).into();
        let known = self.digests();
        known.iter().fold(Choice::from(0), |any, one| any | one.ct_eq(&digest)).into()
    }

    /// The tokens as the file has them now; the last good ones where it is gone or broken, which is said once.
    fn digests(&self) -> Arc<[[u8; 32]]> {
        let stamp = Stamp::of(&self.path);
        let mut last = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if last.stamp != stamp {
            last.stamp = stamp;
            let read = digests(&self.path);
            self.metrics.reloaded("tokens", read.is_ok());
            match read {
                Ok(digests) => {
                    tracing::info!(tokens = digests.len(), "the token file changed, and was read again");
                    last.digests = digests;
                }
                Err(error) => tracing::warn!("{error:#}; the tokens read before stay in use"),
            }
        }
        Arc::clone(&last.digests)
    }
}

/// The digest of each token of a file.
fn digests(path: &Path) -> Result<Arc<[[u8; 32]]>> {
    let unreadable = || format!("{}: the tokens can't be read", path.display());
    let bytes = fs::metadata(path).with_context(unreadable)?.len();
    ensure!(bytes <= FILE_LIMIT, "{}: {bytes} bytes; tokens have no more than {FILE_LIMIT}", path.display());
    let text = fs::read_to_string(path).with_context(unreadable)?;
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let digest = |(number, token): (usize, &str)| {
        let is_token = token.len() >= TOKEN_LENGTH && token.bytes().all(|byte| byte.is_ascii_graphic());
        ensure!(
            is_token,
            "{}, line {number}: a token is {TOKEN_LENGTH} or more visible ASCII characters",
            path.display()
        );
        Ok(Sha256::digest(token).into())
    };
    let tokens = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let digests: Vec<[u8; 32]> = tokens.map(digest).collect::<Result<_>>()?;
    ensure!(!digests.is_empty(), "{}: holds no token", path.display());
    Ok(digests.into())
}

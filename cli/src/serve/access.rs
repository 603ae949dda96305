//! Who is answered: this machine alone, or whoever has a key.

use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::{Result, bail};
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use shared::api::history::Time;
use shared::api::http::{self, RequestId};
use shared::api::routes::{self, ROUTES};
use shared::api::{Problem, ProblemCode};
use shared::keys::{KeyRing, Refusal};
use shared::telemetry::{self, Dependency};

use crate::keys;

/// Whom the service answers.
pub(super) enum Access {
    /// Anybody on this machine.
    Open,
    /// Whoever has a key of this ring.
    Keys(Arc<RingFile>),
}

impl Access {
    /// Open without keys, which is refused where other machines could ask.
    pub(super) fn of(host: IpAddr, api_keys: Option<&Path>) -> Result<Self> {
        match api_keys {
            Some(path) => Ok(Self::Keys(Arc::new(RingFile::open(path)?))),
            None if host.is_loopback() => Ok(Self::Open),
            None => bail!(
                "--host {host} lets other machines in, and that needs keys: give --api-keys FILE (`marquee keys new \
                 --scopes recommend --ring FILE` makes one)"
            ),
        }
    }

    /// What the OpenAPI document says of it.
    pub(super) fn documented(&self) -> routes::Access {
        match self {
            Self::Open => routes::Access::Open,
            Self::Keys(_) => routes::Access::Keys,
        }
    }

    /// The header that a sample request needs, ready for a shell.
    pub(super) fn sample_header(&self) -> &'static str {
        match self {
            Self::Open => "",
            Self::Keys(_) => " -H \"authorization: Bearer $KEY\"",
        }
    }

    /// Lets through what may pass.
    pub(super) fn guard(&self, routes: Router) -> Router {
        match self {
            Self::Open => routes.layer(middleware::from_fn(only_local_names)),
            Self::Keys(ring) => routes.layer(middleware::from_fn_with_state(Arc::clone(ring), only_with_key)),
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("open to this machine alone"),
            Self::Keys(ring) => write!(f, "open to the keys of {}", ring.path.display()),
        }
    }
}

/// A page on the internet can make a browser ask 127.0.0.1 under the page's own name (DNS rebinding); such a name is
/// not ours, and is not answered. Where keys are asked for this is not: such a page has none.
async fn only_local_names(id: RequestId, request: Request, next: Next) -> Response {
    if http::asks_by_local_name(request.headers()) {
        return next.run(request).await;
    }
    let detail = "this service runs open on one machine; ask it as localhost or 127.0.0.1";
    http::reply::<()>(Err(Problem::new(ProblemCode::HostNotAllowed, detail)), id)
}

/// What the authorizer does on AWS, by the same table and the same check. A route that is not in the table is closed, as
/// it is there: a route that somebody forgot to list is never an open one.
async fn only_with_key(
    State(file): State<Arc<RingFile>>,
    id: RequestId,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    // What no route matches is answered as unknown, and pages that hold nothing of anybody's are open.
    let Some(path) = path.filter(|path| !is_page(path.as_str())) else { return next.run(request).await };
    let Some(route) = routes::of(request.method().as_str(), path.as_str()) else {
        return not_in_the_table(path.as_str(), id);
    };
    let admitted =
        file.ring().admit(route, presented(request.headers()), Time::now()).map(Option::<&_>::cloned);
    let key_id = match &admitted {
        Ok(key) => key.as_ref().map(|key| key.id.as_str()),
        Err(Refusal::Forbidden { key, .. }) => Some(key.as_str()),
        Err(Refusal::Unauthorized(_)) => None,
    };
    let reason = admitted.as_ref().err().map(Refusal::name);
    if route.scope.is_some() {
        telemetry::authorized(&format!("{} {}", route.method, route.path), reason.is_none(), key_id, reason);
    }
    match admitted {
        Ok(_) => next.run(request).await,
        Err(refusal) => http::reply::<()>(Err(refusal.into()), id),
    }
}

/// The local service's own pages, which the API on AWS does not have.
fn is_page(path: &str) -> bool {
    ["/", "/docs"].contains(&path) || ["/docs/", "/playground/"].iter().any(|folder| path.starts_with(folder))
}

/// The header's one value; several are none, and neither is what is not text.
fn presented(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.to_str().unwrap_or_default()),
        (Some(_), Some(_)) => Some(""),
        (None, _) => None,
    }
}

fn not_in_the_table(path: &str, id: RequestId) -> Response {
    let methods: Vec<_> =
        ROUTES.iter().filter(|route| route.path == path).map(|route| route.method).collect();
    if methods.is_empty() {
        return http::reply::<()>(Err(Problem::new(ProblemCode::NotFound, "no such route")), id);
    }
    let detail = "the header Allow names the methods of this route";
    let mut response = http::reply::<()>(Err(Problem::new(ProblemCode::MethodNotAllowed, detail)), id);
    if let Ok(allow) = HeaderValue::from_str(&methods.join(",")) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// A ring in a file, read again when the file changes.
pub(super) struct RingFile {
    path: PathBuf,
    read: Mutex<Ring>,
}

struct Ring {
    ring: Arc<KeyRing>,
    /// Of the file that was looked at last, whether it was of use or not.
    stamp: Option<Stamp>,
}

/// What changes with a file: which one it is, how long, and of when.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    changed: Option<SystemTime>,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok()?;
        Some(Self { inode: file.ino(), bytes: file.len(), changed: file.modified().ok() })
    }
}

impl RingFile {
    fn open(path: &Path) -> Result<Self> {
        // The stamp first: what changes in between is read again.
        let stamp = Stamp::of(path);
        let ring = Arc::new(keys::read(path)?);
        Ok(Self { path: path.to_owned(), read: Mutex::new(Ring { ring, stamp }) })
    }

    /// The ring as the file has it now; the last good one where the file is gone or broken, which is said once.
    fn ring(&self) -> Arc<KeyRing> {
        let stamp = Stamp::of(&self.path);
        let mut last = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if last.stamp != stamp {
            last.stamp = stamp;
            match keys::read(&self.path) {
                Ok(ring) => {
                    tracing::info!(keys = ring.keys().len(), "the ring of keys changed, and was read again");
                    last.ring = Arc::new(ring);
                }
                Err(error) => {
                    let words = format!("{error:#}; the keys read before stay in use");
                    telemetry::failed(Dependency::Secrets, "read", &words);
                }
            }
        }
        Arc::clone(&last.ring)
    }
}

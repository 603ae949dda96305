//! Connections: accepted, wrapped in TLS where there is any, and ended in an orderly way.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::tls::Tls;

/// Most connections at once; more wait to be accepted. Each function's environment holds one or two, and each may have
/// 2 MiB of body in memory.
const CONNECTIONS: usize = 1024;
/// Longest time for a TLS handshake: some round trips.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Longest time between two requests of a connection, and for the head of one. Above the minute of the link's probe, so
/// that its connection stays warm.
const IDLE_TIME: Duration = Duration::from_secs(90);
/// How long to wait when a connection can't be accepted, as when there are no more file descriptors: others end meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers connections until `stop`, then accepts no more and finishes the requests in flight.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    router: Router,
    open: Gauge,
    stop: impl Future<Output = ()>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let accepted = async {
            // The semaphore is never closed.
            let place = Arc::clone(&room).acquire_owned().await.ok();
            (listener.accept().await, place)
        };
        let (stream, place) = tokio::select! {
            biased;
            () = &mut stop => break,
            (accepted, place) = accepted => match accepted {
                Ok((stream, _)) => (stream, place),
                Err(error) => {
                    tracing::warn!(%error, "a connection can't be accepted");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let counted = Counted::new(&open);
        let (tls, router, watcher) = (tls.clone(), router.clone(), graceful.watcher());
        tokio::spawn(async move {
            connection(stream, tls, router, watcher).await;
            drop((place, counted));
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

/// A connection that is counted while it is open, however it ends.
struct Counted(Gauge);

impl Counted {
    fn new(open: &Gauge) -> Self {
        open.inc();
        Self(open.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

async fn connection(stream: TcpStream, tls: Option<Arc<Tls>>, router: Router, watcher: Watcher) {
    // Small messages go out at once; a socket that doesn't know the option works without.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return requests(stream, router, watcher).await };
    match timeout(HANDSHAKE_TIME, tls.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => requests(stream, router, watcher).await,
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn requests<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    router: Router,
    watcher: Watcher,
) {
    let service = TowerToHyperService::new(router);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(IDLE_TIME);
    let served = watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection broke");
    }
}

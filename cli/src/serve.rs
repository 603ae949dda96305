//! `marquee serve`: every function's routes in one process, on this machine alone.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use shared::api::http::{self, RequestId};
use shared::api::{Problem, ProblemCode};
use shared::recommend::{Memory, Recommending};
use shared::telemetry;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::cache;
use crate::commands::ServeOptions;
use crate::state::{self, State};

/// The port when none is asked for, if it is free.
const DEFAULT_PORT: u16 = 3000;

pub(crate) fn run(options: &ServeOptions) -> Result<()> {
    let folder = match (&options.model, &options.data) {
        (Some(folder), _) => folder.clone(),
        (None, Some(data)) => cache::model_of(data)?,
        (None, None) => cache::demo_model()?,
    };
    let recommending = Arc::new(Recommending::open(&folder)?);
    let state = State::open(&state::choice(options))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        state::seed(&state, options).await?;
        serve(&recommending, &state, options.port).await
    })
}

async fn serve(recommending: &Arc<Recommending>, state: &State, port: Option<u16>) -> Result<()> {
    let listener = listen(port).await?;
    announce(recommending, state, listener.local_addr()?);
    let (stop, stopped) = oneshot::channel::<()>();
    let folding = tokio::spawn(state.clone().fold(async { drop(stopped.await) }));
    axum::serve(listener, router(recommending, state)).with_graceful_shutdown(interrupted()).await?;
    drop(stop);
    folding.await?;
    eprintln!("stopped; every request was answered");
    Ok(())
}

/// All routes on one port. Adding a function means adding its line.
fn router(recommending: &Arc<Recommending>, state: &State) -> Router {
    let memory = Arc::new(Memory::new(state.profiles.clone()));
    let routes = Router::new()
        .route("/", get(index))
        .merge(recommend::router(Arc::clone(recommending), Arc::clone(&memory)))
        .merge(rank::router(Arc::clone(recommending), memory))
        .merge(events::router(state.events.clone()))
        .merge(users::router(state.people.clone()))
        .merge(similar::router(Arc::clone(recommending)))
        .merge(items::router(Arc::clone(recommending)))
        .merge(health::router(Arc::clone(recommending)));
    let routes = http::with_fallbacks(routes).layer(middleware::from_fn(only_local_names));
    telemetry::logged(http::identified(routes))
}

/// What somebody sees who opens the address in a browser.
async fn index() -> &'static str {
    "Marquee is running.\n\n\
     POST /v1/recommendations   what should this person have next?\n\
     POST /v1/rankings          these items, in which order for this person?\n\
     GET  /v1/items             search and browse: ?q=&genre=&limit=&cursor=\n\
     GET  /v1/items/{id}        one item\n\
     GET  /v1/items/{id}/similar\n\
     GET  /v1/popular           ?genre=&k=\n\
     POST /v1/events            what people did\n\
     GET  /v1/users/{id}        what is held about a person; DELETE erases it\n\
     GET  /v1/users/{id}/events\n\
     GET  /v1/health            alive\n\
     GET  /v1/ready             which model answers\n"
}

/// Binds to the port that is asked for; without one, to the usual port or a free one.
async fn listen(port: Option<u16>) -> Result<TcpListener> {
    let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match TcpListener::bind(address(port.unwrap_or(DEFAULT_PORT))).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == ErrorKind::AddrInUse => match port {
            Some(port) => bail!("port {port} is taken by another program; --port 0 takes a free one"),
            None => {
                eprintln!("port {DEFAULT_PORT} is taken by another program, so another one is used");
                TcpListener::bind(address(0)).await.context("no free port on 127.0.0.1")
            }
        },
        Err(error) => {
            Err(error).with_context(|| format!("port {} can't be listened on", port.unwrap_or(DEFAULT_PORT)))
        }
    }
}

fn announce(recommending: &Recommending, state: &State, address: SocketAddr) {
    let artifact = recommending.artifact();
    let simulated = artifact.config.training.as_ref().is_some_and(|training| training.simulated);
    let simulated = if simulated { ", trained on simulated interactions" } else { "" };
    let catalogue = &artifact.catalogue;
    let liked = catalogue.by_popularity().iter().take(2).filter_map(|&row| catalogue.id(row));
    let history = serde_json::json!({"history": liked.collect::<Vec<_>>(), "k": 5, "explain": true});
    println!("{} {}: {} items{simulated}", artifact.config.name, artifact.config.version, catalogue.len());
    println!("{state}");
    println!("listening on http://{address}, open to this machine alone; Ctrl-C stops it");
    println!(
        "\n  curl -s http://{address}/v1/recommendations -H 'content-type: application/json' \\\n    -d '{history}'\n"
    );
}

/// A page on the internet can make a browser ask 127.0.0.1 under the page's own name (DNS rebinding); such a name is
/// not ours, and is not answered.
async fn only_local_names(id: RequestId, request: Request, next: Next) -> Response {
    if is_local(request.headers()) {
        return next.run(request).await;
    }
    let detail = "this service runs open on one machine; ask it as localhost or 127.0.0.1";
    http::reply::<()>(Err(Problem::new(ProblemCode::HostNotAllowed, detail)), id)
}

fn is_local(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|value| value.to_str().ok()) else { return false };
    let Ok(authority) = host.parse::<axum::http::uri::Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

async fn interrupted() {
    let interrupt = tokio::signal::ctrl_c();
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = interrupt => {}
        _ = terminate => {}
    }
    eprintln!("finishing requests in flight; Ctrl-C again ends at once");
    tokio::spawn(async {
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(130);
        }
    });
}

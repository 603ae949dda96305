//! `marquee serve`: every function's routes in one process.

mod access;
mod batches;
mod listen;
mod signals;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::routing::get;
use shared::api::http;
use shared::recommend::{Memory, Recommending};
use shared::telemetry;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use self::batches::Local;
use crate::commands::ServeOptions;
use crate::state::{self, State};
use crate::{accelerators, cache, docs};
use access::Access;
use signals::Signals;

pub(crate) fn run(options: &ServeOptions) -> Result<()> {
    let access = Access::of(options.host, options.api_keys.as_deref())?;
    let recommending = Recommending::open(&model(options)?)?;
    let credentials = options.accelerator_credentials.clone();
    let endpoints = options.accelerator.iter().cloned();
    let accelerators = accelerators::of(endpoints, credentials, recommending.artifact())?;
    let recommending = Arc::new(recommending.with_accelerators(accelerators.clone()));
    let state = State::open(&state::choice(options))?;
    let local = match state.file() {
        Some((path, store)) => {
            let accelerator = accelerators.into_iter().next();
            let folder = options.batch_dir.clone().unwrap_or_else(|| Local::beside(&path));
            Some(Local::open(&folder, &recommending, accelerator, store)?)
        }
        None => None,
    };
    let batches = local.as_ref().map(|local| Arc::clone(&local.batches));
    let app = App { recommending, state, batches };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        state::seed(&app.state, options).await?;
        app.recommending.warm_up().await;
        if let Some(local) = local {
            // It ends with the process, whenever that is: what is under way goes on when the next one starts.
            tokio::spawn(local.run());
        }
        serve(&app, access, options).await
    })
}

/// The folder of the model that is asked for, which may have to be trained first.
fn model(options: &ServeOptions) -> Result<PathBuf> {
    match (&options.model, &options.data) {
        (Some(folder), _) => Ok(folder.clone()),
        (None, Some(data)) => cache::model_of(data),
        (None, None) => cache::demo_model(),
    }
}

/// What the routes stand on; it lives as long as the process.
struct App {
    recommending: Arc<Recommending>,
    state: State,
    batches: Option<Arc<::batches::Batches>>,
}

/// All routes on one port. Adding a function means adding its line.
fn router(App { recommending, state, batches }: &App, access: Access) -> Router {
    let memory = Arc::new(Memory::new(state.profiles.clone()));
    let routes = Router::new()
        .route("/", get(index))
        .merge(recommend::router(Arc::clone(recommending), Arc::clone(&memory)))
        .merge(rank::router(Arc::clone(recommending), memory))
        .merge(events::router(state.events.clone()))
        .merge(users::router(state.people.clone()))
        .merge(::batches::router(batches.clone()))
        .merge(similar::router(Arc::clone(recommending)))
        .merge(items::router(Arc::clone(recommending)))
        .merge(health::router(Arc::clone(recommending), access.documented()))
        .merge(docs::router());
    telemetry::logged(http::identified(access.guard(http::with_fallbacks(routes))))
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
     POST /v1/batches           many people at once; GET says how far it is\n\
     GET  /v1/batches/{id}/results\n\
     GET  /v1/health            alive\n\
     GET  /v1/ready             which model answers\n\n\
     GET  /docs                 all of it, to browse and to try\n\
     GET  /openapi.json         the same for programs\n"
}

async fn serve(app: &App, access: Access, options: &ServeOptions) -> Result<()> {
    // Before anybody can know that there is something to signal.
    let signals = Signals::register().context("signals can't be listened for")?;
    let listener = listen::bind(options.host, options.port).await?;
    announce(app, &access, listener.local_addr()?);
    let (stop, stopped) = oneshot::channel();
    let work = work(listener, router(app, access), app.state.clone(), stopped);
    until_stopped(work, stop, signals, Duration::from_secs(options.drain_seconds)).await
}

/// Answers requests, and folds what they change, until `stopped`; then finishes both.
async fn work(
    listener: TcpListener,
    router: Router,
    state: State,
    stopped: oneshot::Receiver<()>,
) -> Result<()> {
    let (end, ended) = oneshot::channel::<()>();
    let folding = tokio::spawn(state.fold(async { drop(ended.await) }));
    axum::serve(listener, router).with_graceful_shutdown(async { drop(stopped.await) }).await?;
    // What the last requests changed is folded too.
    drop(end);
    Ok(folding.await?)
}

/// Works until a signal comes, then lets the work finish for as long as `drain`.
async fn until_stopped(
    work: impl Future<Output = Result<()>> + Send + 'static,
    stop: oneshot::Sender<()>,
    mut signals: Signals,
    drain: Duration,
) -> Result<()> {
    let mut work = tokio::spawn(work);
    tokio::select! {
        ended = &mut work => return ended?,
        _ = signals.next() => drop(stop),
    }
    let seconds = drain.as_secs();
    eprintln!("finishing requests in flight for at most {seconds} s; Ctrl-C again ends at once");
    tokio::select! {
        ended = work => ended??,
        () = tokio::time::sleep(drain) => {
            bail!("stopped after {seconds} s with requests in flight, which got no answer (--drain-seconds)")
        }
        signal = signals.next() => std::process::exit(signal.status()),
    }
    eprintln!("stopped; every request was answered");
    Ok(())
}

fn announce(app: &App, access: &Access, address: SocketAddr) {
    let artifact = app.recommending.artifact();
    let simulated = artifact.config.training.as_ref().is_some_and(|training| training.simulated);
    let simulated = if simulated { ", trained on simulated interactions" } else { "" };
    let catalogue = &artifact.catalogue;
    let liked = catalogue.by_popularity().iter().take(2).filter_map(|&row| catalogue.id(row));
    let history = serde_json::json!({"history": liked.collect::<Vec<_>>(), "k": 5, "explain": true});
    let key = access.sample_header();
    println!("{} {}: {} items{simulated}", artifact.config.name, artifact.config.version, catalogue.len());
    println!("{}", app.state);
    for link in app.recommending.links() {
        let state = if link.is_closed() {
            "asked first"
        } else {
            "not reached yet, and tried again beside the requests"
        };
        println!("accelerator {}: {state}", link.name());
    }
    println!("listening on http://{address}, {access}; Ctrl-C stops it");
    println!(
        "\n  curl -s http://{address}/v1/recommendations{key} -H 'content-type: application/json' \\\n    -d '{history}'\n"
    );
}

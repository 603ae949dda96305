//! `marquee serve`: every function's routes in one process.

mod access;
mod batches;
mod listen;
mod playground;
mod ring;
mod signals;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::routing::get;
use shared::api::http;
use shared::config;
use shared::recommend::{Memory, Recommending};
use shared::telemetry;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use self::batches::Local;
use crate::commands::ServeOptions;
use crate::state::{self, State};
use crate::{accelerators, cache, docs};
use access::Access;
use playground::Stage;
use signals::Signals;

pub(crate) fn run(options: &ServeOptions) -> Result<()> {
    let port = options.port.map_or_else(config::port, |port| Ok(Some(port)))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let access = runtime.block_on(Access::of(options.host, options.api_keys.as_ref()))?;
    let mut app = App::open(options, &access)?;
    runtime.block_on(async {
        state::seed(&app.state, options).await?;
        if app.asks_accelerators() {
            app.recommending.warm_up(None).await;
        }
        if let Some(runner) = app.runner.take() {
            // It ends with the process, whenever that is: what is under way goes on when the next one starts.
            tokio::spawn(runner.run());
        }
        serve(&app, &access, port, options).await
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
    playground: bool,
    stage: Option<Arc<Stage>>,
    /// None where people's state is in no file: a table's batches are the deployed functions'.
    batches: Option<Arc<::batches::Batches>>,
    /// What runs them, until it runs.
    runner: Option<Local>,
}

impl App {
    fn open(options: &ServeOptions, access: &Access) -> Result<Self> {
        let folder = model(options)?;
        let alone = Recommending::open(&folder)?;
        let credentials = options.accelerator_credentials.as_deref();
        let accelerators = accelerators::clients(&options.accelerator, credentials, alone.artifact())?;
        let mut state = State::open(&state::choice(options))?;
        let runner = match state.file() {
            Some((path, store)) => {
                let folder = options.batch_dir.clone().unwrap_or_else(|| Local::beside(&path));
                Some(Local::open(&folder, &alone, accelerators.first().cloned(), store)?)
            }
            None => None,
        };
        let batches = runner.as_ref().map(|local| Arc::clone(&local.batches));
        let playground = playground::is_wanted(options, access);
        let (recommending, stage) = if playground && matches!(access, Access::Open) {
            let stage = Arc::new(Stage::set(&folder, alone, accelerators, &mut state)?);
            (Arc::clone(stage.accelerated()), Some(stage))
        } else {
            (Arc::new(alone.with_accelerators(accelerators)), None)
        };
        Ok(Self { recommending, state, playground, stage, batches, runner })
    }

    /// Whether there are accelerators, and they are plugged in.
    fn asks_accelerators(&self) -> bool {
        self.stage.as_ref().is_none_or(|stage| stage.is_plugged_in())
    }
}

/// All routes on one port.
fn router(app: &App, access: &Access) -> Router {
    let memory = Arc::new(Memory::new(app.state.profiles.clone()));
    let routes = |recommending: &Arc<Recommending>| routes(app, recommending, &memory, access);
    match &app.stage {
        Some(stage) => stage.router(routes),
        None => routes(&app.recommending),
    }
}

/// All routes over this model. Adding a function means adding its line.
fn routes(app: &App, recommending: &Arc<Recommending>, memory: &Arc<Memory>, access: &Access) -> Router {
    let App { state, playground, stage, batches, .. } = app;
    let standing = health::Standing {
        recommending: Arc::clone(recommending),
        profiles: state.profiles.clone(),
        noted: None,
    };
    let start = if *playground { playground::page() } else { Router::new().route("/", get(index)) };
    let routes = start
        .merge(recommend::router(Arc::clone(recommending), Arc::clone(memory)))
        .merge(rank::router(Arc::clone(recommending), Arc::clone(memory)))
        .merge(events::router(state.events.clone()))
        .merge(users::router(state.people.clone()))
        .merge(::batches::router(batches.clone()))
        .merge(similar::router(Arc::clone(recommending)))
        .merge(items::router(Arc::clone(recommending)))
        .merge(health::router(standing, access.documented()))
        .merge(docs::router())
        .merge(stage.as_ref().map(Stage::routes).unwrap_or_default());
    telemetry::logged(http::identified(access.guard(http::with_fallbacks(routes))))
}

/// What `/` says to whoever asks for no page.
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

async fn serve(app: &App, access: &Access, port: Option<u16>, options: &ServeOptions) -> Result<()> {
    // Before anybody can know that there is something to signal.
    let signals = Signals::register().context("signals can't be listened for")?;
    let listener = listen::bind(options.host, port).await?;
    announce(app, access, listener.local_addr()?);
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
    for link in app.recommending.links().iter().filter(|_| app.asks_accelerators()) {
        let state = if link.is_closed() {
            "asked first"
        } else {
            "not reached yet, and tried again beside the requests"
        };
        println!("accelerator {}: {state}", link.name());
    }
    println!("listening on http://{address}, {access}; Ctrl-C stops it");
    if app.playground {
        let cable = match &app.stage {
            Some(_) if app.asks_accelerators() => ": pull the accelerator's cable there",
            Some(_) => ": an accelerator of this model stands by in this process, to be plugged in there",
            None => "",
        };
        println!("playground at http://{address}/{cable}");
    }
    println!(
        "\n  curl -s http://{address}/v1/recommendations{key} -H 'content-type: application/json' \\\n    -d '{history}'\n"
    );
}

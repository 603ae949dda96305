//! Marquee's accelerator: a server on the team's own ground that functions ask first.
//!
//! It speaks the Open Inference Protocol v2 over REST, with the binary tensor extension, over any number of artifacts. What
//! the tensors mean is [`shared::accelerator::contract`]; how to run it is in `docs/accelerator.md`.
//!
//! A request is decoded and checked by [`routes`], put in its model's queue by [`batcher`], and computed with others by an
//! [`engine`]. [`reload`] takes new artifacts into service meanwhile.

pub mod access;
pub mod batcher;
pub mod engine;
pub mod metrics;
pub mod models;
mod options;
pub mod reload;
pub mod routes;
mod server;
mod signals;
mod stamp;
pub mod tls;

#[cfg(test)]
mod tests;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use access::Access;
use engine::Device;
use metrics::Metrics;
use models::{Model, ModelError, Models, Serving};
use reload::Sources;
use routes::App;
use signals::{Signals, Told};
use tls::Tls;

pub use options::Options;

/// How often directories and certificates are looked at.
const LOOK_EACH: Duration = Duration::from_secs(1);

/// Serves until it is told to stop.
///
/// # Errors
/// One sentence on why it can't start, or why requests got no answer when it stopped.
pub fn run(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(serve(options));
    // A batch that is still computed when the time to finish is over is not waited for.
    runtime.shutdown_background();
    outcome
}

/// The server's routes over one artifact, for a process that serves them itself: computed on the CPU, and open to whoever
/// reaches them, so that the address they are served on is for this machine alone. Another artifact that takes the
/// directory is not noticed. The whole artifact is read and checked.
///
/// # Errors
/// When the artifact can't be served.
pub async fn within(model: &Path) -> Result<Router, ModelError> {
    let metrics = Metrics::new();
    let models = Arc::new(Models::new(metrics.clone()));
    let batching = options::usual_batching(Device::Cpu);
    let serving = Serving { device: Device::Cpu, batching, metrics: metrics.clone() };
    Sources::open(&[model.to_owned()], serving, Arc::clone(&models), Duration::ZERO).await?;
    Ok(routes::router(App::new(models, metrics), Access::Open))
}

async fn serve(options: &Options) -> Result<()> {
    let metrics = Metrics::new();
    let access = Access::of(options.listen, options.token_file.as_deref(), &metrics)?;
    let tls = match (&options.tls_cert, &options.tls_key) {
        (Some(certificate), Some(key)) => Some(Arc::new(Tls::open(certificate, key, metrics.clone())?)),
        _ => None,
    };
    // Before anybody can know that there is something to signal.
    let mut signals = Signals::register().context("signals can't be listened for")?;
    let models = Arc::new(Models::new(metrics.clone()));
    let serving = Serving { device: options.device, batching: options.batching(), metrics: metrics.clone() };
    let grace = Duration::from_secs(options.grace_seconds);
    let sources = Sources::open(&options.model, serving, Arc::clone(&models), grace).await?;
    let listener = bind(options.listen).await?;
    announce(&models, &access, tls.as_deref(), listener.local_addr()?);

    let app = App::new(models, metrics.clone());
    let (stop, stopped) = oneshot::channel::<()>();
    let router = routes::router(app.clone(), access);
    let stopped = async { drop(stopped.await) };
    let work = tokio::spawn(server::serve(listener, tls.clone(), router, metrics.connections, stopped));
    let reload = Arc::new(Notify::new());
    let keeping = tokio::spawn(keep_current(sources, tls, Arc::clone(&reload)));
    until_stopped(&mut signals, &reload).await;
    app.drain();
    keeping.abort();
    drop(stop);
    finish(work, signals, &reload, options.drain_seconds).await
}

/// Binds to an address.
async fn bind(address: SocketAddr) -> Result<TcpListener> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            bail!("--listen {address}: the port is taken by another program; port 0 takes a free one")
        }
        Err(error) => Err(error).with_context(|| format!("--listen {address}: can't be listened on")),
    }
}

/// Looks at models and certificates each second, and at all of them when `reload` says so. Never ends.
async fn keep_current(mut sources: Sources, tls: Option<Arc<Tls>>, reload: Arc<Notify>) {
    let mut looks = interval(LOOK_EACH);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let all = tokio::select! {
            () = reload.notified() => true,
            _ = looks.tick() => false,
        };
        if let Some(tls) = &tls {
            tls.look(all);
        }
        sources.look(all).await;
    }
}

/// Passes on what signals say, until one asks to stop; with the status that it stands for.
async fn until_stopped(signals: &mut Signals, reload: &Notify) -> i32 {
    loop {
        match signals.next().await {
            Told::Reload => reload.notify_one(),
            Told::Stop(status) => return status,
        }
    }
}

/// Lets requests in flight finish for as long as `drain_seconds`.
async fn finish(
    work: JoinHandle<()>,
    mut signals: Signals,
    reload: &Notify,
    drain_seconds: u64,
) -> Result<()> {
    eprintln!("finishing requests in flight for at most {drain_seconds} s; Ctrl-C again ends at once");
    tokio::select! {
        ended = work => ended?,
        () = tokio::time::sleep(Duration::from_secs(drain_seconds)) => {
            bail!("stopped after {drain_seconds} s with requests in flight, which got no answer (--drain-seconds)")
        }
        status = until_stopped(&mut signals, reload) => std::process::exit(status),
    }
    eprintln!("stopped; every request was answered");
    Ok(())
}

/// The first screen.
fn announce(models: &Models, access: &Access, tls: Option<&Tls>, address: SocketAddr) {
    let table = models.table();
    for model in table.values() {
        let Model { name, version, kind, items, .. } = &**model;
        println!("{name}: {kind} {version}, {items} items, on {}", on(model.device));
    }
    let (scheme, secure) = if tls.is_some() { ("https", "") } else { ("http", ", without TLS") };
    println!("listening on {scheme}://{address}, {access}{secure}; Ctrl-C stops it");
    if tls.is_none() && !address.ip().is_loopback() {
        eprintln!("tokens and histories go over the network in the clear: give --tls-cert and --tls-key");
    }
    let Some(name) = table.keys().next() else { return };
    let (header, certificate) = (access.sample_header(), if tls.is_some() { " --cacert ca.pem" } else { "" });
    println!(
        "\n  curl -s{certificate} {scheme}://{address}/v2/models/{name}/infer{header} \\\n    -d '{SAMPLE}'\n"
    );
}

/// A history of the first item, and five rows for it.
const SAMPLE: &str =
    r#"{"inputs":[{"name":"history","datatype":"INT32","shape":[1,1],"data":[1]}],"parameters":{"limit":5}}"#;

fn on(device: Device) -> String {
    match device {
        Device::Cpu => {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            format!("the CPU's {cores} cores")
        }
        gpu @ Device::Cuda(_) => gpu.to_string(),
    }
}

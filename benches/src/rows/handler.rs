//! What a request costs beyond the kernel: the whole handler beside fold-in, scan and selection alone.
//!
//! The handler is what the Lambda binary serves (the router with request ids and fallbacks), called in process on one
//! thread, from the bytes of a body to the bytes of an answer; the caller's `x-request-id` is there, as the gateway's id
//! is on Lambda. No log subscriber is installed, so that log lines cost what a disabled one costs. The kernel gets the
//! same history as rows and the same excluded rows, ready made. All is CPU time of this thread, in short batches by
//! turns; the difference is taken batch by batch, between neighbours in time, and its median reported.
//!
//! The rows after it take the two apart. Each part runs right after a kernel, as it does in a request, whose scan has just
//! pushed everything else out of the nearer caches, and the kernel's time is taken off again.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, ensure};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Request;
use axum::routing::post;
use http_body_util::BodyExt;
use serde_json::Value;
use shared::api::{self, HistoryEntry, RecommendationRequest, http};
use shared::catalogue::{Row as ItemRow, RowSet};
use shared::model::config::Signal;
use shared::model::{Attraction, Scored, Taste};
use shared::recommend::{Memory, Recommending};
use tokio::runtime::Runtime;
use tower::ServiceExt;

use super::Bench;
use crate::Options;
use crate::fixture;
use crate::measure::{Contender, Samples, TakesTurns, cpu_seconds, interleave, thread_cpu_time};
use crate::plot::{Plot, Series};
use crate::report::{Aim, Findings, Row, Unit};

pub(crate) const BENCH: Bench =
    Bench { name: "handler", about: "the recommend handler beside its kernel, in process", run };

/// Calls a sample: some milliseconds, much more than reading the clock takes and less than the machine's moods last.
const BATCH: usize = 20;

fn run(&Options { quick, .. }: &Options) -> Result<Findings> {
    let folder = fixture::artifact()?;
    let recommending = Arc::new(Recommending::open(folder.path())?);
    let body = Bytes::from(fixture::request_body());
    let handler = Handler::new(recommend::router(Arc::clone(&recommending), nobody()))?;
    let echo = Handler::new(echoing())?;
    let request = parse(&body)?;
    let kernel = Kernel::new(&recommending, &request)?;
    let answer = recommending.answer(&request, "bench".into());
    let answered: Value =
        serde_json::from_slice(&handler.answer(&body)?).context("the answer is not JSON")?;
    ensure!(
        same_items(&answered, &kernel.top_k()?, &recommending),
        "handler and kernel disagree: {answered}"
    );

    let mut whole = Contender::new(|| handler.cpu_seconds_after(&body, || Ok(())));
    let mut bare = Contender::new(|| cpu_seconds(BATCH, || kernel.top_k()));
    let mut folding = Contender::new(|| cpu_seconds(BATCH, || kernel.fold_in()));
    // Each with a kernel's time in it.
    let mut parts = [
        part("the router and its middleware", || echo.cpu_seconds_after(&body, || kernel.top_k())),
        part("parsing the body", || kernel.cpu_seconds_and(|| parse(black_box(&body)))),
        part("the use case around the kernel", || {
            cpu_seconds(BATCH, || Ok(recommending.answer(black_box(&request), "bench".into())))
        }),
        part("finding the history's rows, in that use case", || {
            kernel.cpu_seconds_and(|| rows(&recommending, black_box(&request)))
        }),
        part("writing the answer", || kernel.cpu_seconds_and(|| Ok(serde_json::to_vec(black_box(&answer))?))),
    ];
    let mut turns: Vec<&mut dyn TakesTurns> = vec![&mut whole, &mut bare, &mut folding];
    turns.extend(parts.iter_mut().map(|(_, part)| part as &mut dyn TakesTurns));
    let (warm_up, rounds) = if quick { (5, 50) } else { (20, 500) };
    interleave(warm_up, rounds, &mut turns)?;

    let beyond =
        |more: &[f64]| Samples::of(more.iter().zip(&bare.samples).map(|(more, kernel)| more - kernel));
    let row = |what: &str, samples| Row::alone(what, Unit::Seconds, samples);
    let mut rows = vec![
        row("handler: CPU time a request", Samples::of(whole.samples.iter().copied()))
            .beside("fold-in + scan + select", Samples::of(bare.samples.iter().copied())),
        row("handler minus (fold-in + scan + select)", beyond(&whole.samples)).aim(Aim::Ours(15e-6)),
    ];
    rows.extend(parts.iter().map(|(what, part)| row(&format!("… of it {what}"), beyond(&part.samples))));
    rows.push(row("fold-in alone", Samples::of(folding.samples)));
    let notes = vec![format!(
        "Handler: {}; CPU time of one thread, {BATCH} requests a sample; differences are between neighbouring batches.",
        fixture::description()
    )];
    let plots = if quick { Vec::new() } else { vec![growth(&recommending)?] };
    Ok(Findings { rows, notes, plots })
}

/// How the kernel's time grows with the history.
fn growth(recommending: &Recommending) -> Result<Plot> {
    const ROUNDS: usize = 25;
    let items = recommending.artifact().catalogue.len();
    let (mut folding, mut answering) = (Vec::new(), Vec::new());
    for length in [1, 5, 20, 50, 100, 200, 500] {
        let rows = (0..length).map(|place| (place * (items / length)) as ItemRow);
        let history = rows.map(|row| Attraction { row, weight: 1.0 }).collect();
        let kernel = Kernel { recommending, history, excluded: RowSet::none(items) };
        let mut fold = Contender::new(|| cpu_seconds(BATCH, || kernel.fold_in()));
        let mut whole = Contender::new(|| cpu_seconds(BATCH, || kernel.top_k()));
        interleave(2, ROUNDS, &mut [&mut fold, &mut whole])?;
        folding.push((length as f64, Samples::of(fold.samples).median()));
        answering.push((length as f64, Samples::of(whole.samples).median()));
    }
    let series = vec![
        Series { of: "fold-in", points: folding },
        Series { of: "fold-in + scan + select", points: answering },
    ];
    let title = format!("Answering from {items} items, k = {}", fixture::K);
    Ok(Plot { name: "handler-history", title, x: "items of the history", series })
}

type Turn<'a> = Box<dyn FnMut() -> Result<f64> + 'a>;

/// A part of the handler and how it is measured.
fn part<'a>(
    what: &'static str,
    turn: impl FnMut() -> Result<f64> + 'a,
) -> (&'static str, Contender<Turn<'a>, f64>) {
    (what, Contender::new(Box::new(turn)))
}

/// A router on a runtime of one thread.
struct Handler {
    runtime: Runtime,
    router: Router,
}

impl Handler {
    /// With what every HTTP function has around its own routes.
    fn new(router: Router) -> Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().build().context("no asynchronous runtime")?;
        Ok(Self { runtime, router: http::finish(router) })
    }

    /// CPU time of a call and of some work before it.
    fn cpu_seconds_after<T>(&self, body: &Bytes, mut work: impl FnMut() -> Result<T>) -> Result<f64> {
        self.runtime.block_on(async {
            let before = thread_cpu_time();
            for _ in 0..BATCH {
                black_box(work()?);
                black_box(self.call(black_box(body)).await?);
            }
            Ok((thread_cpu_time() - before).as_secs_f64() / BATCH as f64)
        })
    }

    fn answer(&self, body: &Bytes) -> Result<Bytes> {
        self.runtime.block_on(self.call(body))
    }

    async fn call(&self, body: &Bytes) -> Result<Bytes> {
        let request = Request::post("/v1/recommendations")
            .header("content-type", "application/json")
            .header("x-request-id", "DicTZVCko6Z_XAw=")
            .body(Body::from(body.clone()))
            .context("the request is not valid")?;
        let response = self.router.clone().oneshot(request).await?;
        Ok(response.into_body().collect().await.context("the answer broke off")?.to_bytes())
    }
}

/// No store: the history is in the request.
fn nobody() -> Arc<Memory> {
    Arc::new(Memory::new(None))
}

/// A handler that does nothing: the body goes back.
fn echoing() -> Router {
    Router::new().route("/v1/recommendations", post(async |body: Bytes| body))
}

/// Folding in, scanning and selecting, with everything around them done.
struct Kernel<'a> {
    recommending: &'a Recommending,
    history: Vec<Attraction>,
    excluded: RowSet,
}

impl<'a> Kernel<'a> {
    fn new(recommending: &'a Recommending, request: &RecommendationRequest) -> Result<Self> {
        let artifact = recommending.artifact();
        let mut excluded = RowSet::none(artifact.catalogue.len());
        let mut history = Vec::with_capacity(fixture::HISTORY);
        for (row, entry) in rows(recommending, request)?.into_iter().zip(request.history.as_slice()) {
            excluded.insert(row);
            if let Signal::Attracts(weight) = artifact.config.event_weights.signal(entry.kind, None) {
                history.push(Attraction { row, weight });
            }
        }
        Ok(Self { recommending, history, excluded })
    }

    fn fold_in(&self) -> Result<Box<dyn Taste + '_>> {
        let recommender = self.recommending.artifact().recommender();
        recommender.taste(black_box(&self.history)).context("the history does not fold in")
    }

    fn top_k(&self) -> Result<Vec<Scored>> {
        Ok(self.fold_in()?.top_k(fixture::K, &self.excluded))
    }

    /// CPU time of a kernel and some other work after it.
    fn cpu_seconds_and<T>(&self, mut work: impl FnMut() -> Result<T>) -> Result<f64> {
        cpu_seconds(BATCH, || {
            black_box(self.top_k()?);
            work()
        })
    }
}

fn parse(body: &[u8]) -> Result<RecommendationRequest> {
    api::parse(body).map_err(|problem| anyhow!("the request is refused: {problem:?}"))
}

/// The rows of the history's items.
fn rows(recommending: &Recommending, request: &RecommendationRequest) -> Result<Vec<ItemRow>> {
    let catalogue = &recommending.artifact().catalogue;
    let row = |entry: &HistoryEntry| catalogue.row(entry.item_id.as_str()).context("an unknown item");
    request.history.as_slice().iter().map(row).collect()
}

/// Whether an answer names these items in this order.
fn same_items(answer: &Value, items: &[Scored], recommending: &Recommending) -> bool {
    let answered = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ids = answered.iter().map(|item| item["item_id"].as_str());
    !items.is_empty() && ids.eq(items.iter().map(|item| recommending.artifact().catalogue.id(item.row)))
}

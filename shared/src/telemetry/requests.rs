//! One line a request, whatever became of it.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::Extensions;
use axum::middleware::{self, Next};
use axum::response::Response;
use metrique::emf::{EntryDimensions, NoMetric, SetEntryDimensions};
use metrique::writer::Entry;
use metrique::writer::unit::AsCount;
use tracing::Level;

use super::EMITTER;
use super::emf::{Emitter, Record, count};
use crate::api::ProblemCode;
use crate::api::http::{RequestId, TraceId};
use crate::api::recommendation::{Reason, Receipt};

/// The route of what no route answers. Paths that callers make up may hold anything, and are not logged.
const UNMATCHED: &str = "unmatched";

/// Logs one line for every request to a router that [`crate::api::http::identified`] has given its ids: the route as
/// the gateway names it, how it ended, how long it took, and what the receipt says where there is one.
pub fn logged(router: Router) -> Router {
    logged_by(router, log)
}

pub(super) fn logged_by(router: Router, log: impl Fn(&Served<'_>) + Clone + Send + Sync + 'static) -> Router {
    let layer = middleware::from_fn(move |request: Request, next: Next| {
        let log = log.clone();
        async move {
            let started = Instant::now();
            let route = route_of(&request);
            let response = next.run(request).await;
            log(&Served::of(route.as_deref(), &response, started.elapsed()));
            response
        }
    });
    router.layer(layer)
}

fn log(served: &Served<'_>) {
    match EMITTER.get() {
        Some(emitter) => served.emit(emitter),
        None => served.tell(),
    }
}

/// `POST /v1/recommendations`: the method, and the path's template, never the path.
fn route_of(request: &Request) -> Option<String> {
    let path = request.extensions().get::<MatchedPath>()?;
    Some(format!("{} {}", request.method(), path.as_str()))
}

/// A request that was answered or refused.
pub(super) struct Served<'a> {
    route: &'a str,
    status: u16,
    elapsed: Duration,
    request_id: Option<&'a str>,
    trace_id: Option<&'a str>,
    code: Option<ProblemCode>,
    receipt: Option<&'a Receipt>,
}

impl<'a> Served<'a> {
    fn of(route: Option<&'a str>, response: &'a Response, elapsed: Duration) -> Self {
        let said: &Extensions = response.extensions();
        let code = said.get::<ProblemCode>().copied();
        // Callers may make up methods too.
        let route = route.filter(|_| code != Some(ProblemCode::MethodNotAllowed));
        Self {
            route: route.unwrap_or(UNMATCHED),
            status: response.status().as_u16(),
            elapsed,
            request_id: said.get::<RequestId>().map(|id| id.0.as_str()),
            trace_id: said.get::<TraceId>().map(|id| id.0.as_str()),
            code,
            receipt: said.get(),
        }
    }

    /// A line for machines.
    pub(super) fn emit(&self, emitter: &Emitter) {
        emitter.emit(&RequestLine::of(self));
    }

    /// A line for people.
    pub(super) fn tell(&self) {
        let Self { route, status, request_id, trace_id, .. } = self;
        let elapsed_ms = (self.elapsed.as_secs_f64() * 1e6).round() / 1e3;
        let (rung, code) = (self.receipt.map(|r| r.rung.name()), self.code.map(ProblemCode::name));
        let reason = self.receipt.and_then(|receipt| receipt.reason).map(Reason::name);
        if self.is_error() {
            tracing::error!(route, status, elapsed_ms, code, request_id, trace_id, "failed");
        } else if self.is_refusal() {
            tracing::info!(route, status, elapsed_ms, code, request_id, trace_id, "refused");
        } else {
            tracing::info!(route, status, elapsed_ms, rung, reason, request_id, trace_id, "answered");
        }
    }

    fn is_error(&self) -> bool {
        self.status >= 500
    }

    fn is_refusal(&self) -> bool {
        (400..500).contains(&self.status)
    }
}

const BY_ROUTE: EntryDimensions = EntryDimensions::new_static(&[Cow::Borrowed(&[Cow::Borrowed("route")])]);

/// The fields of a request's line; those of the receipt have the receipt's names.
#[derive(Entry)]
struct RequestLine<'r> {
    #[entry(flatten)]
    dimensions: SetEntryDimensions,
    route: &'r str,
    request_id: Option<&'r str>,
    trace_id: Option<&'r str>,
    status: NoMetric<u16>,
    code: Option<&'static str>,
    #[entry(flatten)]
    answer: Option<AnswerFields<'r>>,
    #[entry(name = "Requests")]
    requests: AsCount<u64>,
    #[entry(name = "Latency")]
    latency: Duration,
    #[entry(name = "Errors")]
    errors: AsCount<u64>,
    #[entry(name = "Refusals")]
    refusals: AsCount<u64>,
}

#[derive(Entry)]
struct AnswerFields<'r> {
    rung: &'static str,
    reason: Option<&'static str>,
    profile: &'static str,
    degraded: Vec<&'static str>,
    model_version: Option<&'r str>,
    elapsed_ms: NoMetric<f64>,
    #[entry(name = "Degraded")]
    is_degraded: AsCount<u64>,
    #[entry(name = "Answers")]
    answers: NoMetric<u64>,
}

impl<'r> RequestLine<'r> {
    fn of(served: &Served<'r>) -> Self {
        Self {
            dimensions: SetEntryDimensions { dimensions: BY_ROUTE },
            route: served.route,
            request_id: served.request_id,
            trace_id: served.trace_id,
            status: served.status.into(),
            code: served.code.map(ProblemCode::name),
            answer: served.receipt.map(AnswerFields::of),
            requests: count(1),
            latency: served.elapsed,
            errors: count(served.is_error().into()),
            refusals: count(served.is_refusal().into()),
        }
    }
}

impl<'r> AnswerFields<'r> {
    fn of(receipt: &'r Receipt) -> Self {
        Self {
            rung: receipt.rung.name(),
            reason: receipt.reason.map(Reason::name),
            profile: receipt.profile.name(),
            degraded: receipt.degraded.iter().map(|reason| reason.name()).collect(),
            model_version: receipt.model.version.as_deref(),
            elapsed_ms: receipt.elapsed_ms.into(),
            is_degraded: count((!receipt.degraded.is_empty()).into()),
            answers: 1.into(),
        }
    }
}

impl Record for RequestLine<'_> {
    fn message(&self) -> &'static str {
        match (*self.errors > 0, *self.refusals > 0) {
            (true, _) => "failed",
            (_, true) => "refused",
            _ => "answered",
        }
    }

    fn level(&self) -> Level {
        if *self.errors > 0 { Level::ERROR } else { Level::INFO }
    }

    fn is_answer(&self) -> bool {
        self.answer.is_some()
    }
}

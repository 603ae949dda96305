//! The Lambda host: what surrounds a function in its binary, an HTTP function's router or an event function's handler.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use lambda_http::request::RequestContext;
use lambda_runtime::{LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::http::RequestId;
use crate::telemetry::{self, Audience};

/// What a handler fails with.
pub use lambda_runtime::Error as HandlerError;

/// Builds an HTTP function's router and serves it, with a line of the log for each request, until Lambda ends the
/// environment. What `router` can't build is a broken deployment: one log line says why, and the process ends, so that
/// the release before stays in service.
pub fn serve(router: impl AsyncFnOnce() -> Result<Router, Box<dyn Error>>) -> ExitCode {
    host(async || {
        let router = telemetry::logged(router().await.map_err(Failure::start)?);
        let router = router.layer(middleware::from_fn(adopt_request_id));
        lambda_http::run(router).await.map_err(Failure::end)
    })
}

/// Builds an event function's state and hands its handler one event at a time until Lambda ends the environment. What
/// `state` can't build is a broken deployment, as in [`serve`]. An error of the handler fails that invocation alone, and
/// the runtime logs it: its text must hold no keys or ids of people.
pub fn handle<S, E, R, H>(state: impl AsyncFnOnce() -> Result<S, Box<dyn Error>>, handler: H) -> ExitCode
where
    E: DeserializeOwned,
    R: Serialize,
    H: AsyncFn(E, &S) -> Result<R, lambda_runtime::Error>,
{
    handle_until(state, async move |event, state, _| handler(event, state).await)
}

/// The same, where the handler is told when Lambda ends the invocation.
pub fn handle_until<S, E, R>(
    state: impl AsyncFnOnce() -> Result<S, Box<dyn Error>>,
    handler: impl AsyncFn(E, &S, Instant) -> Result<R, lambda_runtime::Error>,
) -> ExitCode
where
    E: DeserializeOwned,
    R: Serialize,
{
    host(async move || {
        let state = state().await.map_err(Failure::start)?;
        let service = service_fn(async |event: LambdaEvent<E>| {
            let until = Instant::now() + left(event.context.deadline());
            handler(event.payload, &state, until).await
        });
        lambda_runtime::run(service).await.map_err(Failure::end)
    })
}

/// How long it is until then, by the clock.
fn left(deadline: SystemTime) -> Duration {
    deadline.duration_since(SystemTime::now()).unwrap_or_default()
}

/// Why a function's process ends, and when.
struct Failure {
    error: String,
    when: &'static str,
}

impl Failure {
    fn start(error: impl fmt::Display) -> Self {
        Self { error: error.to_string(), when: "the function can't start" }
    }

    fn end(error: impl fmt::Display) -> Self {
        Self { error: error.to_string(), when: "the runtime ended" }
    }
}

/// Starts the log, and runs a function to its end on one thread: Lambda hands an environment one event at a time.
fn host(function: impl AsyncFnOnce() -> Result<(), Failure>) -> ExitCode {
    let run = || {
        telemetry::start(Audience::Machines).map_err(Failure::start)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(Failure::start)?.block_on(function())
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { error, when }) => {
            tracing::error!(error, "{when}");
            ExitCode::FAILURE
        }
    }
}

/// API Gateway's id of the request becomes ours, so that its access log and our answers name the same thing.
async fn adopt_request_id(mut request: Request, next: Next) -> Response {
    let gateway = match request.extensions().get::<RequestContext>() {
        Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone(),
        _ => None,
    };
    if let Some(id) = gateway {
        request.extensions_mut().insert(RequestId(id));
    }
    next.run(request).await
}

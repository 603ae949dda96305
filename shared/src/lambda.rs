//! The Lambda host: what surrounds an HTTP function's router in its binary.

use std::error::Error;
use std::process::ExitCode;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use lambda_http::request::RequestContext;

use crate::api::http::RequestId;
use crate::telemetry::{self, Audience};

/// Builds a function's router and serves it, with a line of the log for each request, until Lambda ends the environment. What `router` can't build is a broken
/// deployment: one log line says why, and the process ends, so that the release before stays in service.
pub fn serve(router: impl FnOnce() -> Result<Router, Box<dyn Error>>) -> ExitCode {
    let started = telemetry::start(Audience::Machines).map_err(|error| error.to_string());
    let router = match started.and_then(|()| router().map_err(|error| error.to_string())) {
        Ok(router) => telemetry::logged(router).layer(middleware::from_fn(adopt_request_id)),
        Err(error) => {
            tracing::error!(error, "the function can't start");
            return ExitCode::FAILURE;
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let served =
        runtime.map_err(lambda_http::Error::from).and_then(|rt| rt.block_on(lambda_http::run(router)));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = error.to_string(), "the runtime ended");
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

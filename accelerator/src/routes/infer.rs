//! `POST /v2/models/MODEL/infer`.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;
use shared::accelerator::contract::{
    self, DIGEST_PARAMETER, ITEMS, LIMIT, LIMIT_PARAMETER, SCORES, TIMEOUT_PARAMETER,
};
use shared::accelerator::protocol::{
    Data, Encoding, HEADER_LENGTH, InferRequest, InferResponse, Parameters, Tensor,
};
use shared::model::Scored;
use tokio::time::{Instant, timeout};

use super::answers::AnsweredBy;
use super::metadata::Named;
use super::{App, Failure};
use crate::engine::Query;
use crate::models::Model;

/// Most bytes of a body when its coding is taken off. 64 histories of 500 items are 32,000 rows of up to 11 characters and
/// as many weights of up to 13, each with its comma: 0.8 MB of JSON; twice that leaves room for spaces.
const BODY_LIMIT: usize = 2 * 1024 * 1024;
/// Longest time that a body may take to arrive. A megabyte over a slow line takes a second.
const BODY_TIME: Duration = Duration::from_secs(10);
/// Rows of a list where the request doesn't say: some pages of 10, so that the caller's rules leave one.
const DEFAULT_LIMIT: usize = 100;

pub(super) async fn infer(
    State(app): State<App>,
    Path(named): Path<Named>,
    request: Request,
) -> Result<Response, Failure> {
    let arrived = Instant::now();
    let model = app.model(&named.model, named.version.as_deref())?;
    answer(&model, arrived, request).await.map_err(|failure| failure.of(&model))
}

async fn answer(model: &Model, arrived: Instant, request: Request) -> Result<Response, Failure> {
    let header_length = header_length(request.headers())?;
    let body = read(request.into_body()).await?;
    let request = InferRequest::decode(&body, header_length).map_err(Failure::bad_request)?;
    let wanted = Wanted::of(&request)?;
    let limit = limit(&request.parameters)?.min(model.items);
    let deadline = time_limit(&request.parameters)?.map(|time| arrived + time);
    let histories = contract::histories(&request, model.items).map_err(Failure::bad_request)?;
    let queries = histories.into_iter().map(|history| Query { history, limit }).collect();

    let lists = model.batcher.lists(queries, deadline).await?;
    if let Some(place) = lists.iter().position(|list| !is_sound(list, limit)) {
        let words = format!("history {place}: its weights lead to scores that are no numbers");
        return Err(Failure::bad_request(words));
    }
    Ok(reply(model, request.id, &lists, limit, &wanted))
}

/// What [`HEADER_LENGTH`] says.
fn header_length(headers: &HeaderMap) -> Result<Option<usize>, Failure> {
    let Some(value) = headers.get(HEADER_LENGTH) else { return Ok(None) };
    let length = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    length.map(Some).ok_or_else(|| Failure::bad_request("Inference-Header-Content-Length is no length"))
}

async fn read(body: Body) -> Result<Bytes, Failure> {
    let collected = timeout(BODY_TIME, Limited::new(body, BODY_LIMIT).collect()).await;
    let collected = collected.map_err(|_| {
        let seconds = BODY_TIME.as_secs();
        Failure::new(StatusCode::REQUEST_TIMEOUT, format!("the body took more than {seconds} s to arrive"))
    })?;
    let collected = collected.map_err(|error| {
        if error.is::<LengthLimitError>() {
            let words = format!("a body has at most {BODY_LIMIT} bytes, its coding taken off");
            return Failure::new(StatusCode::PAYLOAD_TOO_LARGE, words);
        }
        Failure::bad_request("the body broke off, or is not of its content coding")
    })?;
    Ok(collected.to_bytes())
}

/// The outputs that are wanted, in the order asked for.
struct Wanted(Vec<(&'static str, Encoding)>);

impl Wanted {
    fn of(request: &InferRequest) -> Result<Self, Failure> {
        if request.outputs.is_empty() {
            return Ok(Self([ITEMS, SCORES].map(|name| (name, request.default_encoding())).to_vec()));
        }
        let mut wanted: Vec<(&'static str, Encoding)> = Vec::new();
        for output in &request.outputs {
            let known = [ITEMS, SCORES].into_iter().find(|name| *name == output.name);
            let Some(name) = known else {
                let name: String = output.name.chars().take(64).collect();
                return Err(Failure::bad_request(format!(
                    "unknown output {name:?}; `items` and `scores` are known"
                )));
            };
            if wanted.iter().any(|(other, _)| *other == name) {
                return Err(Failure::bad_request(format!("output `{name}` is asked for twice")));
            }
            wanted.push((name, output.encoding));
        }
        Ok(Self(wanted))
    }

    fn encoding(&self, name: &str) -> Encoding {
        self.0.iter().find(|(other, _)| *other == name).map_or(Encoding::Json, |(_, encoding)| *encoding)
    }
}

/// How many rows are wanted.
fn limit(parameters: &Parameters) -> Result<usize, Failure> {
    let Some(value) = given(parameters, LIMIT_PARAMETER) else { return Ok(DEFAULT_LIMIT) };
    let limit = value.as_u64().and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.filter(|limit| (1..=LIMIT).contains(limit));
    limit.ok_or_else(|| Failure::bad_request(format!("parameter `limit` is 1 to {LIMIT}")))
}

/// After what time the answer is worthless; 0 is none, as for Triton.
fn time_limit(parameters: &Parameters) -> Result<Option<Duration>, Failure> {
    let Some(value) = given(parameters, TIMEOUT_PARAMETER) else { return Ok(None) };
    // What Triton takes too: an unsigned number of 32 bits and more is past every caller's patience.
    let micros = value.as_u64().map(|micros| micros.min(u32::MAX.into()));
    let micros = micros.ok_or_else(|| Failure::bad_request("parameter `timeout` is whole microseconds"))?;
    Ok((micros > 0).then(|| Duration::from_micros(micros)))
}

fn given<'a>(parameters: &'a Parameters, name: &str) -> Option<&'a Value> {
    parameters.get(name).filter(|value| !value.is_null())
}

fn is_sound(list: &[Scored], limit: usize) -> bool {
    list.len() == limit && list.iter().all(|scored| scored.score.is_finite())
}

fn reply(
    model: &Model,
    id: Option<String>,
    lists: &[Vec<Scored>],
    length: usize,
    wanted: &Wanted,
) -> Response {
    let all = || lists.iter().flatten();
    let tensor = |&(name, _): &(&str, Encoding)| {
        let data = match name {
            // A catalogue has fewer rows than an `i32` counts.
            ITEMS => Data::Int32(all().map(|scored| scored.row.cast_signed()).collect()),
            _ => Data::Fp32(all().map(|scored| scored.score).collect()),
        };
        Tensor { name: name.to_owned(), shape: vec![lists.len(), length], data }
    };
    let mut parameters = Parameters::new();
    parameters.insert(DIGEST_PARAMETER.into(), model.digest.clone().into());
    let response = InferResponse {
        model_name: model.name.clone(),
        model_version: Some(model.version.clone()),
        id,
        parameters,
        outputs: wanted.0.iter().map(tensor).collect(),
    };
    let encoded = response.encode(|name| wanted.encoding(name));
    let media_type = HeaderValue::from_static(encoded.media_type());
    let mut response = encoded.body.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    if let Some(length) = encoded.header_length {
        response.headers_mut().insert(HEADER_LENGTH, length.into());
    }
    response.extensions_mut().insert(AnsweredBy(model.name.clone()));
    response
}

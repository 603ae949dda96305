use std::io::{self, Write};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::Request;
use axum::routing::{get, post};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::emf::Emitter;
use super::requests::{Served, logged_by};
use super::work::{Failure, LinkCheck, Verdict};
use super::{Dependency, Folding};
use crate::api::http::{self, RequestId};
use crate::api::{Problem, ProblemCode, RecommendationRequest};
use crate::recommend::Recommending;
use crate::testing;

/// What was written, as CloudWatch gets it.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines, each a document of the Embedded Metric Format.
    fn lines(&self) -> Vec<Value> {
        let lines: Vec<Value> = self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        lines.iter().for_each(assert_embedded_metrics);
        lines
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

thread_local! {
    static TOLD: Captured = Captured::default();
}

/// What the log tells people, each thread its own. One log for all threads: while there is only one that belongs to a
/// thread, `tracing` lets whichever thread comes by first decide for all whether a line is written.
fn told() -> Captured {
    static LOG: Once = Once::new();
    LOG.call_once(|| {
        let log = tracing_subscriber::fmt().compact().with_ansi(false);
        log.with_writer(|| TOLD.with(Captured::clone)).init();
    });
    TOLD.with(Captured::clone)
}

/// What the specification asks of a document, and of us: no metric or dimension that the line has no value for.
fn assert_embedded_metrics(line: &Value) {
    assert!(line["_aws"]["Timestamp"].is_u64(), "{line}");
    let directives = line["_aws"]["CloudWatchMetrics"].as_array().unwrap();
    assert!(!directives.is_empty(), "{line}");
    for directive in directives {
        assert_eq!(directive["Namespace"], "Marquee", "{line}");
        for metric in directive["Metrics"].as_array().unwrap() {
            assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{metric} of {line}");
            assert!(["Count", "Milliseconds"].contains(&metric["Unit"].as_str().unwrap()), "{metric}");
        }
        for name in directive["Dimensions"].as_array().unwrap().iter().flat_map(|set| set.as_array().unwrap())
        {
            assert!(!line[name.as_str().unwrap()].as_str().unwrap().is_empty(), "{name} of {line}");
        }
    }
}

/// The metrics of a line: by which dimensions, and their values.
fn metrics(line: &Value) -> Value {
    let directives = line["_aws"]["CloudWatchMetrics"].as_array().unwrap().iter();
    let metrics = directives.map(|directive| {
        let names =
            directive["Metrics"].as_array().unwrap().iter().map(|metric| metric["Name"].as_str().unwrap());
        // How long it took is never the same.
        let values =
            names.map(|name| (name.to_owned(), line[name].clone())).filter(|(name, _)| name != "Latency");
        json!([directive["Dimensions"], values.collect::<serde_json::Map<_, _>>()])
    });
    metrics.collect()
}

/// Routes that do what handlers do.
fn routes() -> Router {
    let folder = testing::artifact();
    let recommending = Arc::new(Recommending::open(folder.path()).unwrap());
    let recommend = async move |id: RequestId, request: Request<Body>| {
        let request: Result<RecommendationRequest, _> = http::json_body(request).await;
        http::reply_with_receipt(request.map(|request| recommending.answer(&request, id.0.clone())), id)
    };
    let user = async |Path(_): Path<String>, id: RequestId| http::reply(Ok(json!({})), id);
    let broken = async |id: RequestId| {
        tracing::warn!("something is wrong");
        http::reply::<()>(Err(Problem::new(ProblemCode::Internal, "")), id)
    };
    let router = Router::new().route("/v1/recommendations", post(recommend));
    http::finish(router.route("/v1/users/{id}", get(user)).route("/v1/broken", get(broken)))
}

/// The lines that a request leaves where machines read the log.
async fn lines(request: Request<Body>) -> Vec<Value> {
    let captured = Captured::default();
    let emitter = Arc::new(Emitter::new("testing", captured.clone()));
    let router = logged_by(routes(), move |served| served.emit(&emitter));
    router.oneshot(request).await.unwrap();
    captured.lines()
}

async fn line(request: Request<Body>) -> Value {
    let mut lines = lines(request).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.remove(0)
}

fn get_request(path: &str) -> Request<Body> {
    Request::get(path).header("x-request-id", "request-1").body(Body::empty()).unwrap()
}

fn recommendation(body: &str) -> Request<Body> {
    let request = Request::post("/v1/recommendations").header("content-type", "application/json");
    request.header("x-request-id", "request-1").body(body.to_owned().into()).unwrap()
}

#[tokio::test]
async fn an_answer_is_one_line_with_its_receipt_and_metrics_by_route_and_rung() {
    let request = r#"{"user_id": "someone@example.org", "history": ["alpha", "bravo"]}"#;
    let line = line(recommendation(request)).await;
    let said = |name: &str| line[name].clone();
    assert_eq!(said("message"), "answered");
    assert_eq!(said("level"), "INFO");
    assert_eq!(said("route"), "POST /v1/recommendations");
    assert_eq!(said("request_id"), "request-1");
    assert_eq!(said("status"), 200);
    assert_eq!(
        (said("rung"), said("profile"), said("model_version")),
        ("function".into(), "request".into(), "1".into())
    );
    assert_eq!(said("degraded"), json!([]));
    assert!(said("elapsed_ms").as_f64().unwrap() <= said("Latency").as_f64().unwrap(), "{line}");
    assert_eq!(
        metrics(&line),
        json!([
            [[["service", "route"]], {"Requests": 1, "Errors": 0, "Refusals": 0, "Degraded": 0}],
            [[["service", "route", "rung"]], {"Answers": 1}],
        ])
    );
    let text = line.to_string();
    assert!(!text.contains("someone") && !text.contains("alpha"), "{text}");
}

#[tokio::test]
async fn a_degraded_answer_says_why() {
    let line = line(recommendation(r#"{"history": ["nobody-knows"]}"#)).await;
    assert_eq!((&line["rung"], &line["reason"]), (&json!("popular"), &json!("no_known_history")));
    assert_eq!((&line["degraded"], &line["Degraded"]), (&json!(["no_known_history"]), &json!(1)));
}

#[tokio::test]
async fn a_refusal_is_one_line_with_its_code_and_no_rung() {
    let line = line(recommendation(r#"{"history": ["alpha"], "k": 0}"#)).await;
    assert_eq!((&line["message"], &line["level"]), (&json!("refused"), &json!("INFO")));
    assert_eq!((&line["status"], &line["code"]), (&json!(422), &json!("invalid_request")));
    let expected = json!([[[["service", "route"]], {"Requests": 1, "Errors": 0, "Refusals": 1}]]);
    assert_eq!(metrics(&line), expected);
}

#[tokio::test]
async fn a_fault_of_ours_is_an_error() {
    let line = line(get_request("/v1/broken")).await;
    assert_eq!((&line["message"], &line["level"]), (&json!("failed"), &json!("ERROR")));
    assert_eq!((&line["status"], &line["Errors"], &line["Refusals"]), (&json!(500), &json!(1), &json!(0)));
}

#[tokio::test]
async fn a_route_is_named_by_its_template_and_unknown_paths_and_methods_not_at_all() {
    assert_eq!(line(get_request("/v1/users/someone@example.org")).await["route"], "GET /v1/users/{id}");
    let unknown = line(get_request("/someone@example.org")).await;
    assert_eq!((&unknown["route"], &unknown["code"]), (&json!("unmatched"), &json!("not_found")));
    assert!(!unknown.to_string().contains("someone"), "{unknown}");
    let odd = Request::builder().method("ODD").uri("/v1/broken").body(Body::empty()).unwrap();
    let odd = line(odd).await;
    assert_eq!((&odd["route"], &odd["code"]), (&json!("unmatched"), &json!("method_not_allowed")));
    assert_eq!(odd["request_id"].as_str().unwrap().len(), 32, "{odd}");
}

#[tokio::test]
async fn a_trace_goes_into_the_line() {
    let mut request = get_request("/v1/broken");
    assert_eq!(line(get_request("/v1/broken")).await["trace_id"], Value::Null);
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";
    request.headers_mut().insert("x-amzn-trace-id", trace.parse().unwrap());
    assert_eq!(line(request).await["trace_id"], "1-5759e988-bd862e3fe1be46a994272793");
}

#[tokio::test]
async fn people_read_a_line_that_is_no_json_and_lines_within_a_request_name_it() {
    let captured = told();
    let router = logged_by(routes(), |served: &Served<'_>| served.tell());
    router.clone().oneshot(recommendation(r#"{"history": ["alpha"]}"#)).await.unwrap();
    router.oneshot(get_request("/v1/broken")).await.unwrap();
    let text = captured.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    for part in
        ["answered", r#"route="POST /v1/recommendations""#, "status=200", "elapsed_ms=", r#"rung="function""#]
    {
        assert!(lines[0].contains(part), "{part}: {text}");
    }
    assert!(
        lines[1].contains("something is wrong") && lines[1].contains(r#"request_id="request-1""#),
        "{text}"
    );
    assert!(lines[2].contains("failed") && lines[2].contains(r#"code="internal""#), "{text}");
}

#[tokio::test]
async fn machines_find_the_request_in_lines_within_it() {
    let captured = Captured::default();
    // Beside the one log for all threads, so that none of them decides for this one.
    told();
    let writer = captured.clone();
    let log = super::json(tracing_subscriber::fmt()).with_writer(move || writer.clone()).finish();
    let log = tracing::subscriber::set_default(log);
    routes().oneshot(get_request("/v1/broken")).await.unwrap();
    drop(log);
    let line: Value = serde_json::from_str(&captured.text()).unwrap();
    assert_eq!((&line["level"], &line["message"]), (&json!("WARN"), &json!("something is wrong")));
    assert_eq!(line["span"]["request_id"], "request-1");
}

#[test]
fn work_that_is_no_request_is_counted_too() {
    let captured = Captured::default();
    let emitter = Emitter::new("testing", captured.clone());
    let elapsed = Duration::from_micros(1_500);
    Folding { records: 5, folded: 3, failed: 2, elapsed }.emit(&emitter);
    let route = "POST /v1/events";
    Verdict { route, allowed: false, key_id: Some("app"), reason: Some("scope") }.emit(&emitter);
    Verdict { route, allowed: true, key_id: Some("app"), reason: None }.emit(&emitter);
    let error = "the table can't be reached".to_owned();
    Failure { dependency: Dependency::Store, operation: "put", error }.emit(&emitter);
    LinkCheck { accelerator: "https://gpu:443", up: false, elapsed }.emit(&emitter);

    let lines = captured.lines();
    let counted = json!({
        "StreamRecords": 5, "FoldedEvents": 3, "FailedRecords": 2, "FoldLatency": 1.5,
    });
    assert_eq!(metrics(&lines[0]), json!([[[["service"]], counted]]));
    assert_eq!(lines[0]["level"], "WARN");
    assert_eq!(metrics(&lines[1]), json!([[[["service"]], {"Authorizations": 1, "Denials": 1}]]));
    assert_eq!((&lines[1]["key_id"], &lines[1]["reason"]), (&json!("app"), &json!("scope")));
    assert_eq!(metrics(&lines[2]), json!([[[["service"]], {"Authorizations": 1, "Denials": 0}]]));
    assert_eq!(metrics(&lines[3]), json!([[[["service", "dependency"]], {"DependencyFailures": 1}]]));
    assert_eq!((&lines[3]["dependency"], &lines[3]["service"]), (&json!("store"), &json!("testing")));
    assert_eq!(metrics(&lines[4]), json!([[[["service"]], {"LinkUp": 0, "LinkLatency": 1.5}]]));
    assert_eq!((&lines[4]["accelerator"], &lines[4]["level"]), (&json!("https://gpu:443"), &json!("WARN")));
}

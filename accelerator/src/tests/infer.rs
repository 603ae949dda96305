//! What requests get: lists, in either encoding, or words.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use shared::testing;

use super::*;
use crate::batcher::Batcher;
use crate::engine::{Engine, EngineError, Query};
use crate::models::Model;

#[tokio::test]
async fn both_encodings_say_what_the_artifact_says() {
    for folder in [testing::artifact(), testing::sasrec_artifact()] {
        let (server, artifact) = (Server::of(&[&folder]).await, Artifact::open(folder.path()).unwrap());
        let histories = vec![liked(&[0, 1]), liked(&[7]), liked(&[3, 6, 2, 5])];
        let expected: Vec<_> = histories.iter().map(|history| direct(&artifact, history, 5)).collect();
        for encoding in [Encoding::Json, Encoding::Binary] {
            let (body, header_length) = encoded(&histories, 5, encoding);
            let path = format!("/v2/models/{}/versions/1/infer", server.name());
            let mut request = request("POST", &path, body);
            if let Some(length) = header_length {
                request.headers_mut().insert(HEADER_LENGTH, length.into());
            }
            let reply = send(&server.router, request).await;
            assert_eq!(reply.headers.contains_key(HEADER_LENGTH), encoding == Encoding::Binary);
            let decoded = reply.decoded();
            assert_eq!(contract::lists(&decoded, 3, 8).unwrap(), expected);
            assert_eq!(decoded.model_name, server.name());
            assert_eq!(decoded.model_version.as_deref(), Some("1"));
            assert_eq!(decoded.parameters["digest"], artifact.manifest.digest);
        }
    }
}

#[tokio::test]
async fn outputs_come_as_they_are_asked_for_and_the_id_comes_back() {
    let folder = testing::artifact();
    let server = Server::of(&[&folder]).await;
    let mut body = of_rows(&[2], 3);
    body["id"] = json!("one");
    body["outputs"] = json!([{"name": "scores"}, {"name": "items", "parameters": {"binary_data": true}}]);
    let reply = server.infer(&body).await;
    let json_length: usize = reply.headers[HEADER_LENGTH].to_str().unwrap().parse().unwrap();
    assert_eq!(reply.body.len(), json_length + 3 * 4);
    let decoded = reply.decoded();
    assert_eq!(decoded.id.as_deref(), Some("one"));
    let names: Vec<_> = decoded.outputs.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(names, ["scores", "items"]);

    body["outputs"] = json!([{"name": "items"}]);
    assert_eq!(server.infer(&body).await.json()["outputs"].as_array().unwrap().len(), 1);
    body["outputs"] = json!([]);
    body["parameters"] = json!({"binary_data_output": true, "limit": null, "timeout": 0});
    let reply = server.infer(&body).await;
    assert_eq!(reply.headers["content-type"], "application/octet-stream");
    // Without a limit, as many as there are up to 100.
    assert_eq!(reply.decoded().outputs[0].shape, [1, 8]);
}

#[tokio::test]
async fn gzip_is_taken_and_given() {
    let folder = testing::artifact();
    let server = Server::of(&[&folder]).await;
    let plain = server.infer(&of_rows(&[1], 8)).await;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(of_rows(&[1], 8).to_string().as_bytes()).unwrap();
    let path = format!("/v2/models/{}/infer", server.name());
    let mut request = request("POST", &path, gzip.finish().unwrap());
    request.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    request.headers_mut().insert("accept-encoding", "gzip".parse().unwrap());
    let reply = send(&server.router, request).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.headers["content-encoding"], "gzip");
    let mut text = Vec::new();
    GzDecoder::new(&reply.body[..]).read_to_end(&mut text).unwrap();
    assert_eq!(text, plain.body);
}

#[tokio::test]
async fn a_body_too_large_is_refused_also_when_it_is_small_on_the_wire() {
    let folder = testing::artifact();
    let server = Server::of(&[&folder]).await;
    let path = format!("/v2/models/{}/infer", server.name());
    let spaces = vec![b' '; 3 << 20];
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&spaces).unwrap();
    let mut small = request("POST", &path, gzip.finish().unwrap());
    small.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    for request in [request("POST", &path, spaces), small] {
        let words = send(&server.router, request).await.refused(413);
        assert_eq!(words, "a body has at most 2097152 bytes, its coding taken off");
    }
    let mut broken = request("POST", &path, "no gzip");
    broken.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    assert!(send(&server.router, broken).await.refused(400).starts_with("the body broke off"));
    let mut unknown = request("POST", &path, "{}");
    unknown.headers_mut().insert("content-encoding", "zstd".parse().unwrap());
    assert!(send(&server.router, unknown).await.refused(415).contains("gzip"));
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said() {
    let folder = testing::artifact();
    let server = Server::of(&[&folder]).await;
    let input = |shape: Value, datatype: &str, data: Value| json!({"inputs": [{"name": "history", "shape": shape, "datatype": datatype, "data": data}]});
    let with = |key: &str, value: Value| {
        let mut body = of_rows(&[1], 2);
        body[key] = value;
        body
    };
    for (body, words) in [
        (json!({}), "not a message of the protocol"),
        (json!({"inputs": []}), "input `history` is missing"),
        (input(json!([2]), "INT32", json!([1, 2])), "`history` is INT32 [2]"),
        (input(json!([1, 3]), "INT32", json!([1, 2])), "2 values, where its shape has 3"),
        (input(json!([1, 1]), "INT64", json!([1])), "datatype \"INT64\""),
        (input(json!([1, 1]), "FP32", json!([1])), "`history` is FP32 [1, 1]"),
        (input(json!([1, 1]), "INT32", json!([0.5])), "a value that is no INT32"),
        (input(json!([1, 1]), "INT32", json!([9])), "an item that the catalogue lacks"),
        (input(json!([1, 1]), "INT32", json!([-1])), "an item that the catalogue lacks"),
        (input(json!([65, 1]), "INT32", json!(vec![1; 65])), "65 histories; 1 to 64 are taken"),
        (input(json!([1, 501]), "INT32", json!(vec![1; 501])), "histories of length 501; 1 to 500 are taken"),
        (with("parameters", json!({"limit": 0})), "parameter `limit` is 1 to 1000"),
        (with("parameters", json!({"limit": 1001})), "parameter `limit` is 1 to 1000"),
        (with("parameters", json!({"limit": "5"})), "parameter `limit` is 1 to 1000"),
        (with("parameters", json!({"timeout": -1})), "parameter `timeout` is whole microseconds"),
        (with("outputs", json!([{"name": "titles"}])), "unknown output \"titles\""),
        (with("outputs", json!([{"name": "items"}, {"name": "items"}])), "output `items` is asked for twice"),
    ] {
        let found = server.infer(&body).await.refused(400);
        assert!(found.contains(words), "{found:?} does not say {words:?}");
    }
    let path = format!("/v2/models/{}/infer", server.name());
    for (length, body, words) in [
        (None, "<html>", "not JSON (line 1, column 1)"),
        (Some("7"), "{}", "a JSON header of 7 bytes in a body of 2 bytes"),
        (Some("-1"), "{}", "Inference-Header-Content-Length is no length"),
        (Some("2"), "{} ", "not a message of the protocol"),
    ] {
        let mut request = request("POST", &path, body);
        if let Some(length) = length {
            request.headers_mut().insert(HEADER_LENGTH, length.parse().unwrap());
        }
        let found = send(&server.router, request).await.refused(400);
        assert!(found.contains(words), "{found:?} does not say {words:?}");
    }
}

/// An engine that finds no numbers for the first item, and the item itself for others.
#[derive(Debug)]
struct Overflowing;

impl Engine for Overflowing {
    fn recommend(&self, batch: &[Query]) -> Result<Vec<Vec<Scored>>, EngineError> {
        let list = |query: &Query| match query.history[0].row {
            0 => Vec::new(),
            1 => vec![Scored { row: 1, score: f32::INFINITY }],
            row => vec![Scored { row, score: 1.0 }],
        };
        Ok(batch.iter().map(list).collect())
    }
}

#[tokio::test]
async fn scores_that_are_no_numbers_are_never_sent() {
    let folder = testing::artifact();
    let server = Server::of(&[&folder]).await;
    let model = server.app.models.get(&server.name()).unwrap();
    let batcher = Batcher::start(Arc::new(Overflowing), BATCHING, Metrics::new().of_model("m"));
    let (name, version, digest) = (model.name.clone(), model.version.clone(), model.digest.clone());
    server.app.models.serve([Arc::new(Model { name, version, digest, batcher, ..*model })]);
    for rows in [[2, 0], [3, 1]] {
        let (body, _) = encoded(&rows.map(|row| liked(&[row])), 1, Encoding::Json);
        let path = format!("/v2/models/{}/infer", server.name());
        let words = send(&server.router, request("POST", &path, body)).await.refused(400);
        assert_eq!(words, "history 1: its weights lead to scores that are no numbers");
    }
    assert_eq!(server.infer(&of_rows(&[2], 1)).await.status, 200);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_says_when_to_come_back() {
    let folder = testing::artifact();
    let batching = Batching { queue: 1, ..BATCHING };
    let server = Server::with(&[&folder], batching, Access::Open).await;
    // Two histories never fit in a queue of one.
    let (body, _) = encoded(&[liked(&[1]), liked(&[2])], 3, Encoding::Json);
    let path = format!("/v2/models/{}/infer", server.name());
    let reply = send(&server.router, request("POST", &path, body)).await;
    assert_eq!(reply.headers["retry-after"], "1");
    assert_eq!(reply.refused(503), "the queue is full");
    let metrics = server.get("/metrics").await;
    let text = String::from_utf8(metrics.body.to_vec()).unwrap();
    let name = server.name();
    for line in [
        format!("marquee_accelerator_dropped_requests_total{{model=\"{name}\",reason=\"full\"}} 1"),
        format!("marquee_accelerator_requests_total{{model=\"{name}\",status=\"503\"}} 1"),
        format!("marquee_accelerator_queue_length{{model=\"{name}\"}} 0"),
        "marquee_accelerator_ready 1".to_owned(),
    ] {
        assert!(text.contains(&line), "no {line:?} in\n{text}");
    }
}

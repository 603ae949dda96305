//! What clients ask before they infer.

use shared::testing;

use super::*;

#[tokio::test]
async fn health_is_said_in_words_that_clients_parse() {
    let folder = testing::artifact();
    let server = Server::of(&[&folder]).await;
    assert_eq!(server.get("/v2/health/live").await.json(), json!({"live": true}));
    assert_eq!(server.get("/v2/health/ready").await.json(), json!({"ready": true}));
    let path = format!("/v2/models/{}/ready", server.name());
    assert_eq!(server.get(&path).await.json(), json!({"name": server.name(), "ready": true}));

    server.app.drain();
    for path in ["/v2/health/ready", &path] {
        let reply = server.get(path).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["ready"]), (503, &json!(false)));
    }
    assert_eq!(server.get("/v2/health/live").await.status, 200);
    // What is asked meanwhile is still answered.
    assert_eq!(server.infer(&of_rows(&[1], 2)).await.status, 200);
}

#[tokio::test]
async fn metadata_and_configuration_describe_the_tensors() {
    let folder = testing::sasrec_artifact();
    let server = Server::of(&[&folder]).await;
    let extensions = json!(["binary_tensor_data", "model_configuration"]);
    assert_eq!(server.get("/v2").await.json()["extensions"], extensions);
    assert_eq!(server.get("/v2/").await.json()["name"], "marquee-accelerator");
    let name = server.name();
    for path in [format!("/v2/models/{name}"), format!("/v2/models/{name}/versions/1")] {
        let found = server.get(&path).await.json();
        let tensor =
            |name: &str, datatype: &str| json!({"name": name, "datatype": datatype, "shape": [-1, -1]});
        let expected = json!({
            "name": name, "versions": ["1"], "platform": "marquee_sasrec",
            "inputs": [tensor("history", "INT32"), tensor("weights", "FP32")],
            "outputs": [tensor("items", "INT32"), tensor("scores", "FP32")],
        });
        assert_eq!(found, expected);
    }
    let config = server.get(&format!("/v2/models/{name}/config")).await.json();
    assert_eq!(config["max_batch_size"], 64);
    let history = json!({"name": "history", "data_type": "TYPE_INT32", "dims": [-1], "optional": false});
    assert_eq!(config["input"][0], history);
    assert_eq!(config["output"][1], json!({"name": "scores", "data_type": "TYPE_FP32", "dims": [-1]}));
    assert_eq!(config["dynamic_batching"]["preferred_batch_size"], json!([32]));
}

#[tokio::test]
async fn what_is_not_there_is_refused_in_words() {
    let folder = testing::artifact();
    let server = Server::of(&[&folder]).await;
    let name = server.name();
    for what in ["", "/ready", "/config"] {
        let unknown = server.get(&format!("/v2/models/marquee-000000000000{what}")).await;
        assert_eq!(unknown.refused(404), "no model of this name is served");
        let version = server.get(&format!("/v2/models/{name}/versions/2{what}")).await;
        assert_eq!(version.refused(404), "this version of the model is not served");
    }
    let infer = request("POST", "/v2/models/other/infer", "{}");
    assert_eq!(send(&server.router, infer).await.refused(404), "no model of this name is served");
    // A statistics endpoint that is half made trips perf_analyzer.
    for path in ["/", "/v3", "/v2/models/stats/x/y", &format!("/v2/models/{name}/stats")] {
        assert_eq!(server.get(path).await.refused(404), "no such route", "{path}");
    }
    let reply = server.get(&format!("/v2/models/{name}/infer")).await;
    assert_eq!(reply.headers["allow"], "POST");
    assert!(reply.refused(405).contains("Allow"));
    let text = String::from_utf8(server.get("/metrics").await.body.to_vec()).unwrap();
    // What callers make up makes no series.
    assert!(text.contains("requests_total{model=\"\",status=\"404\"}"), "{text}");
    assert!(!text.contains("model=\"other\""), "{text}");
}

#[tokio::test]
async fn two_models_answer_side_by_side() {
    let (calm, other) =
        (testing::artifact(), testing::artifact_of(&["x", "y", "z"], 2, |row, d| (row + d) as f32));
    let server = Server::of(&[&calm, &other]).await;
    for folder in [&calm, &other] {
        let artifact = Artifact::open(folder.path()).unwrap();
        let name = contract::model_name(&artifact.manifest.catalogue_digest);
        let path = format!("/v2/models/{name}/infer");
        let reply = send(&server.router, request("POST", &path, of_rows(&[1], 3).to_string())).await;
        let expected = direct(&artifact, &liked(&[1]), 3);
        assert_eq!(contract::lists(&reply.decoded(), 1, artifact.catalogue.len()).unwrap(), [expected]);
    }
}

#[tokio::test]
async fn two_models_of_one_catalogue_are_refused_at_start() {
    let (one, two) = (testing::artifact(), testing::sasrec_artifact());
    let metrics = Metrics::new();
    let models = Arc::new(Models::new(metrics.clone()));
    let serving = Serving { device: Device::Cpu, batching: BATCHING, metrics };
    let paths = [one.path().to_owned(), two.path().to_owned()];
    let error = Sources::open(&paths, serving, models, GRACE).await.unwrap_err().to_string();
    assert!(error.contains("hold models of one catalogue"), "{error}");
}

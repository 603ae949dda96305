//! The client beside a server that is told, connection by connection and reply by reply, how to behave.

use std::collections::VecDeque;
use std::path::Path;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::accelerator::contract;
use crate::model::Attraction;
use crate::secrets::{SecretError, Source};

/// Raw replies, by connection: each connection sends its own, one a request, and is closed after the last.
async fn server(connections: Vec<Vec<Vec<u8>>>) -> (Endpoint, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    tokio::spawn(async move {
        let mut connections = VecDeque::from(connections);
        while let Some(replies) = connections.pop_front() {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream, replies, Arc::clone(&hears)));
        }
    });
    (format!("http://127.0.0.1:{port}").parse().unwrap(), heard)
}

async fn serve(mut stream: TcpStream, replies: Vec<Vec<u8>>, heard: Arc<Mutex<Vec<String>>>) {
    for reply in replies {
        let request = request(&mut stream).await;
        heard.lock().unwrap().push(request);
        stream.write_all(&reply).await.unwrap();
    }
}

/// One request, to the end of its body.
async fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return String::from_utf8(bytes).unwrap();
            }
        }
        if stream.read_buf(&mut bytes).await.unwrap() == 0 {
            return text;
        }
    }
}

fn http(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

const ANSWER: &str = r#"{"model_name": "m", "outputs": [
    {"name": "items", "shape": [1, 2], "datatype": "INT32", "data": [1, 0]},
    {"name": "scores", "shape": [1, 2], "datatype": "FP32", "data": [2, 1]}]}"#;

fn answer() -> Vec<u8> {
    http("200 OK", "", ANSWER.as_bytes())
}

async fn ask(client: &Client) -> Result<InferResponse, CallError> {
    ask_within(client, Duration::from_secs(5)).await
}

async fn ask_within(client: &Client, limit: Duration) -> Result<InferResponse, CallError> {
    let history = [Attraction { row: 0, weight: 1.0 }];
    let request = contract::request(&[&history], 2, limit);
    client.infer(&request, Instant::now() + limit).await
}

fn client(endpoint: Endpoint) -> Client {
    Client::new(endpoint, "m".into(), None)
}

#[tokio::test]
async fn one_connection_serves_request_after_request_and_no_header_is_missing() {
    let (endpoint, heard) = server(vec![vec![answer(), answer()]]).await;
    let client = client(endpoint);
    for _ in 0..2 {
        assert_eq!(contract::lists(&ask(&client).await.unwrap(), 1, 2).unwrap()[0].len(), 2);
    }
    let heard = heard.lock().unwrap().join("\n").to_lowercase();
    assert_eq!(heard.matches("post /v2/models/m/infer http/1.1").count(), 2);
    for part in ["host: 127.0.0.1:", "content-type: application/json", r#""binary_data":true"#] {
        assert!(heard.contains(part), "{part}: {heard}");
    }
}

#[tokio::test]
async fn a_connection_that_is_none_any_more_costs_one_attempt_and_no_answer() {
    // The server closes each after one reply, and says nothing of it.
    let (endpoint, _) = server(vec![vec![answer()], vec![answer()], vec![answer()]]).await;
    let client = client(endpoint);
    for _ in 0..3 {
        ask(&client).await.unwrap();
    }
}

#[tokio::test]
async fn an_idle_connection_that_says_nothing_gets_half_of_the_time_and_a_new_one_the_rest() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let endpoint: Endpoint = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let client = client(endpoint);
    let serving = async {
        let (mut first, _) = listener.accept().await.unwrap();
        request(&mut first).await;
        first.write_all(&answer()).await.unwrap();
        // From now on it keeps the connection and says nothing.
        let (mut second, _) = listener.accept().await.unwrap();
        request(&mut second).await;
        second.write_all(&answer()).await.unwrap();
        (first, second)
    };
    let asking = async {
        ask(&client).await.unwrap();
        tokio::time::sleep(SUSPECT + Duration::from_millis(50)).await;
        ask_within(&client, Duration::from_secs(2)).await.unwrap();
    };
    tokio::join!(serving, asking);
}

#[tokio::test]
async fn each_failure_is_of_its_kind() {
    let cut = {
        let mut cut = answer();
        cut.truncate(cut.len() - 10);
        cut
    };
    let lies = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 100_000_000).into_bytes();
    let chunks = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(), {
        let mut chunk = b"fffff\r\n".to_vec();
        chunk.resize(7 + 0xfffff, b' ');
        chunk
    }]
    .concat();
    let redirect = http("307 Temporary Redirect", "location: /elsewhere\r\n", b"");
    for (reply, expected) in [
        (http("404 Not Found", "", br#"{"error": "unknown"}"#), "status 404: unknown"),
        (
            http("500 Internal Server Error", "", b"Internal Server Error"),
            "status 500: Internal Server Error",
        ),
        (redirect, "status 307: "),
        (lies, "a reply of more than 131072 bytes"),
        (chunks, "a reply of more than 131072 bytes"),
        (http("200 OK", "", b"<html>"), "not JSON (line 1, column 1)"),
        (
            http("200 OK", "inference-header-content-length: x\r\n", b"{}"),
            "the header inference-header-content-length of the reply is no number",
        ),
        (
            http("200 OK", "", ANSWER.replace(r#""m""#, r#""other""#).as_bytes()),
            "an answer of another model than m",
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), "no reply in HTTP"),
        (cut, "lost in the middle of a reply"),
        (Vec::new(), "closed"),
    ] {
        let (endpoint, _) = server(vec![vec![reply]]).await;
        let error = ask(&client(endpoint)).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{expected}: {error:?}");
    }
    let closed = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    let error = ask(&client(format!("http://{closed}").parse().unwrap())).await.unwrap_err();
    assert!(matches!(&error, CallError::Unreachable(words) if words.contains("refused")), "{error:?}");
}

/// Credentials that change when they are read again.
#[derive(Debug)]
struct Rotating(Mutex<VecDeque<&'static str>>);

#[async_trait]
impl Source for Rotating {
    async fn fetch(&self) -> Result<String, SecretError> {
        let mut texts = self.0.lock().unwrap();
        let text = if texts.len() > 1 { texts.pop_front() } else { texts.front().copied() };
        text.map(str::to_owned).ok_or_else(|| SecretError::new("x can't be read"))
    }

    fn name(&self) -> &str {
        "x"
    }
}

fn with_credentials(endpoint: Endpoint, texts: &[&'static str]) -> Client {
    let source = Rotating(Mutex::new(texts.iter().copied().collect()));
    let cached = Arc::new(Cached::new(source, Duration::from_secs(300), Credentials::parse));
    Client::new(endpoint, "m".into(), Some(cached))
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_rotated_is_read_again_within_the_request() {
    let no = http("401 Unauthorized", "", br#"{"error": "who?"}"#);
    let (endpoint, heard) = server(vec![vec![answer(), no], vec![answer()]]).await;
    let client = with_credentials(endpoint, &[r#"{"token": "old"}"#, r#"{"token": "new"}"#]);
    let history = [Attraction { row: 0, weight: 1.0 }];
    let request = contract::request(&[&history], 2, Duration::from_secs(1));
    for _ in 0..2 {
        client.infer(&request, Instant::now() + Duration::from_secs(3_600)).await.unwrap();
        // Past the least time between two reads.
        tokio::time::advance(Duration::from_secs(6)).await;
    }
    let heard = heard.lock().unwrap();
    let tokens: Vec<_> = heard.iter().map(|request| request.contains("Bearer new")).collect();
    assert_eq!(tokens, [false, false, true]);
}

#[tokio::test]
async fn a_server_that_repeats_what_it_was_sent_brings_no_token_into_the_log() {
    let (endpoint, _) =
        server(vec![vec![http("400 Bad Request", "", b"bad header: Bearer hush, history [1]")]]).await;
    let error = ask(&with_credentials(endpoint, &[r#"{"token": "hush"}"#])).await.unwrap_err();
    assert_eq!(error.to_string(), "status 400: bad header: Bearer …, history [1]");
    assert_eq!(error.without_its_words(), "status 400");
}

/// Replies that Triton, KServe and MLServer gave, byte for byte.
#[tokio::test]
async fn what_real_servers_replied_is_taken() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/oip");
    for name in ["triton", "kserve", "mlserver"] {
        let recorded = std::fs::read(folder.join(format!("{name}-json-outputs-binary.http"))).unwrap();
        let start = recorded.windows(9).rposition(|bytes| bytes == b"HTTP/1.1 ").unwrap();
        let reply = recorded[start..].to_vec();
        let text = String::from_utf8_lossy(&reply);
        let model = text.split(r#""model_name":"#).nth(1).unwrap().split('"').nth(1).unwrap().to_owned();
        let (endpoint, _) = server(vec![vec![reply]]).await;
        let client = Client::new(endpoint, model, None);
        let response = ask(&client).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let batch = response.outputs[0].shape[0];
        let lists = contract::lists(&response, batch, 10).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(lists.iter().all(|list| !list.is_empty()), "{name}");
    }
}

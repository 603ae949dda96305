//! An accelerator in the test's own process, whose answers are told apart from every other at sight: it ranks each
//! catalogue backwards, for everybody.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use super::catalogue::Catalogue;
use super::message::Message;
use super::tensors::{Tensors, head};

/// A running server; it ends when dropped.
pub(crate) struct Accelerator {
    address: SocketAddr,
    _runtime: Runtime,
}

impl Accelerator {
    /// A server of a catalogue.
    pub(crate) fn of(catalogue: &Catalogue) -> Self {
        let runtime = super::runtime();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let rows: Vec<i32> = (0..i32::try_from(catalogue.items.len()).unwrap()).rev().collect();
        // Any that fall.
        let scores: Vec<f32> = rows.iter().map(|row| *row as f32).collect();
        let ranking = Tensors::ranking(&catalogue.model, &rows, &scores);
        let served = Arc::new((format!("POST /v2/models/{}/infer HTTP/1.1", catalogue.model), ranking));
        runtime.spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, Arc::clone(&served)));
            }
        });
        Self { address, _runtime: runtime }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Answers what one connection asks.
async fn serve(connection: TcpStream, served: Arc<(String, Tensors)>) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut connection = BufReader::new(connection);
    while let Some(request) = Message::read(&mut connection).await? {
        connection.write_all(&answer(&request, &served.0, &served.1).bytes()).await?;
    }
    Ok(())
}

/// The ranking, for a history of whoever it is, in the encoding that is wanted.
fn answer(request: &Message, infer: &str, ranking: &Tensors) -> Message {
    if request.start != infer {
        let healthy = request.start.starts_with("GET ");
        let status = if healthy { "200 OK" } else { "404 Not Found" };
        return Message::reply(status, "application/json", r#"{"error": "unknown model"}"#);
    }
    let wanted = head(request);
    let outputs = wanted["outputs"].as_array().expect("outputs are named");
    if outputs.iter().any(|output| output["parameters"]["binary_data"] != true) {
        return ranking.clone().reply_in_json();
    }
    let history = &wanted["inputs"][0];
    assert_eq!((&history["name"], &history["datatype"]), (&"history".into(), &"INT32".into()), "{wanted}");
    let length = history["data"].as_array().expect("inputs are JSON").len();
    assert_eq!(history["shape"], serde_json::json!([1, length]), "{wanted}");
    ranking.clone().reply()
}

//! The part of the Lambda runtime API that one invocation needs, over loopback: what a function's process talks to on
//! Lambda (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>).
//!
//! A function asks for its next invocation, gets an event, posts its answer and asks again; that second question is left
//! unanswered. Each thing heard carries the instant at which its last byte was there.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

/// Longer than any function takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A runtime API that serves one event to each function that is started.
#[derive(Debug)]
pub struct RuntimeApi {
    /// Where it listens: what `AWS_LAMBDA_RUNTIME_API` says.
    pub address: SocketAddr,
    heard: Receiver<Heard>,
    /// Whether the next question for an invocation gets the event.
    armed: Arc<AtomicBool>,
}

/// A request of the function.
#[derive(Debug)]
struct Heard {
    at: Instant,
    method: String,
    path: String,
    body: Vec<u8>,
}

impl RuntimeApi {
    /// Listens on a free port; `event` is what every invocation brings.
    ///
    /// # Errors
    /// When there is no port.
    pub fn start(event: Vec<u8>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen on 127.0.0.1")?;
        let address = listener.local_addr().context("cannot tell which port is listened on")?;
        let armed = Arc::new(AtomicBool::new(false));
        let (sender, heard) = mpsc::channel();
        let (event, arming) = (Arc::new(event), Arc::clone(&armed));
        // Ends with the process.
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (sender, event, armed) = (sender.clone(), Arc::clone(&event), Arc::clone(&arming));
                // A connection ends with its function's process, which may be in the middle of anything.
                thread::spawn(move || serve(connection, &sender, &event, &armed));
            }
        });
        Ok(Self { address, heard, armed })
    }

    /// A function is about to be started: it gets the event.
    pub fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }

    /// Waits for the function to ask for an invocation.
    ///
    /// # Errors
    /// When it does something else, or nothing for long.
    pub fn hear_question(&self) -> Result<Instant> {
        let heard = self.hear()?;
        match (heard.method.as_str(), heard.path.as_str()) {
            ("GET", "/2018-06-01/runtime/invocation/next") => Ok(heard.at),
            _ => bail!("the function sent {heard}, not a question for an invocation"),
        }
    }

    /// Waits for the function to post its answer, and returns it.
    ///
    /// # Errors
    /// When it does something else, or nothing for long.
    pub fn hear_answer(&self) -> Result<(Instant, Vec<u8>)> {
        let heard = self.hear()?;
        if heard.method == "POST" && heard.path.ends_with("/response") {
            return Ok((heard.at, heard.body));
        }
        bail!("the function sent {heard}, not its answer")
    }

    fn hear(&self) -> Result<Heard> {
        let seconds = PATIENCE.as_secs();
        self.heard
            .recv_timeout(PATIENCE)
            .with_context(|| format!("nothing came from the function in {seconds} s"))
    }
}

impl std::fmt::Display for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {:?}", self.method, self.path, String::from_utf8_lossy(&self.body))
    }
}

fn serve(connection: TcpStream, heard: &Sender<Heard>, event: &[u8], armed: &AtomicBool) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut writer = connection.try_clone()?;
    let mut reader = BufReader::new(connection);
    while let Some(request) = read_request(&mut reader)? {
        let asks = request.method == "GET";
        // The receiver is gone when the bench is over.
        heard.send(request).map_err(io::Error::other)?;
        if !asks {
            writer.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")?;
        } else if armed.swap(false, Ordering::SeqCst) {
            writer.write_all(&invocation(event))?;
        }
    }
    Ok(())
}

/// The next request of a connection; `None` when it is closed. A function states the length of what it posts.
fn read_request(reader: &mut impl BufRead) -> io::Result<Option<Heard>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Heard { at: Instant::now(), method, path, body }))
}

/// The reply that brings an event, with the headers of the real one.
fn invocation(event: &[u8]) -> Vec<u8> {
    const ALLOWED: Duration = Duration::from_secs(10);
    let deadline = (SystemTime::now() + ALLOWED).duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let mut reply = format!(
        "HTTP/1.1 200 OK\r\n\
         content-type: application/json\r\n\
         content-length: {}\r\n\
         lambda-runtime-aws-request-id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
         lambda-runtime-deadline-ms: {deadline}\r\n\
         lambda-runtime-invoked-function-arn: arn:aws:lambda:eu-central-1:123456789012:function:recommend\r\n\
         lambda-runtime-trace-id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0\r\n\r\n",
        event.len(),
    )
    .into_bytes();
    reply.extend_from_slice(event);
    reply
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn one_function_gets_one_event() {
        let api = RuntimeApi::start(b"{}".to_vec()).unwrap();
        api.arm();
        let mut function = TcpStream::connect(api.address).unwrap();
        function.write_all(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let asked = api.hear_question().unwrap();
        let mut reply = [0; 15];
        function.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"HTTP/1.1 200 OK");
        let post =
            b"POST /2018-06-01/runtime/invocation/1/response HTTP/1.1\r\nContent-Length: 4\r\n\r\nfine";
        function.write_all(post).unwrap();
        let (answered, body) = api.hear_answer().unwrap();
        assert!(answered > asked && body == b"fine");
        function.write_all(b"GET /error HTTP/1.1\r\n\r\n").unwrap();
        assert!(api.hear_question().unwrap_err().to_string().contains("GET /error"));
    }
}

//! The binary, running.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// A server on a free port, killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    /// What it printed up to the address and the sample.
    pub(crate) screen: String,
    /// Address and port.
    pub(crate) authority: String,
    errors: Arc<Mutex<String>>,
    reading: Option<JoinHandle<()>>,
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_marquee-accelerator"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What becomes of a server that ends by itself.
pub(crate) fn finished(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// A client that trusts a certificate.
pub(crate) fn agent(certificate: Option<&str>) -> Agent {
    let roots = certificate.map(|pem| Certificate::from_pem(pem.as_bytes()).unwrap());
    let roots = roots.map_or(RootCerts::WebPki, |root| RootCerts::new_with_certs(&[root]));
    let tls = TlsConfig::builder().root_certs(roots).build();
    let builder = Agent::config_builder().proxy(None).http_status_as_error(false);
    builder.tls_config(tls).build().into()
}

/// How often something that comes about is looked at, and for how long at most.
const LOOK: Duration = Duration::from_millis(20);
const LOOKS: usize = 3_000;

/// Waits for something that comes about.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    assert!(
        (0..LOOKS).any(|_| holds() || {
            thread::sleep(LOOK);
            false
        }),
        "never came about: {what}"
    );
}

/// The path of a folder, for a command line.
pub(crate) fn path(folder: &tempfile::TempDir) -> &str {
    folder.path().to_str().unwrap()
}

/// The JSON that comes back.
pub(crate) fn post(url: &str, body: &str) -> Value {
    let reply = agent(None).post(url).send(body).unwrap().body_mut().read_to_string().unwrap();
    serde_json::from_str(&reply).unwrap_or_else(|error| panic!("{error}: {reply}"))
}

/// A request for two rows for one item.
pub(crate) fn of_row(row: u32) -> Value {
    json!({
        "inputs": [{"name": "history", "shape": [1, 1], "datatype": "INT32", "data": [row + 1]}],
        "parameters": {"limit": 2},
    })
}

impl Running {
    /// On a free port unless the arguments say otherwise.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut arguments = arguments.to_vec();
        if !arguments.contains(&"--listen") {
            arguments.extend(["--listen", "127.0.0.1:0"]);
        }
        let mut child = command(&arguments).spawn().unwrap();
        let errors = Arc::new(Mutex::new(String::new()));
        let reading = {
            let (errors, stderr) = (Arc::clone(&errors), child.stderr.take().unwrap());
            thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    errors.lock().unwrap().push_str(&(line + "\n"));
                }
            })
        };
        let mut screen = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        // The sample ends the screen.
        while !screen.contains("-d '") {
            let read = stdout.read_line(&mut screen).unwrap();
            assert!(read > 0, "it ended: {screen}{}", errors.lock().unwrap());
        }
        thread::spawn(move || stdout.read_to_end(&mut Vec::new()));
        let address = screen.split_once("://").unwrap().1.split_once(',').unwrap().0;
        let authority = address.to_owned();
        Self { child, screen, authority, errors, reading: Some(reading) }
    }

    /// The first model's name.
    pub(crate) fn model(&self) -> &str {
        self.screen.split_once(':').unwrap().0
    }

    pub(crate) fn get(&self, path: &str) -> String {
        let url = format!("http://{}{path}", self.authority);
        agent(None).get(url).call().unwrap().body_mut().read_to_string().unwrap()
    }

    pub(crate) fn infer(&self, body: &Value) -> Value {
        let url = format!("http://{}/v2/models/{}/infer", self.authority, self.model());
        post(&url, &body.to_string())
    }

    /// What it has said on standard error.
    pub(crate) fn errors(&self) -> String {
        self.errors.lock().unwrap().clone()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end: status and standard error.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        self.reading.take().unwrap().join().unwrap();
        (status, self.errors())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! No function starts much later than a bare one, and none grows unnoticed: a sleep, a file that is read whole or a heavy
//! dependency has to be meant.
//!
//! The bare function (`src/bin/bare.rs`) and the others are built in one profile and started by turns in one run, so that a slow
//! machine slows both. Of several starts the fastest counts: it is the one that nothing else disturbed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tests::{RuntimeApi, binaries, command, model_dir};

/// Starts of each, of which the fastest counts.
const STARTS: usize = 9;
/// The longest that a function may take to ask for its first event, in starts of the bare one. On a busy machine those that
/// speak to nobody before it took 1.3 to 1.7 of them, those that read a secret or the table from AWS (here from somebody who
/// answers at once), or make a client of S3 or of an SDK at once, 4 to 8. A sleep of 20 ms adds 10 there, and more on a
/// quiet one.
const ALONE: f64 = 4.0;
const WITH_AWS: f64 = 12.0;

/// What a function may take.
struct Budget {
    function: &'static str,
    /// In starts of the bare function.
    starts: f64,
    /// What the system loads of its file, in times what it loads of the bare function's: 15% more than was found when the number
    /// was written. Who means a function to grow raises it.
    sizes: f64,
}

const BUDGETS: [Budget; 15] = [
    Budget { function: "recommend", starts: ALONE, sizes: 4.8 },
    Budget { function: "rank", starts: ALONE, sizes: 4.4 },
    Budget { function: "similar", starts: ALONE, sizes: 2.1 },
    Budget { function: "items", starts: ALONE, sizes: 2.1 },
    Budget { function: "health", starts: ALONE, sizes: 4.5 },
    Budget { function: "events", starts: WITH_AWS, sizes: 4.6 },
    Budget { function: "users", starts: WITH_AWS, sizes: 4.9 },
    Budget { function: "update-profiles", starts: WITH_AWS, sizes: 4.4 },
    Budget { function: "authorize", starts: WITH_AWS, sizes: 4.0 },
    Budget { function: "probe-accelerator", starts: ALONE, sizes: 4.5 },
    Budget { function: "verify-release", starts: WITH_AWS, sizes: 5.0 },
    Budget { function: "batches", starts: WITH_AWS, sizes: 5.9 },
    Budget { function: "plan-batch", starts: WITH_AWS, sizes: 5.3 },
    Budget { function: "score-batch", starts: WITH_AWS, sizes: 5.7 },
    Budget { function: "finish-batch", starts: WITH_AWS, sizes: 5.1 },
];

const BARE: &str = env!("CARGO_BIN_EXE_bare");

#[test]
fn no_function_starts_much_later_than_a_bare_one() -> Result<()> {
    let model = model_dir().to_str().context("a path in UTF-8")?;
    let variables = [
        ("AWS_ENDPOINT_URL", answering_at_once()?),
        ("AWS_REGION", "eu-central-1".into()),
        ("AWS_ACCESS_KEY_ID", "key".into()),
        ("AWS_SECRET_ACCESS_KEY", "secret".into()),
        ("AWS_EC2_METADATA_DISABLED", "true".into()),
        ("MARQUEE_MODEL_DIR", model.to_owned()),
        ("MARQUEE_TABLE", "people".into()),
        ("MARQUEE_ERASURE_SECRET", "erasure".into()),
        ("MARQUEE_KEYS_SECRET", "keys".into()),
        ("MARQUEE_BUCKET", "batches".into()),
        ("MARQUEE_STATE_MACHINE", "arn:aws:states:eu-central-1:123456789012:stateMachine:batches".into()),
        (
            "MARQUEE_RELEASE_VERSIONS",
            "recommend=arn:aws:lambda:eu-central-1:123456789012:function:recommend:1".into(),
        ),
    ];
    let api = RuntimeApi::start(b"{}".to_vec())?;
    let mut fastest: BTreeMap<&str, f64> = BTreeMap::new();
    for _ in 0..STARTS {
        let functions = BUDGETS.iter().map(|budget| (budget.function, binaries().path(budget.function)));
        for (name, program) in [("bare", Path::new(BARE))].into_iter().chain(functions) {
            let took = start(&api, name, program, &variables).with_context(|| name.to_owned())?.as_secs_f64();
            fastest.entry(name).and_modify(|fastest| *fastest = took.min(*fastest)).or_insert(took);
        }
    }
    let ratio = |budget: &Budget| fastest[budget.function] / fastest["bare"];
    let late = BUDGETS.iter().filter(|budget| ratio(budget) > budget.starts);
    let late: Vec<_> = late
        .map(|budget| {
            let Budget { function, starts, .. } = budget;
            format!(
                "{function} takes {:.1} starts of a bare function, where {starts} are meant",
                ratio(budget)
            )
        })
        .collect();
    println!("seconds: {fastest:?}");
    ensure!(late.is_empty(), "{late:?}; seconds: {fastest:?}");
    Ok(())
}

#[test]
fn no_function_is_much_larger_beside_a_bare_one_than_it_was() -> Result<()> {
    let bare = loaded_bytes(Path::new(BARE))? as f64;
    let mut grown = Vec::new();
    for Budget { function, sizes, .. } in BUDGETS {
        let size = loaded_bytes(binaries().path(function))? as f64 / bare;
        println!("{function} {size:.2}");
        if size > sizes {
            grown.push(format!("{function} is {size:.2} × a bare function, where {sizes} × is meant"));
        }
    }
    ensure!(grown.is_empty(), "{grown:?}; `cargo tree --edges normal --package NAME` shows what it links");
    Ok(())
}

/// The address of somebody who plays AWS and answers every question at once: with a secret, or with no item.
fn answering_at_once() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    // Ends with the process.
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // A connection ends with its function's process, which may be in the middle of anything.
            thread::spawn(move || answer_all(connection));
        }
    });
    Ok(format!("http://{address}"))
}

fn answer_all(connection: TcpStream) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut writer = connection.try_clone()?;
    let mut reader = BufReader::new(connection);
    loop {
        let (mut length, mut wants_secret) = (0, false);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_ascii_lowercase();
            match line.split_once(": ") {
                Some(("content-length", number)) => length = number.parse().map_err(io::Error::other)?,
                Some(("x-amz-target", target)) => wants_secret = target.starts_with("secretsmanager."),
                _ if line.is_empty() => break,
                _ => {}
            }
        }
        reader.read_exact(&mut vec![0; length])?;
        let secret = "0123456789abcdef".repeat(4);
        let body = if wants_secret { format!(r#"{{"SecretString":"{secret}"}}"#) } else { "{}".to_owned() };
        let reply = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        writer.write_all(reply.as_bytes())?;
    }
}

/// From the start of a process to its first question for an event.
fn start(api: &RuntimeApi, name: &str, program: &Path, variables: &[(&str, String)]) -> Result<Duration> {
    let mut function = command(program);
    function
        .env("AWS_LAMBDA_RUNTIME_API", api.address.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", name)
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}"))
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "2026/01/01/[$LATEST]0")
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if name == "probe-accelerator" {
        // Nobody is asked before there is an event.
        function.env("MARQUEE_ACCELERATOR_URL", "http://127.0.0.1:9");
    }
    let started = Instant::now();
    let _running = Running(function.spawn()?);
    Ok(api.hear_question()? - started)
}

/// A process that is ended when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the system maps of a program: the file's bytes of its loadable segments, without symbols and debug information. The
/// fields are those of the 64-bit little-endian ELF header and its program headers (elf(5)).
fn loaded_bytes(program: &Path) -> Result<u64> {
    const LOADABLE: u64 = 1;
    let bytes = fs::read(program).with_context(|| program.display().to_string())?;
    let number = |at: usize, width: usize| -> Result<u64> {
        let field = bytes.get(at..at + width).context("cut off")?;
        Ok(field.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    ensure!(bytes.starts_with(b"\x7fELF\x02\x01"), "{} is no such program", program.display());
    let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    let segment = |index: u64| -> Result<u64> {
        let header = (table + index * size) as usize;
        if number(header, 4)? == LOADABLE { number(header + 32, 8) } else { Ok(0) }
    };
    (0..count).map(segment).sum()
}

//! How much a server takes: so many connections, each asking again as soon as it is answered.
//!
//! `cargo run --release -p accelerator --example load -- 127.0.0.1:8000 marquee-0123456789ab ITEMS [CONNECTIONS [REQUESTS
//! [LENGTH [binary]]]]`
//!
//! Histories are LENGTH (50) items drawn from the first ITEMS, 100 rows are asked for. It prints requests a second, and the
//! median, 99th percentile and longest time of a request.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use shared::accelerator::contract;
use shared::accelerator::protocol::{Encoding, HEADER_LENGTH};
use shared::model::Attraction;

#[derive(Clone, Debug)]
struct Load {
    authority: String,
    model: String,
    items: u32,
    connections: usize,
    requests: usize,
    length: u32,
    encoding: Encoding,
}

fn main() -> Result<()> {
    let load = Load::read(&env::args().skip(1).collect::<Vec<_>>())?;
    let started = Instant::now();
    let asking: Vec<_> = (0..load.connections)
        .map(|connection| {
            let load = load.clone();
            thread::spawn(move || load.ask(connection))
        })
        .collect();
    let mut times: Vec<Duration> = Vec::new();
    for asked in asking {
        times.append(&mut asked.join().expect("a connection does not panic")?);
    }
    let seconds = started.elapsed().as_secs_f64();
    times.sort_unstable();
    let ms = |per_mille: usize| times[(times.len() - 1) * per_mille / 1000].as_secs_f64() * 1e3;
    println!(
        "{} requests over {} connections: {:.0}/s, p50 {:.2} ms, p99 {:.2} ms, longest {:.2} ms",
        times.len(),
        load.connections,
        times.len() as f64 / seconds,
        ms(500),
        ms(990),
        ms(1000)
    );
    Ok(())
}

impl Load {
    fn read(words: &[String]) -> Result<Self> {
        let [authority, model, items, rest @ ..] = words else {
            bail!("give ADDR:PORT MODEL ITEMS [CONNECTIONS [REQUESTS [LENGTH [binary]]]]")
        };
        let number = |place: usize, usual: usize| -> Result<usize> {
            rest.get(place).map_or(Ok(usual), |word| word.parse().with_context(|| word.clone()))
        };
        let is_binary = rest.get(3).is_some_and(|word| word == "binary");
        Ok(Self {
            authority: authority.clone(),
            model: model.clone(),
            items: items.parse().with_context(|| items.clone())?,
            connections: number(0, 32)?.max(1),
            requests: number(1, 20_000)?,
            length: u32::try_from(number(2, 50)?)?,
            encoding: if is_binary { Encoding::Binary } else { Encoding::Json },
        })
    }

    /// The times of one connection's requests.
    fn ask(&self, connection: usize) -> Result<Vec<Duration>> {
        let mut stream = TcpStream::connect(&self.authority)?;
        stream.set_nodelay(true)?;
        let mut replies = BufReader::new(stream.try_clone()?);
        // A few histories, made before the clock runs.
        let requests: Vec<_> = (0..16).map(|turn| self.request(connection as u32 * 16 + turn)).collect();
        let mut times = Vec::new();
        for turn in 0..self.requests / self.connections {
            let started = Instant::now();
            stream.write_all(&requests[turn % requests.len()])?;
            read_reply(&mut replies)?;
            times.push(started.elapsed());
        }
        Ok(times)
    }

    fn request(&self, seed: u32) -> Vec<u8> {
        let row = |place: u32| (seed.wrapping_mul(2_654_435_761).wrapping_add(place * 7_919)) % self.items;
        let history: Vec<Attraction> =
            (0..self.length).map(|place| Attraction { row: row(place), weight: 1.0 }).collect();
        let mut request = contract::request(&[&history], 100, Duration::from_secs(10));
        request.outputs.iter_mut().for_each(|output| output.encoding = self.encoding);
        let encoded = request.encode(self.encoding);
        let binary = encoded.header_length.map(|length| format!("{HEADER_LENGTH}: {length}\r\n"));
        let head = format!(
            "POST /v2/models/{}/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n{}\r\n",
            self.model,
            encoded.body.len(),
            binary.unwrap_or_default()
        );
        [head.into_bytes(), encoded.body].concat()
    }
}

fn read_reply(replies: &mut impl BufRead) -> Result<()> {
    let mut line = String::new();
    replies.read_line(&mut line)?;
    ensure!(line.starts_with("HTTP/1.1 200"), "{line}");
    let mut length = 0;
    while line != "\r\n" {
        line.clear();
        ensure!(replies.read_line(&mut line)? > 0, "the connection broke");
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse()?;
        }
    }
    replies.read_exact(&mut vec![0; length])?;
    Ok(())
}

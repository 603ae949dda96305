//! `marquee health`: whether the service on this machine is alive, for containers that hold nothing else to ask with.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use shared::config;

use crate::commands::HealthOptions;

const DEFAULT_PORT: u16 = 3000;
/// The service answers from memory, in a millisecond; what takes longer than this is no life.
const PATIENCE: Duration = Duration::from_secs(2);
/// More than the status line; the rest is not read.
const ENOUGH: usize = 64;

pub(crate) fn run(options: &HealthOptions) -> Result<()> {
    let port = options.port.map_or_else(config::port, |port| Ok(Some(port)))?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.unwrap_or(DEFAULT_PORT)));
    let status = ask(address).with_context(|| format!("{address} does not answer"))?;
    match status.as_str() {
        "200" => println!("{address} is alive"),
        _ => bail!("{address} answers {status} to GET /v1/health"),
    }
    Ok(())
}

/// The status of `GET /v1/health`.
fn ask(address: SocketAddr) -> Result<String> {
    let mut connection = TcpStream::connect_timeout(&address, PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    write!(connection, "GET /v1/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut piece = [0; ENOUGH];
    while answer.len() < ENOUGH {
        match connection.read(&mut piece)? {
            0 => break,
            read => answer.extend_from_slice(&piece[..read]),
        }
    }
    let line = String::from_utf8_lossy(&answer);
    let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    status.map(str::to_owned).context("what answers is no HTTP server")
}

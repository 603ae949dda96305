//! The proxy misbehaves as it is told to: what a client sees that is none of Marquee's.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::accelerator::Accelerator;
use super::catalogue::demo;
use super::proxy::{Manner, Proxy};
use super::until;

/// On loopback what hasn't come by now never comes.
const NEVER: Duration = Duration::from_millis(300);

struct Client(TcpStream);

impl Client {
    fn of(proxy: &Proxy) -> std::io::Result<Self> {
        let address: SocketAddr = proxy.url().trim_start_matches("http://").parse().unwrap();
        let connection = TcpStream::connect_timeout(&address, NEVER)?;
        connection.set_read_timeout(Some(NEVER))?;
        Ok(Self(connection))
    }

    fn ask(&mut self) -> std::io::Result<()> {
        self.0.write_all(b"GET /v2/health/ready HTTP/1.1\r\nhost: accelerator\r\n\r\n")
    }

    /// What is to be read until the connection ends or nothing comes; and how that was.
    fn read(&mut self) -> (usize, Result<(), ErrorKind>) {
        let mut read = Vec::new();
        let outcome = self.0.read_to_end(&mut read);
        (read.len(), outcome.map(drop).map_err(|error| error.kind()))
    }

    /// The same after a question.
    fn answer(&mut self) -> Result<(usize, Result<(), ErrorKind>)> {
        self.ask()?;
        Ok(self.read())
    }
}

#[test]
fn each_manner_is_what_it_is_called() -> Result<()> {
    let accelerator = Accelerator::of(demo());
    let proxy = Proxy::before(accelerator.address());
    let (whole, silence) = Client::of(&proxy)?.answer()?;
    ensure!(whole > 0 && silence == Err(ErrorKind::WouldBlock), "it answers, and the connection is kept");
    let nothing = (0, Err(ErrorKind::WouldBlock));

    let mut kept = Client::of(&proxy)?;
    assert_eq!(kept.answer()?.0, whole);
    proxy.becomes(Manner::Forgets);
    assert_eq!(kept.answer()?, nothing);
    assert_eq!(Client::of(&proxy)?.answer()?.0, whole);

    proxy.becomes(Manner::NeverAnswers);
    assert_eq!(Client::of(&proxy)?.answer()?, nothing);

    proxy.becomes(Manner::NeverConnects);
    assert_eq!(Client::of(&proxy).map(drop).map_err(|error| error.kind()), Err(ErrorKind::TimedOut));

    proxy.becomes(Manner::Refuses);
    assert_eq!(Client::of(&proxy).map(drop).map_err(|error| error.kind()), Err(ErrorKind::ConnectionRefused));

    proxy.becomes(Manner::BreaksOff);
    assert_eq!(Client::of(&proxy)?.answer()?, (whole / 2, Ok(())));

    proxy.becomes(Manner::Resets);
    assert_eq!(Client::of(&proxy)?.answer()?.1, Err(ErrorKind::ConnectionReset));

    proxy.becomes(Manner::Drips);
    let mut client = Client::of(&proxy)?;
    client.ask()?;
    // Byte by byte: what is read at once is less than everything, and comes.
    let read = client.0.read(&mut [0; 4_096])?;
    ensure!(read < whole, "{read} bytes at once");

    proxy.becomes(Manner::Honest);
    assert_eq!(Client::of(&proxy)?.answer()?.0, whole);
    Ok(())
}

#[test]
fn requests_are_counted_while_they_are_there() -> Result<()> {
    let accelerator = Accelerator::of(demo());
    let proxy = Proxy::before(accelerator.address());
    proxy.becomes(Manner::NeverAnswers);
    let mut clients = [Client::of(&proxy)?, Client::of(&proxy)?];
    for client in &mut clients {
        client.0.write_all(b"POST /v2/models/m/infer HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}")?;
    }
    let visits = proxy.visits();
    until("both are there", || Ok(visits.now() == 2))?;
    thread::sleep(NEVER);
    drop(clients);
    until("both are gone", || Ok(visits.now() == 0))?;
    assert_eq!((visits.all(), visits.overlaps()), (2, 1));
    visits.forget_overlaps();
    assert_eq!(visits.overlaps(), 0);
    Ok(())
}

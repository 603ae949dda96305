//! `marquee serve` from start to end: what keeps it from starting, what must not disturb it, and how it stops.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tests::{Service, marquee, model_dir};

use crate::answers::{RECOMMENDATIONS, answer, ask};

/// Longer than any reply takes; only a connection that is left open reaches it.
const HUNG: Duration = Duration::from_secs(60);

#[test]
fn callers_who_hang_up_or_talk_nonsense_disturb_nobody() -> Result<()> {
    let service = Service::demo()?;
    for opening in
        [&b"\x16\x03\x01\x02\x00\x01"[..], b"GET", b"POST /v1/recommendations HTTP/1.1\r\nHost: x\r\n"]
    {
        let mut connection = TcpStream::connect(service.authority())?;
        connection.set_read_timeout(Some(HUNG))?;
        connection.write_all(opening)?;
        connection.shutdown(Shutdown::Write)?;
        // Whatever it says, and however it closes the connection: it does close it.
        let closed = connection.read_to_end(&mut Vec::new());
        let open = closed.is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        assert!(!open, "the connection stays open after {opening:?}");
    }
    let (mut half, _) = waiting_for_its_body(&service, 100)?;
    half.write_all(b"{")?;
    half.shutdown(Shutdown::Both)?;
    answer(&service.send(&ask(&json!({})))?);
    Ok(())
}

#[test]
fn ctrl_c_ends_an_idle_service_in_order() -> Result<()> {
    let service = Service::demo()?;
    answer(&service.send(&ask(&json!({})))?);
    service.interrupt()?;
    let finished = service.finish()?;
    assert!(finished.status.success(), "{finished}");
    assert!(!finished.stderr.contains("panicked at"), "{finished}");
    Ok(())
}

#[test]
fn ctrl_c_lets_a_request_in_flight_finish() -> Result<()> {
    let service = Service::demo()?;
    let body = json!({"history": ["alien-1979"]}).to_string();
    let (mut connection, mut replies) = waiting_for_its_body(&service, body.len())?;
    service.interrupt()?;
    // It has heard the signal once it takes no new connections.
    let heard = (0..12_000).any(|_| {
        thread::sleep(Duration::from_millis(5));
        TcpStream::connect(service.authority()).is_err()
    });
    assert!(heard, "it takes new connections after SIGINT");
    connection.write_all(body.as_bytes())?;
    let mut reply = String::new();
    replies.read_to_string(&mut reply)?;
    assert!(reply.starts_with("HTTP/1.1 200"), "the request in flight was dropped: {reply:?}");
    assert!(reply.contains("\"rung\":\"function\""), "{reply:?}");
    let finished = service.finish()?;
    assert!(finished.status.success(), "{finished}");
    Ok(())
}

#[test]
fn ctrl_c_in_the_moment_that_the_address_is_said_is_an_orderly_stop() -> Result<()> {
    for _ in 0..5 {
        let service = Service::demo()?;
        service.interrupt()?;
        let finished = service.finish()?;
        assert!(finished.status.success(), "{finished}");
        assert!(finished.stderr.contains("every request was answered"), "{finished}");
    }
    Ok(())
}

#[test]
fn a_caller_who_never_ends_its_body_does_not_hold_the_process() -> Result<()> {
    let service = Service::start_with(model_dir(), ["--drain-seconds", "1"])?;
    let _open = waiting_for_its_body(&service, 100)?;
    service.interrupt()?;
    let finished = service.finish()?;
    assert_eq!(finished.status.code(), Some(1), "it says that somebody got no answer: {finished}");
    assert!(finished.stderr.contains("after 1 s with requests in flight"), "{finished}");
    assert!(!finished.stderr.contains("every request was answered"), "{finished}");
    Ok(())
}

#[test]
fn a_second_ctrl_c_ends_it_at_once() -> Result<()> {
    let mut service = Service::start_with(model_dir(), ["--drain-seconds", "3600"])?;
    let _open = waiting_for_its_body(&service, 100)?;
    service.interrupt()?;
    service.wait_for("finishing requests in flight")?;
    service.interrupt()?;
    let finished = service.finish()?;
    assert_eq!(finished.status.code(), Some(130), "{finished}");
    Ok(())
}

/// A connection whose request is being handled: the service has said that it waits for the body.
fn waiting_for_its_body(service: &Service, length: usize) -> Result<(TcpStream, BufReader<TcpStream>)> {
    let mut connection = TcpStream::connect(service.authority())?;
    connection.set_read_timeout(Some(HUNG))?;
    write!(
        connection,
        "POST {RECOMMENDATIONS} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n",
        service.authority()
    )?;
    let mut replies = BufReader::new(connection.try_clone()?);
    let (mut status, mut blank) = (String::new(), String::new());
    replies.read_line(&mut status)?;
    replies.read_line(&mut blank)?;
    assert_eq!((status.trim_end(), blank.trim_end()), ("HTTP/1.1 100 Continue", ""));
    Ok((connection, replies))
}

#[test]
fn a_port_in_use_is_said_in_one_sentence() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port().to_string();
    let model = model_dir().to_str().unwrap();
    let finished = marquee(["serve", "--model", model, "--store", "none", "--port", &port])?;
    assert!(!finished.status.success(), "{finished}");
    assert!(finished.stderr.contains(&port), "which port? {finished}");
    assert!(!finished.stdout.contains("http://"), "it announces what it does not do: {finished}");
    assert_eq!(finished.stderr.trim().lines().count(), 1, "{finished}");
    Ok(())
}

#[test]
fn a_folder_without_a_model_is_named() -> Result<()> {
    let empty = tempfile::tempdir()?;
    let finished = marquee([
        "serve".as_ref(),
        "--port".as_ref(),
        "0".as_ref(),
        "--model".as_ref(),
        empty.path().as_os_str(),
    ])?;
    assert!(!finished.status.success(), "{finished}");
    assert!(finished.stderr.contains(empty.path().to_str().unwrap()), "{finished}");
    assert!(!finished.stderr.contains("panicked at"), "{finished}");
    Ok(())
}

//! How it stops, and what becomes of requests then.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;

use rustix::process::Signal;
use shared::testing;

use crate::running::{self, Running, path, until};

/// A request whose body has not come yet.
fn waiting_for_its_body(server: &Running, body: &str) -> TcpStream {
    let mut connection = TcpStream::connect(&server.authority).unwrap();
    let head = format!(
        "POST /v2/models/{}/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        server.model(),
        body.len()
    );
    connection.write_all(head.as_bytes()).unwrap();
    // It asks for the body: the request is in flight.
    let mut asked = [0; 25];
    connection.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    connection
}

#[test]
fn it_finishes_what_is_in_flight_and_takes_nothing_new() {
    for signal in [Signal::TERM, Signal::INT] {
        let folder = testing::artifact();
        let server = Running::start(&["--model", path(&folder)]);
        let body = running::of_row(3).to_string();
        let mut connection = waiting_for_its_body(&server, &body);
        server.signal(signal);
        until("it takes no new connections", || TcpStream::connect(&server.authority).is_err());
        connection.write_all(body.as_bytes()).unwrap();
        let mut reply = String::new();
        connection.read_to_string(&mut reply).unwrap();
        assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
        let (status, said) = server.wait();
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(said.contains("every request was answered"), "{said}");
    }
}

#[test]
fn it_waits_no_longer_than_it_was_told_and_a_second_signal_ends_it_at_once() {
    let folder = testing::artifact();
    let server = Running::start(&["--model", path(&folder), "--drain-seconds", "0"]);
    let _open = waiting_for_its_body(&server, "{}");
    server.signal(Signal::TERM);
    let (status, said) = server.wait();
    assert_eq!((status.code(), status.signal()), (Some(1), None), "{said}");
    assert!(said.contains("--drain-seconds"), "{said}");

    let server = Running::start(&["--model", path(&folder), "--drain-seconds", "3600"]);
    let _open = waiting_for_its_body(&server, "{}");
    server.signal(Signal::TERM);
    until("it takes no new connections", || TcpStream::connect(&server.authority).is_err());
    server.signal(Signal::TERM);
    let (status, said) = server.wait();
    assert_eq!(status.code(), Some(143), "{said}");
}

#[test]
fn killed_and_started_again_it_answers_as_before() {
    let folder = testing::artifact();
    let server = Running::start(&["--model", path(&folder)]);
    let before = server.infer(&running::of_row(2));
    server.signal(Signal::KILL);
    server.wait();
    let server = Running::start(&["--model", path(&folder)]);
    assert_eq!(server.infer(&running::of_row(2)), before);
}

//! What a container asks of `marquee`: the port that the platform sets, a health check, keys from Secrets Manager.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tests::{Finished, Moto, Process, Request, Service, binaries, command, marquee, model_dir};

use crate::answers::{answer, ask, problem};
use crate::keys::Ring;

/// A port that nobody listened on a moment ago.
fn free_port() -> Result<String> {
    let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(held.local_addr()?.port().to_string())
}

/// Starts a service on the port that the variable names.
fn serve(port: &str) -> Result<Process> {
    let mut command = command(binaries().path("marquee"));
    command.env("PORT", port).arg("serve").arg("--model").arg(model_dir()).args(["--store", "none"]);
    Process::spawn(command)
}

fn health(port: &str) -> Result<Finished> {
    let mut command = command(binaries().path("marquee"));
    command.env("PORT", port).arg("health");
    Process::spawn(command)?.finish()
}

#[test]
fn a_service_listens_on_the_port_of_the_variable_and_says_that_it_is_alive() -> Result<()> {
    let port = free_port()?;
    let dead = health(&port)?;
    assert_eq!(dead.status.code(), Some(1), "{dead}");
    assert!(dead.stderr.contains(&format!("127.0.0.1:{port} does not answer")), "{dead}");
    let mut service = serve(&port)?;
    service.wait_for(|log| log.contains(&format!("listening on http://127.0.0.1:{port}")).then_some(()))?;
    let alive = health(&port)?;
    assert!(alive.status.success(), "{alive}");
    let named = marquee(["health", "--port", &port])?;
    assert!(named.status.success(), "{named}");
    Ok(())
}

#[test]
fn the_command_line_goes_before_the_variable() -> Result<()> {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = taken.local_addr()?.port().to_string();
    // It takes a free port, as Service asks for, though the variable names a taken one.
    let service = Service::start_in(vec![("PORT", port)], model_dir(), [])?;
    answer(&service.send(&ask(&json!({})))?);
    Ok(())
}

#[test]
fn what_is_no_port_is_one_sentence_that_names_the_variable() -> Result<()> {
    for text in ["http", "0", "65536", ""] {
        for mut process in [serve(text)?, {
            let mut command = command(binaries().path("marquee"));
            command.env("PORT", text).arg("health");
            Process::spawn(command)?
        }] {
            let finished = process.finish()?;
            assert_eq!(finished.status.code(), Some(1), "{finished}");
            let said = finished.stderr.trim();
            assert!(said.starts_with("error: the variable PORT is "), "{finished}");
            assert_eq!(said.lines().count(), 1, "{finished}");
        }
    }
    Ok(())
}

#[test]
fn what_answers_something_else_is_not_alive() -> Result<()> {
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = other.local_addr()?.port().to_string();
    let answering = thread::spawn(move || -> Result<()> {
        let (mut connection, _) = other.accept()?;
        // All that was sent: what is left unread when it is closed resets the connection.
        let mut request = BufReader::new(connection.try_clone()?).lines();
        while request.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        connection.write_all(b"HTTP/1.1 500 Oh no\r\ncontent-length: 0\r\n\r\n")?;
        Ok(())
    });
    let finished = health(&port)?;
    assert_eq!(finished.status.code(), Some(1), "{finished}");
    assert!(finished.stderr.contains("answers 500 to GET /v1/health"), "{finished}");
    answering.join().expect("no panic")
}

/// A service whose ring is a secret.
fn with_secret(moto: &Moto, name: &str) -> Result<Service> {
    let keys = format!("secret:{name}");
    Service::start_in(moto.variables(), model_dir(), ["--api-keys", keys.as_str(), "--store", "none"])
}

fn with(key: &str, request: &Request) -> Request {
    request.clone().header("authorization", &format!("Bearer {key}"))
}

#[test]
fn keys_in_secrets_manager_open_the_service_and_newer_ones_work_at_once() -> Result<()> {
    let moto = Moto::start()?;
    let ring = Ring::new()?;
    let first = ring.key("recommend")?;
    let secret = json!({"Name": "ring", "SecretString": ring.text()});
    moto.secrets_manager("CreateSecret", &secret)?;
    let service = with_secret(&moto, "ring")?;
    let recommendations = ask(&json!({"k": 3}));
    problem(&service.send(&recommendations)?, 401, "unauthorized");
    answer(&service.send(&with(&first, &recommendations))?);

    let second = ring.key("recommend")?;
    moto.secrets_manager("PutSecretValue", &json!({"SecretId": "ring", "SecretString": ring.text()}))?;
    // It is read again at most every five seconds.
    let works = (0..600).any(|_| {
        thread::sleep(Duration::from_millis(100));
        service.send(&with(&second, &recommendations)).is_ok_and(|reply| reply.status == 200)
    });
    assert!(works, "the newer key is never taken");
    drop(moto);
    answer(&service.send(&with(&first, &recommendations))?);
    Ok(())
}

#[test]
fn a_service_whose_keys_cannot_be_had_does_not_start() -> Result<()> {
    let moto = Moto::start()?;
    let failed = with_secret(&moto, "not-there").expect_err("there is no such secret");
    let said = format!("{failed:#}");
    assert!(said.contains("not-there can't be read"), "{said}");
    let finished = marquee(["serve", "--api-keys", "secret:", "--store", "none"])?;
    assert_eq!(finished.status.code(), Some(2), "{finished}");
    assert!(finished.stderr.contains("expected secret:NAME"), "{finished}");
    Ok(())
}

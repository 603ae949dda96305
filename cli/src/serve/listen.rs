//! The socket.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, bail};
use tokio::net::TcpListener;

/// The port when none is asked for, if it is free.
const DEFAULT_PORT: u16 = 3000;

/// Binds to the port that is asked for; without one, to the usual port or a free one.
pub(super) async fn bind(host: IpAddr, port: Option<u16>) -> Result<TcpListener> {
    let address = SocketAddr::new(host, port.unwrap_or(DEFAULT_PORT));
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == ErrorKind::AddrInUse => match port {
            Some(port) => bail!("port {port} is taken by another program; --port 0 takes a free one"),
            None => {
                eprintln!("port {DEFAULT_PORT} is taken by another program, so another one is used");
                let any = SocketAddr::new(host, 0);
                TcpListener::bind(any).await.with_context(|| format!("no free port on {host}"))
            }
        },
        Err(error) => Err(error).with_context(|| format!("{address} can't be listened on")),
    }
}

//! Where connections come in, and how they don't.

use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1_024;
/// On loopback a connection that isn't there by now is never there.
const NEVER: Duration = Duration::from_millis(100);

/// A port of loopback that stays the same, whether anybody listens there or not.
pub(crate) struct Door {
    state: State,
    address: SocketAddr,
    /// Bound and never listening, so that nobody else gets the port while nobody listens.
    _reserved: TcpSocket,
}

enum State {
    Open(TcpListener),
    Shut,
    /// As many connections wait to be accepted as may, and the system drops every further attempt.
    Jammed(TcpListener, #[expect(dead_code, reason = "held: they are what is in the way")] Vec<TcpStream>),
}

impl Door {
    /// A free port that is listened on.
    pub(crate) fn open() -> io::Result<Self> {
        let reserved = bound((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = reserved.local_addr()?;
        let state = State::Open(bound(address)?.listen(BACKLOG)?);
        Ok(Self { state, address, _reserved: reserved })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next who comes in.
    pub(crate) async fn accept(&self) -> io::Result<TcpStream> {
        match &self.state {
            State::Open(listener) => Ok(listener.accept().await?.0),
            _ => pending().await,
        }
    }

    /// From now on connections are refused.
    pub(crate) fn shut(&mut self) {
        self.state = State::Shut;
    }

    /// From now on connections neither come about nor fail.
    pub(crate) async fn jam(&mut self) -> io::Result<()> {
        self.reopen()?;
        let State::Open(listener) = std::mem::replace(&mut self.state, State::Shut) else { return Ok(()) };
        rustix::net::listen(&listener, 0)?;
        let mut waiting = Vec::new();
        while let Ok(connection) = timeout(NEVER, TcpStream::connect(self.address)).await {
            waiting.push(connection?);
        }
        self.state = State::Jammed(listener, waiting);
        Ok(())
    }

    /// From now on connections come in.
    pub(crate) fn reopen(&mut self) -> io::Result<()> {
        self.state = match std::mem::replace(&mut self.state, State::Shut) {
            State::Open(listener) => State::Open(listener),
            State::Shut => State::Open(bound(self.address)?.listen(BACKLOG)?),
            State::Jammed(listener, _) => {
                rustix::net::listen(&listener, i32::try_from(BACKLOG).unwrap_or(i32::MAX))?;
                State::Open(listener)
            }
        };
        Ok(())
    }
}

/// A socket with this address, which others of ours may have too.
fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

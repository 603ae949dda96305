//! A proxy between client and accelerator that misbehaves on order.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::door::Door;
use super::message::Message;
use super::tensors;
use super::visits::Visits;

/// How the proxy treats who comes.
#[derive(Clone, Copy)]
pub(crate) enum Manner {
    /// Passes on what is said.
    Honest,
    /// Nobody listens, and who was connected is cut off.
    Refuses,
    /// No connection comes about, and nothing comes over those that there are.
    NeverConnects,
    /// No reply comes.
    NeverAnswers,
    /// No reply comes over the connections that there are; new ones work.
    Forgets,
    /// A reply breaks off in the middle, by a reset.
    Resets,
    /// A reply breaks off in the middle, by an orderly end.
    BreaksOff,
    /// A reply comes byte by byte, 50 ms between them.
    Drips,
    /// A reply comes a millisecond after it has become worthless.
    IsLate,
    /// A reply has [`FLOOD`] bytes; whether it says so first.
    Floods { announced: bool },
    /// Another reply comes than the accelerator gave to this request.
    Changes(fn(&Message, &Message) -> Message),
}

/// Bytes of a reply that has no end to speak of.
const FLOOD: usize = 100_000_000;
const DRIP: Duration = Duration::from_millis(50);

/// A running proxy; it ends when dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    orders: mpsc::Sender<(Order, oneshot::Sender<()>)>,
    inner: Arc<Inner>,
    _runtime: Runtime,
}

enum Order {
    Become(Manner),
    CutOff,
}

struct Inner {
    accelerator: SocketAddr,
    manner: Mutex<Manner>,
    tls: Mutex<Option<TlsAcceptor>>,
    /// How many times all connections that there were have been forgotten.
    forgotten: AtomicUsize,
    visits: Visits,
    /// The most bytes of a flood that were taken.
    taken: AtomicUsize,
}

impl Proxy {
    /// An honest proxy before the accelerator at this address.
    pub(crate) fn before(accelerator: SocketAddr) -> Self {
        let runtime = super::runtime();
        let inner = Arc::new(Inner {
            accelerator,
            manner: Mutex::new(Manner::Honest),
            tls: Mutex::default(),
            forgotten: AtomicUsize::default(),
            visits: Visits::default(),
            taken: AtomicUsize::default(),
        });
        let door = runtime.block_on(async { Door::open() }).unwrap();
        let address = door.address();
        let (orders, received) = mpsc::channel(1);
        runtime.spawn(Arc::clone(&inner).run(door, received));
        Self { address, orders, inner, _runtime: runtime }
    }

    /// Where it is, as a service is told.
    pub(crate) fn url(&self) -> String {
        let tls = self.inner.tls.lock().unwrap_or_else(PoisonError::into_inner);
        format!("{}://{}", if tls.is_some() { "https" } else { "http" }, self.address)
    }

    /// Behaves so from now on; when this returns it does.
    pub(crate) fn becomes(&self, manner: Manner) {
        self.order(Order::Become(manner));
    }

    /// Closes the connections that there are.
    pub(crate) fn cuts_off(&self) {
        self.order(Order::CutOff);
    }

    /// Speaks TLS from now on, with this certificate.
    pub(crate) fn shows(&self, certificate: ServerConfig) {
        let mut tls = self.inner.tls.lock().unwrap_or_else(PoisonError::into_inner);
        *tls = Some(TlsAcceptor::from(Arc::new(certificate)));
        drop(tls);
        self.cuts_off();
    }

    /// The requests to infer that come.
    pub(crate) fn visits(&self) -> &Visits {
        &self.inner.visits
    }

    /// The most bytes of a flood that a client took.
    pub(crate) fn taken(&self) -> usize {
        self.inner.taken.load(Ordering::SeqCst)
    }

    fn order(&self, order: Order) {
        let (done, is_done) = oneshot::channel();
        self.orders.blocking_send((order, done)).expect("the proxy runs");
        is_done.blocking_recv().expect("the proxy obeys");
    }
}

impl Inner {
    async fn run(
        self: Arc<Self>,
        mut door: Door,
        mut orders: mpsc::Receiver<(Order, oneshot::Sender<()>)>,
    ) -> io::Result<()> {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                connection = door.accept() => {
                    connections.spawn(Arc::clone(&self).serve(connection?));
                    while connections.try_join_next().is_some() {}
                }
                order = orders.recv() => {
                    let Some((order, done)) = order else { return Ok(()) };
                    match order {
                        Order::Become(manner) => {
                            *self.manner.lock().unwrap_or_else(PoisonError::into_inner) = manner;
                            match manner {
                                Manner::Refuses => door.shut(),
                                Manner::NeverConnects => door.jam().await?,
                                _ => door.reopen()?,
                            }
                            if matches!(manner, Manner::Refuses) {
                                connections.shutdown().await;
                            }
                            if matches!(manner, Manner::Forgets) {
                                self.forgotten.fetch_add(1, Ordering::SeqCst);
                            }
                        }
                        Order::CutOff => connections.shutdown().await,
                    }
                    // Who gave the order may have given up waiting.
                    _ = done.send(());
                }
            }
        }
    }

    async fn serve(self: Arc<Self>, connection: TcpStream) -> io::Result<()> {
        connection.set_nodelay(true)?;
        let born = self.forgotten.load(Ordering::SeqCst);
        let tls = self.tls.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match tls {
            Some(tls) => self.converse(tls.accept(connection).await?, born).await,
            None => self.converse(connection, born).await,
        }
    }

    /// Treats what comes over one connection.
    async fn converse(&self, connection: impl Connection, born: usize) -> io::Result<()> {
        let mut connection = BufReader::new(connection);
        while let Some(request) = Message::read(&mut connection).await? {
            let visit = request.start.starts_with("POST ").then(|| self.visits.begin());
            let manner = *self.manner.lock().unwrap_or_else(PoisonError::into_inner);
            let is_forgotten = born < self.forgotten.load(Ordering::SeqCst);
            if is_forgotten || matches!(manner, Manner::NeverConnects | Manner::NeverAnswers) {
                return until_closed(&mut connection).await;
            }
            if let Manner::Floods { announced } = manner {
                let taken = flood(connection.get_mut(), announced).await;
                self.taken.fetch_max(taken, Ordering::SeqCst);
                if let Some(visit) = visit {
                    visit.answered();
                }
                break;
            }
            let reply = self.forwarded(&request).await?;
            let goes_on = deliver(connection.get_mut(), &request, reply, manner).await?;
            if let Some(visit) = visit {
                visit.answered();
            }
            if !goes_on {
                break;
            }
        }
        Ok(())
    }

    /// The accelerator's reply.
    async fn forwarded(&self, request: &Message) -> io::Result<Message> {
        let mut accelerator = BufReader::new(TcpStream::connect(self.accelerator).await?);
        accelerator.write_all(&request.bytes()).await?;
        Message::read(&mut accelerator).await?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// Sends a reply in this manner; whether the connection can be used further.
async fn deliver(
    connection: &mut impl Connection,
    request: &Message,
    reply: Message,
    manner: Manner,
) -> io::Result<bool> {
    let bytes = reply.bytes();
    match manner {
        Manner::Resets => {
            connection.write_all(&bytes[..bytes.len() / 2]).await?;
            connection.tcp().set_zero_linger()?;
            return Ok(false);
        }
        Manner::BreaksOff => {
            connection.write_all(&bytes[..bytes.len() / 2]).await?;
            connection.shutdown().await?;
            return Ok(false);
        }
        Manner::Drips => {
            for byte in bytes.chunks(1) {
                connection.write_all(byte).await?;
                connection.flush().await?;
                // Nothing is to be read before the reply is there, but the end of a client who has had enough.
                if timeout(DRIP, connection.read(&mut [0])).await.is_ok() {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
            }
        }
        Manner::IsLate => {
            // Counted from here, later than where the client counts from: it is never early.
            let micros = tensors::head(request)["parameters"]["timeout"].as_u64().expect("it says its time");
            sleep(Duration::from_micros(micros) + Duration::from_millis(1)).await;
            connection.write_all(&bytes).await?;
        }
        Manner::Changes(change) => connection.write_all(&change(request, &reply).bytes()).await?,
        _ => connection.write_all(&bytes).await?,
    }
    connection.flush().await?;
    Ok(true)
}

/// Sends far too much, until the client has had enough; how much that was.
async fn flood(connection: &mut impl Connection, announced: bool) -> usize {
    const CHUNK: usize = 1 << 16;
    let mut head = Message::reply("200 OK", "application/octet-stream", "");
    let (head, chunk) = if announced {
        (head.head(FLOOD), vec![b'['; CHUNK])
    } else {
        head.headers.push(("transfer-encoding".into(), "chunked".into()));
        let head = String::from_utf8_lossy(&head.head(0)).replace("content-length: 0\r\n", "");
        (head.into_bytes(), [format!("{CHUNK:x}\r\n").as_bytes(), &[b'['; CHUNK], b"\r\n"].concat())
    };
    let mut sent = 0;
    let mut taken = connection.write_all(&head).await;
    while taken.is_ok() && sent < FLOOD {
        taken = connection.write_all(&chunk).await;
        sent += CHUNK;
    }
    sent
}

/// Waits until the other side closes the connection.
async fn until_closed(connection: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    while connection.read(&mut [0; 256]).await? > 0 {}
    Ok(())
}

/// A connection with or without TLS.
trait Connection: AsyncRead + AsyncWrite + Send + Unpin {
    /// What it runs over.
    fn tcp(&self) -> &TcpStream;
}

impl Connection for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Connection for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

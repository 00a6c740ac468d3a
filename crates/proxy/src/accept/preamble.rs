//! The preamble of a client's connection: the PROXY protocol header and the TLS ClientHello, which are read before HTTP
//! and decide which listener serves the connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use egret_config::snapshot::{
    BindAddress, ConnectionLimits, Listener, ListenerProtocol, ListenerSocket, ProxyProtocol,
    ServerTls,
};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::{sleep, sleep_until};

use crate::client::{ConnectionOrigin, HelloFacts};
use crate::client_hello::{ClientHello, HelloReader};
use crate::clock;
use crate::context::WorkerContext;
use crate::dial::race::socket_keepalive;
use crate::downstream::alert;
use crate::downstream::early_refusal;
use crate::proxy_protocol::{self, HeaderError, HeaderProgress};
use crate::record::ClientFacts;
use crate::refusal::Refusal;
use crate::request::tls::PassthroughConnection;
use crate::stream::ReplayStream;

/// Size of one read in bytes.
const READ_SIZE: usize = 2048;
/// Time that a preamble or TLS handshake in progress has left once the proxy drains.
const DRAIN_GRACE: Duration = Duration::from_secs(1);

/// A connection whose preamble has been read, by how it is served.
pub(crate) enum AcceptedConnection {
    /// HTTP in clear text.
    Plain(ReplayStream, ConnectionOrigin),
    /// TLS termination.
    Tls(TlsConnection),
    /// TLS passthrough.
    Passthrough(PassthroughConnection, ConnectionOrigin),
}

/// A connection whose TLS is terminated by the gateway.
pub(crate) struct TlsConnection {
    /// The connection, from the first byte of the ClientHello.
    pub(super) stream: ReplayStream,
    /// The origin, with the facts of the ClientHello.
    pub(super) origin: ConnectionOrigin,
    /// The listener that the SNI selects.
    pub(super) listener: Arc<Listener>,
    /// The TLS settings of the listener.
    pub(super) settings: Arc<ServerTls>,
    /// Deadline for the handshake.
    pub(super) deadline: Instant,
}

/// The number of the next connection.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// The gateway's end of a connection, if a format of an access log tells it.
fn local_address(stream: &TcpStream, socket: &ListenerSocket) -> Option<SocketAddr> {
    let mut inputs = socket
        .listeners
        .iter()
        .filter_map(|listener| listener.access_log.inputs());
    if !inputs.any(|inputs| inputs.local_address) {
        return None;
    }
    let local = stream.local_addr().ok()?;
    Some(SocketAddr::new(local.ip().to_canonical(), local.port()))
}

/// Reads the preamble of a connection.
struct PreambleReader {
    stream: TcpStream,
    /// Bytes that were read and not consumed.
    read: BytesMut,
}

/// Why a connection ends with its preamble.
enum PreambleError {
    /// The client closed the connection, or the proxy drains.
    ClientGone,
    /// The preamble is refused.
    Refused(Refusal),
}

/// Reads the preamble of a connection. `None` if the connection ends with it: a refusal is counted, logged, and sent to
/// the client as a TLS alert where possible.
pub(crate) async fn read_preamble(
    stream: TcpStream,
    client: SocketAddr,
    bind: BindAddress,
    context: &WorkerContext,
) -> Option<AcceptedConnection> {
    // With Nagle's algorithm small responses would wait for the client's delayed ACK. An error means a closed socket.
    let _ = stream.set_nodelay(true);
    let snapshot = context.snapshot();
    let socket = snapshot.sockets.get(&bind);
    let limits = socket.map_or_else(ConnectionLimits::default, |socket| socket.limits);
    if let Some(keepalive) = limits.tcp_keepalive {
        let _ = SockRef::from(&stream).set_tcp_keepalive(&socket_keepalive(keepalive));
    }
    let proxy_protocol = socket.map_or(ProxyProtocol::Off, |socket| socket.proxy_protocol);
    let is_plain = socket.is_none_or(ListenerSocket::is_plain);
    let facts = ClientFacts {
        id: NEXT_ID.fetch_add(1, Relaxed),
        peer: Some(client),
        local: socket.and_then(|socket| local_address(&stream, socket)),
        tls: None,
    };
    drop(snapshot);
    let mut origin = ConnectionOrigin {
        client,
        bind,
        hello: None,
        tls: None,
        limits,
        facts,
    };
    if is_plain && proxy_protocol == ProxyProtocol::Off {
        return Some(AcceptedConnection::Plain(stream.into(), origin));
    }
    let deadline = clock::now() + limits.handshake_timeout;
    let mut reader = PreambleReader {
        stream,
        read: BytesMut::new(),
    };
    let outcome = {
        let reading = reader.read(proxy_protocol, is_plain, &mut origin.client);
        tokio::select! {
            biased;
            read = reading => read,
            () = sleep_until(deadline.into()) => Err(PreambleError::Refused(Refusal::HandshakeTimeout)),
            () = drain_grace_elapsed(context) => Err(PreambleError::ClientGone),
        }
    };
    let is_silent = reader.read.is_empty();
    match outcome {
        Ok(None) => Some(AcceptedConnection::Plain(reader.into_replay(), origin)),
        Ok(Some(hello)) => select_listener(hello, reader, origin, deadline, context).await,
        // Speculative connections and TCP health checks send nothing; do not log them.
        Err(PreambleError::Refused(Refusal::HandshakeTimeout)) if is_silent => None,
        Err(PreambleError::Refused(refusal)) => {
            early_refusal::record(&origin, &refusal, context);
            alert::send(reader.stream, &refusal, None).await;
            None
        }
        Err(PreambleError::ClientGone) => None,
    }
}

/// Completes [`DRAIN_GRACE`] after the proxy has begun to drain.
pub(super) async fn drain_grace_elapsed(context: &WorkerContext) {
    context.shared.drain.draining().await;
    sleep(DRAIN_GRACE).await;
}

/// Selects the listener by the SNI of the ClientHello.
async fn select_listener(
    hello: ClientHello,
    reader: PreambleReader,
    mut origin: ConnectionOrigin,
    deadline: Instant,
    context: &WorkerContext,
) -> Option<AcceptedConnection> {
    let version = hello.legacy_version;
    let sni = hello.server_name;
    origin.hello = Some(HelloFacts {
        sni: sni.clone(),
        ech: hello.ech.is_some(),
    });
    let snapshot = context.snapshot();
    let socket = snapshot.sockets.get(&origin.bind);
    let listener = socket.and_then(|socket| socket.listener_for_sni(sni.as_ref()));
    let refusal = match (listener.map(|listener| &listener.protocol), sni) {
        (Some(ListenerProtocol::Https(settings)), _)
        // A TLSRoute matches by the name.
        | (Some(ListenerProtocol::Terminate(settings)), Some(_)) => {
            return Some(AcceptedConnection::Tls(TlsConnection {
                settings: Arc::clone(settings),
                listener: Arc::clone(listener?),
                stream: reader.into_replay(),
                origin,
                deadline,
            }));
        }
        (Some(ListenerProtocol::Passthrough), Some(name)) => {
            let incoming = PassthroughConnection {
                listener: Arc::clone(listener?),
                stream: reader.stream,
                read: reader.read.freeze(),
                name,
                version,
                snapshot,
            };
            return Some(AcceptedConnection::Passthrough(incoming, origin));
        }
        (_, None) => Refusal::NoServerName,
        // A plain HTTP listener is found here only if the socket's listeners have changed since the accept.
        (Some(ListenerProtocol::Http) | None, Some(_)) => Refusal::NoListener,
    };
    // Where all TLS is passed through, a name of nobody is refused as one without a backend is.
    let has_handshakes = socket.is_some_and(|socket| {
        let mut listeners = socket.listeners.iter();
        listeners.any(|listener| listener.protocol.server_tls().is_some())
    });
    let is_told = has_handshakes || !matches!(refusal, Refusal::NoListener);
    drop(snapshot);
    early_refusal::record(&origin, &refusal, context);
    if is_told {
        alert::send(reader.stream, &refusal, Some(version)).await;
    }
    None
}

impl PreambleReader {
    /// Reads the PROXY protocol header, which may set `client`, and the ClientHello, as far as the socket expects them.
    async fn read(
        &mut self,
        proxy_protocol: ProxyProtocol,
        is_plain: bool,
        client: &mut SocketAddr,
    ) -> Result<Option<ClientHello>, PreambleError> {
        if proxy_protocol != ProxyProtocol::Off {
            let source = self
                .read_proxy_header(proxy_protocol == ProxyProtocol::Required)
                .await?;
            *client = source.unwrap_or(*client);
        }
        if is_plain {
            return Ok(None);
        }
        self.read_client_hello().await.map(Some)
    }

    /// Reads the PROXY protocol header and returns the source address in it.
    async fn read_proxy_header(
        &mut self,
        is_required: bool,
    ) -> Result<Option<SocketAddr>, PreambleError> {
        loop {
            match proxy_protocol::read(&self.read).map_err(Refusal::ProxyHeader)? {
                HeaderProgress::Found(header) => {
                    self.read.advance(header.length);
                    return Ok(header.source);
                }
                HeaderProgress::Absent if is_required => {
                    return Err(Refusal::ProxyHeader(HeaderError::Missing).into());
                }
                HeaderProgress::Absent => return Ok(None),
                HeaderProgress::Partial => self.read_more().await?,
            }
        }
    }

    async fn read_client_hello(&mut self) -> Result<ClientHello, PreambleError> {
        let mut reader = HelloReader::default();
        loop {
            match reader.read(&self.read).map_err(Refusal::Hello)? {
                Some(hello) => return Ok(hello),
                None => self.read_more().await?,
            }
        }
    }

    /// Waits until the socket is readable and reads what is available.
    async fn read_more(&mut self) -> Result<(), PreambleError> {
        loop {
            self.stream.readable().await?;
            self.read.reserve(READ_SIZE);
            match self.stream.try_read_buf(&mut self.read) {
                Ok(0) => return Err(PreambleError::ClientGone),
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn into_replay(self) -> ReplayStream {
        let Self { stream, read } = self;
        let ahead = if read.is_empty() {
            Bytes::new()
        } else {
            read.freeze()
        };
        ReplayStream::new(stream, ahead)
    }
}

impl From<Refusal> for PreambleError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// An I/O error of the socket counts as the client having closed the connection.
impl From<io::Error> for PreambleError {
    fn from(_: io::Error) -> Self {
        Self::ClientGone
    }
}

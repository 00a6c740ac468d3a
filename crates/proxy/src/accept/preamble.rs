//! What a client's connection begins with, before anything of it is served: who it is from, if a load balancer says so,
//! and whom it asks for, if it speaks TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use egret_config::snapshot::{
    BindAddress, ConnectionLimits, Listener, Protocol, ProxyProtocol, ServerTls, Socket,
};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::{sleep, sleep_until};

use crate::client::{ConnectionOrigin, HelloFacts};
use crate::client_hello::{ClientHello, Reader};
use crate::clock;
use crate::context::WorkerContext;
use crate::dial::race::probes;
use crate::downstream::alert;
use crate::downstream::early_refusal;
use crate::proxy_protocol::{self, HeaderError, Progress};
use crate::refusal::Refusal;
use crate::request::passthrough::PassthroughConnection;
use crate::stream::Replay;

/// Bytes that are read at once.
const READ: usize = 2048;
/// How long what has begun may go on once the process is to stop.
const DRAIN_GRACE: Duration = Duration::from_secs(1);

/// A connection, and what is to become of it.
pub(crate) enum AcceptedConnection {
    /// It carries HTTP in the clear.
    Plain(Replay, ConnectionOrigin),
    /// It carries TLS that ends here.
    Tls(TlsConnection),
    /// It carries TLS that is passed on.
    Passthrough(PassthroughConnection, ConnectionOrigin),
}

/// TLS that ends here.
pub(crate) struct TlsConnection {
    /// From the first octet of the hello.
    pub(super) stream: Replay,
    /// With what the hello said.
    pub(super) origin: ConnectionOrigin,
    /// The one that takes the name.
    pub(super) listener: Arc<Listener>,
    pub(super) settings: Arc<ServerTls>,
    /// When the handshake must be over.
    pub(super) until: Instant,
}

/// What is read of the beginning.
struct ConnectionReader {
    stream: TcpStream,
    read: BytesMut,
}

/// Why there is nothing to serve.
enum BeginError {
    /// The client is gone.
    Gone,
    Refused(Refusal),
}

/// Reads what comes before HTTP. A connection that ends here is counted, logged, and told why as far as it can be.
pub(crate) async fn begin(
    stream: TcpStream,
    client: SocketAddr,
    bind: BindAddress,
    context: &WorkerContext,
) -> Option<AcceptedConnection> {
    // Without it small responses wait for the client's delayed ACK; a socket that refuses is gone already.
    let _ = stream.set_nodelay(true);
    let snapshot = context.snapshot();
    let socket = snapshot.sockets.get(&bind);
    let limits = socket.map_or_else(ConnectionLimits::default, |socket| socket.limits);
    if let Some(keepalive) = limits.tcp_keepalive {
        let _ = SockRef::from(&stream).set_tcp_keepalive(&probes(keepalive));
    }
    let proxy_protocol = socket.map_or(ProxyProtocol::Off, |socket| socket.proxy_protocol);
    let is_plain = socket.is_none_or(Socket::is_plain);
    drop(snapshot);
    let mut origin = ConnectionOrigin {
        client,
        bind,
        hello: None,
        tls: None,
        limits,
    };
    if is_plain && proxy_protocol == ProxyProtocol::Off {
        return Some(AcceptedConnection::Plain(stream.into(), origin));
    }
    let until = clock::now() + limits.handshake_timeout;
    let mut beginning = ConnectionReader {
        stream,
        read: BytesMut::new(),
    };
    let outcome = {
        let reading = beginning.facts(proxy_protocol, is_plain, &mut origin.client);
        tokio::select! {
            biased;
            read = reading => read,
            () = sleep_until(until.into()) => Err(BeginError::Refused(Refusal::HandshakeTimeout)),
            () = stopped(context) => Err(BeginError::Gone),
        }
    };
    let is_silent = beginning.read.is_empty();
    match outcome {
        Ok(None) => Some(AcceptedConnection::Plain(beginning.into_replay(), origin)),
        Ok(Some(hello)) => admit(hello, beginning, origin, until, context).await,
        // Who connects ahead of a need, or to see whether somebody is there, says nothing.
        Err(BeginError::Refused(Refusal::HandshakeTimeout)) if is_silent => None,
        Err(BeginError::Refused(refusal)) => {
            early_refusal::refused(&origin, &refusal, context);
            alert::send(beginning.stream, &refusal, None).await;
            None
        }
        Err(BeginError::Gone) => None,
    }
}

/// Ends when the process is to stop, and what has begun had its time.
pub(super) async fn stopped(context: &WorkerContext) {
    context.shared.drain.draining().await;
    sleep(DRAIN_GRACE).await;
}

/// Finds out who takes the name that the client asks for.
async fn admit(
    hello: ClientHello,
    beginning: ConnectionReader,
    mut origin: ConnectionOrigin,
    until: Instant,
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
    let listener = socket.and_then(|socket| socket.listener_named(sni.as_ref()));
    let refusal = match (listener.map(|listener| &listener.protocol), sni) {
        (Some(Protocol::Https(settings)), _) => {
            return Some(AcceptedConnection::Tls(TlsConnection {
                settings: Arc::clone(settings),
                listener: Arc::clone(listener?),
                stream: beginning.into_replay(),
                origin,
                until,
            }));
        }
        (Some(Protocol::Passthrough), Some(name)) => {
            let incoming = PassthroughConnection {
                listener: Arc::clone(listener?),
                stream: beginning.stream,
                read: beginning.read.freeze(),
                name,
                version,
                snapshot,
            };
            return Some(AcceptedConnection::Passthrough(incoming, origin));
        }
        (_, None) => Refusal::NoServerName,
        // Also if the listeners of the socket have become others since.
        (Some(Protocol::Http) | None, Some(_)) => Refusal::NoListener,
    };
    drop(snapshot);
    early_refusal::refused(&origin, &refusal, context);
    alert::send(beginning.stream, &refusal, Some(version)).await;
    None
}

impl ConnectionReader {
    /// The client as the header tells it, and the hello, if there have to be any.
    async fn facts(
        &mut self,
        proxy_protocol: ProxyProtocol,
        is_plain: bool,
        client: &mut SocketAddr,
    ) -> Result<Option<ClientHello>, BeginError> {
        if proxy_protocol != ProxyProtocol::Off {
            let source = self
                .header(proxy_protocol == ProxyProtocol::Required)
                .await?;
            *client = source.unwrap_or(*client);
        }
        if is_plain {
            return Ok(None);
        }
        self.hello().await.map(Some)
    }

    async fn header(&mut self, is_required: bool) -> Result<Option<SocketAddr>, BeginError> {
        loop {
            match proxy_protocol::read(&self.read).map_err(Refusal::ProxyHeader)? {
                Progress::Found(header) => {
                    self.read.advance(header.length);
                    return Ok(header.source);
                }
                Progress::Absent if is_required => {
                    return Err(Refusal::ProxyHeader(HeaderError::Missing).into());
                }
                Progress::Absent => return Ok(None),
                Progress::Partial => self.more().await?,
            }
        }
    }

    async fn hello(&mut self) -> Result<ClientHello, BeginError> {
        let mut reader = Reader::default();
        loop {
            match reader.read(&self.read).map_err(Refusal::Hello)? {
                Some(hello) => return Ok(hello),
                None => self.more().await?,
            }
        }
    }

    /// Reads what there is, once there is something.
    async fn more(&mut self) -> Result<(), BeginError> {
        loop {
            self.stream.readable().await?;
            self.read.reserve(READ);
            match self.stream.try_read_buf(&mut self.read) {
                Ok(0) => return Err(BeginError::Gone),
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn into_replay(self) -> Replay {
        let Self { stream, read } = self;
        let ahead = if read.is_empty() {
            Bytes::new()
        } else {
            read.freeze()
        };
        Replay::new(stream, ahead)
    }
}

impl From<Refusal> for BeginError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// An error of the socket is the client's leaving.
impl From<io::Error> for BeginError {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

//! Connections to upstreams.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::client::conn::http1::SendRequest;
use tokio::sync::oneshot;

use super::connection_permit::ConnectionPermit;
use super::connection_wakes::{ConnectionWakes, HeldWakes};
use super::driven::DrivenConnection;
use super::health::EndpointHealth;
use super::http1::DozingConnection;
use super::http2::Http2Stream;
use super::interim::AwaitedResponse;
use super::request_body::RequestBody;
use super::stream::UpstreamStream;

/// A connection that no longer carries HTTP, or never did; or one stream of a connection.
pub(crate) struct UpgradedStream {
    pub(crate) stream: UpstreamStream,
    /// Bytes that were read beyond the response.
    pub(crate) read: Bytes,
    /// `None` for a stream, whose connection holds its own permit.
    pub(crate) permit: Option<ConnectionPermit>,
}

/// Where the connection is sent when HTTP on it is over, if a request waits for that.
pub(super) type UpgradeSender = Rc<Cell<Option<oneshot::Sender<UpgradedStream>>>>;

/// A connection or stream that a request is sent over.
pub(crate) enum UpstreamConnection {
    /// A whole connection; boxed because what is in use passes through many functions.
    Http1(Box<Http1Connection>),
    /// A stream of a shared connection.
    Http2(Http2Stream),
}

/// An HTTP/1.1 connection, which carries one request at a time.
pub(crate) struct Http1Connection {
    pub(super) switch: UpgradeSender,
    pub(super) sender: SendRequest<RequestBody>,
    pub(super) awaited: Rc<AwaitedResponse>,
    pub(super) driven: Weak<DrivenConnection>,
    pub(super) wakes: Arc<ConnectionWakes>,
    pub(super) peer: SocketAddr,
    /// The gateway's end of the connection.
    pub(super) local: Option<SocketAddr>,
    /// The health of the peer's address.
    pub(super) health: Arc<EndpointHealth>,
    /// The number of requests so far.
    pub(super) served: u32,
}

/// How long an idle connection keeps what HTTP holds in memory.
const DOZE_AFTER: Duration = Duration::from_secs(1);

/// An idle connection.
pub(super) struct IdleConnection {
    state: IdleState,
    since: Instant,
}

enum IdleState {
    /// hyper waits for a request on it.
    Awake(Box<Http1Connection>),
    /// HTTP has to be begun on it again.
    Dozing(DozingConnection),
}

impl UpstreamConnection {
    /// The peer's address.
    pub(super) fn peer(&self) -> SocketAddr {
        match self {
            Self::Http1(connection) => connection.peer,
            Self::Http2(stream) => stream.connection().peer(),
        }
    }

    /// The gateway's end of the connection.
    pub(super) fn local(&self) -> Option<SocketAddr> {
        match self {
            Self::Http1(connection) => connection.local,
            Self::Http2(stream) => stream.connection().local(),
        }
    }

    /// The protocol that is spoken on it.
    pub(super) const fn protocol(&self) -> &'static str {
        match self {
            Self::Http1(_) => "HTTP/1.1",
            Self::Http2(_) => "HTTP/2",
        }
    }

    /// Holds back what wakes the connection's task; `None` for a stream.
    pub(super) fn hold_wakes(&self) -> Option<HeldWakes<'_>> {
        match self {
            Self::Http1(connection) => Some(connection.wakes.hold()),
            Self::Http2(_) => None,
        }
    }

    /// The health of the peer's address.
    pub(super) fn health(&self) -> &Arc<EndpointHealth> {
        match self {
            Self::Http1(connection) => &connection.health,
            Self::Http2(stream) => stream.connection().health(),
        }
    }
}

impl IdleConnection {
    /// A connection that has become idle.
    pub(super) fn new(connection: Box<Http1Connection>, since: Instant) -> Self {
        Self {
            state: IdleState::Awake(connection),
            since,
        }
    }

    /// The connection, to send a request on; `None` if it has been closed. A response may have `max_fields` header fields.
    pub(super) fn take(self, max_fields: Option<usize>) -> Option<Box<Http1Connection>> {
        if self.is_closed() {
            return None;
        }
        match self.state {
            IdleState::Awake(connection) => {
                Some(connection).filter(|connection| connection.sender.is_ready())
            }
            IdleState::Dozing(dozing) => dozing.wake().begin(max_fields).ok(),
        }
    }

    /// The connection, without what it needs no more; `None` if it has been closed, or idle for `limit`.
    pub(super) fn swept(self, now: Instant, limit: Duration) -> Option<Self> {
        let (idle, since) = (now - self.since, self.since);
        if idle >= limit || self.is_closed() {
            return None;
        }
        let state = match self.state {
            IdleState::Awake(connection) if idle >= DOZE_AFTER => match connection.doze() {
                Ok(dozing) => IdleState::Dozing(dozing?),
                Err(connection) => IdleState::Awake(connection),
            },
            state => state,
        };
        Some(Self { state, since })
    }

    fn is_closed(&self) -> bool {
        match &self.state {
            IdleState::Awake(connection) => connection.sender.is_closed(),
            IdleState::Dozing(dozing) => dozing.is_closed(),
        }
    }
}

impl Http1Connection {
    /// Registers for the connection, which is received when the upstream agrees to another protocol.
    pub(super) fn expect_upgrade(&self) -> oneshot::Receiver<UpgradedStream> {
        let (sender, receiver) = oneshot::channel();
        self.switch.set(Some(sender));
        receiver
    }
}

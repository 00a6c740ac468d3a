//! Connections to upstreams.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::health::EndpointHealth;
use super::http1::{DozingConnection, SharedWire};
use super::http2::Http2Stream;

/// A connection or stream that a request is sent over.
pub(crate) enum UpstreamConnection {
    /// A whole connection; boxed because what is in use passes through many functions.
    Http1(Box<Http1Connection>),
    /// A stream of a shared connection.
    Http2(Http2Stream),
}

/// An HTTP/1.1 connection, which carries one request at a time.
pub(crate) struct Http1Connection {
    pub(super) wire: Rc<SharedWire>,
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
    /// Its task waits for a request.
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
            IdleState::Awake(connection) => Some(connection),
            IdleState::Dozing(dozing) => Some(dozing.wake().begin(max_fields)),
        }
    }

    /// The connection, without what it needs no more; `None` if it has been closed, or idle for `limit`.
    pub(super) fn swept(self, now: Instant, limit: Duration) -> Option<Self> {
        let (idle, since) = (now - self.since, self.since);
        if idle >= limit || self.is_closed() {
            return None;
        }
        let state = match self.state {
            IdleState::Awake(connection) if idle >= DOZE_AFTER => {
                IdleState::Dozing(connection.doze()?)
            }
            state => state,
        };
        Some(Self { state, since })
    }

    fn is_closed(&self) -> bool {
        match &self.state {
            IdleState::Awake(connection) => connection.wire.is_over(),
            IdleState::Dozing(dozing) => dozing.is_closed(),
        }
    }
}

//! Connections to upstreams.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hyper::client::conn::http1::SendRequest;
use tokio::sync::oneshot;

use super::connection_permit::ConnectionPermit;
use super::health::EndpointHealth;
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
    /// A whole connection.
    Http1(Http1Connection),
    /// A stream of a shared connection.
    Http2(Http2Stream),
}

/// An HTTP/1.1 connection, which carries one request at a time.
pub(crate) struct Http1Connection {
    pub(super) switch: UpgradeSender,
    pub(super) sender: SendRequest<RequestBody>,
    pub(super) awaited: Rc<AwaitedResponse>,
    pub(super) peer: SocketAddr,
    /// The gateway's end of the connection; boxed because response bodies hold connections.
    pub(super) local: Option<Box<SocketAddr>>,
    /// The health of the peer's address.
    pub(super) health: Arc<EndpointHealth>,
    /// The number of requests so far.
    pub(super) served: u32,
}

/// An idle connection.
pub(super) struct IdleConnection {
    pub(super) connection: Http1Connection,
    pub(super) since: Instant,
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
            Self::Http1(connection) => connection.local.as_deref().copied(),
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

impl Http1Connection {
    /// Registers for the connection, which is received when the upstream agrees to another protocol.
    pub(super) fn expect_upgrade(&self) -> oneshot::Receiver<UpgradedStream> {
        let (sender, receiver) = oneshot::channel();
        self.switch.set(Some(sender));
        receiver
    }
}

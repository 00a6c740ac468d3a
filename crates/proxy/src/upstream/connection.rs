//! A connection to an upstream, in use or waiting.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hyper::client::conn::http1::SendRequest;
use tokio::sync::oneshot;

use super::health::EndpointHealth;
use super::host_pool::HostPool;
use super::http2::{Http2Connection, Http2Stream};
use super::limits::LimitPermit;
use super::metrics::UpstreamMetrics;
use super::request_body::RequestBody;
use super::stream::UpstreamStream;
use super::upstreams::Upstreams;

/// An open connection to an upstream, counted while it is.
pub(crate) struct ConnectionPermit {
    metrics: Arc<UpstreamMetrics>,
    _permit: LimitPermit,
}

/// A connection that does not carry HTTP any more, or never did; or a stream of one that goes on with others.
pub(crate) struct UpgradedStream {
    pub(crate) stream: UpstreamStream,
    /// What was read of it beyond the response.
    pub(crate) read: Bytes,
    /// `None` is a stream's, whose connection is counted for itself.
    pub(crate) permit: Option<ConnectionPermit>,
}

/// Where to send what is left of a connection when HTTP on it is over, if somebody waits for it.
pub(super) type UpgradeSender = Rc<Cell<Option<oneshot::Sender<UpgradedStream>>>>;

/// What a request is sent over.
pub(crate) enum UpstreamConnection {
    /// A connection of its own.
    Http1(Http1Connection),
    /// A part of one.
    Http2(Http2Stream),
}

/// A connection that carries one request at a time.
pub(crate) struct Http1Connection {
    pub(super) switch: UpgradeSender,
    pub(super) sender: SendRequest<RequestBody>,
    pub(super) peer: SocketAddr,
    /// How its address does.
    pub(super) health: Arc<EndpointHealth>,
    /// Requests so far.
    pub(super) served: u32,
}

/// A connection that waits.
pub(super) struct IdleConnection {
    pub(super) connection: Http1Connection,
    pub(super) since: Instant,
}

/// A connection in use that knows its way back. Dropped without [`LeasedConnection::release`] it is closed, if it is not shared: then
/// only the stream is.
pub(crate) struct LeasedConnection {
    /// Absent once it is released.
    connection: Option<UpstreamConnection>,
    host_pool: Rc<HostPool>,
    /// For the request that is on it.
    _request: LimitPermit,
}

impl ConnectionPermit {
    pub(crate) fn new(upstreams: &Upstreams, permit: LimitPermit) -> Self {
        let metrics = Arc::clone(&upstreams.metrics);
        metrics.connected.increment();
        metrics.connections.add(1);
        Self {
            metrics,
            _permit: permit,
        }
    }

    /// Where it is counted.
    pub(super) fn metrics(&self) -> &Arc<UpstreamMetrics> {
        &self.metrics
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.metrics.connections.add(-1);
    }
}

impl UpstreamConnection {
    /// The address it is connected to.
    pub(super) fn peer(&self) -> SocketAddr {
        match self {
            Self::Http1(connection) => connection.peer,
            Self::Http2(stream) => stream.connection().peer(),
        }
    }

    /// How that address does.
    pub(super) fn health(&self) -> &Arc<EndpointHealth> {
        match self {
            Self::Http1(connection) => &connection.health,
            Self::Http2(stream) => stream.connection().health(),
        }
    }
}

impl Http1Connection {
    pub(crate) fn new(
        sender: SendRequest<RequestBody>,
        switch: UpgradeSender,
        peer: SocketAddr,
        health: Arc<EndpointHealth>,
    ) -> Self {
        Self {
            switch,
            sender,
            peer,
            health,
            served: 0,
        }
    }

    /// Gets the connection itself when the upstream agrees to another protocol.
    pub(super) fn expect_upgrade(&self) -> oneshot::Receiver<UpgradedStream> {
        let (sender, receiver) = oneshot::channel();
        self.switch.set(Some(sender));
        receiver
    }
}

impl LeasedConnection {
    pub(crate) fn new(
        mut connection: UpstreamConnection,
        host_pool: &Rc<HostPool>,
        request: LimitPermit,
    ) -> Self {
        if let UpstreamConnection::Http1(connection) = &mut connection {
            connection.served = connection.served.saturating_add(1);
        }
        connection.health().request_started();
        host_pool.lease_begins();
        Self {
            connection: Some(connection),
            host_pool: Rc::clone(host_pool),
            _request: request,
        }
    }

    fn connection(&self) -> &UpstreamConnection {
        let connection = self.connection.as_ref();
        connection.expect("it is there until the lease is released, which consumes it")
    }

    /// The address it is connected to.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.connection().peer()
    }

    /// How that address does.
    pub(crate) fn health(&self) -> &Arc<EndpointHealth> {
        self.connection().health()
    }

    /// Where it belongs.
    pub(crate) fn host_pool(&self) -> &Rc<HostPool> {
        &self.host_pool
    }

    /// Whether it is one stream of many.
    pub(crate) fn is_stream(&self) -> bool {
        self.stream().is_some()
    }

    /// The connection that the stream is on, if it is a stream.
    pub(super) fn stream(&self) -> Option<&Http2Connection> {
        match self.connection() {
            UpstreamConnection::Http1(_) => None,
            UpstreamConnection::Http2(stream) => Some(stream.connection()),
        }
    }

    /// What it is.
    pub(super) fn borrow(&mut self) -> &mut UpstreamConnection {
        let connection = self.connection.as_mut();
        connection.expect("it is there until the lease is released, which consumes it")
    }

    /// The response has ended: back to the pool, as soon as the connection can take the next request.
    pub(crate) fn release(mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        connection.health().request_ended();
        self.host_pool.put_when_ready(connection);
    }
}

#[cfg(test)]
impl LeasedConnection {
    pub(crate) fn is_closed(&self) -> bool {
        match self.connection() {
            UpstreamConnection::Http1(connection) => connection.sender.is_closed(),
            UpstreamConnection::Http2(stream) => stream.connection().is_closed(),
        }
    }
}

impl Drop for LeasedConnection {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            connection.health().request_ended();
        }
        self.host_pool.lease_ends();
    }
}

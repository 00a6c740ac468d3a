//! A connection to an upstream, in use or waiting.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hyper::client::conn::http1::SendRequest;
use tokio::sync::oneshot;

use super::health::Health;
use super::http2::{OpenStream, Shared};
use super::limits::Permit;
use super::metrics::UpstreamMetrics;
use super::request_body::RequestBody;
use super::host_pool::Shelf;
use super::stream::Stream;
use super::upstreams::Upstreams;

/// An open connection to an upstream, counted while it is.
pub(crate) struct Open {
    metrics: Arc<UpstreamMetrics>,
    _permit: Permit,
}

/// A connection that does not carry HTTP any more, or never did; or a stream of one that goes on with others.
pub(crate) struct UpgradedStream {
    pub(crate) stream: Stream,
    /// What was read of it beyond the response.
    pub(crate) read: Bytes,
    /// `None` is a stream's, whose connection is counted for itself.
    pub(crate) open: Option<Open>,
}

/// Where to send what is left of a connection when HTTP on it is over, if somebody waits for it.
pub(super) type Switch = Rc<Cell<Option<oneshot::Sender<UpgradedStream>>>>;

/// What a request is sent over.
pub(crate) enum Connection {
    /// A connection of its own.
    Http1(Http1),
    /// A part of one.
    Http2(OpenStream),
}

/// A connection that carries one request at a time.
pub(crate) struct Http1 {
    pub(super) switch: Switch,
    pub(super) sender: SendRequest<RequestBody>,
    pub(super) peer: SocketAddr,
    /// How its address does.
    pub(super) health: Arc<Health>,
    /// Requests so far.
    pub(super) served: u32,
}

/// A connection that waits.
pub(super) struct Waiting {
    pub(super) connection: Http1,
    pub(super) since: Instant,
}

/// A connection in use that knows its way back. Dropped without [`Lease::release`] it is closed, if it is not shared: then
/// only the stream is.
pub(crate) struct Lease {
    /// Absent once it is released.
    connection: Option<Connection>,
    shelf: Rc<Shelf>,
    /// For the request that is on it.
    _request: Permit,
}

impl Open {
    pub(crate) fn new(upstreams: &Upstreams, permit: Permit) -> Self {
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

impl Drop for Open {
    fn drop(&mut self) {
        self.metrics.connections.add(-1);
    }
}

impl Connection {
    /// The address it is connected to.
    pub(super) fn peer(&self) -> SocketAddr {
        match self {
            Self::Http1(connection) => connection.peer,
            Self::Http2(stream) => stream.connection().peer(),
        }
    }

    /// How that address does.
    pub(super) fn health(&self) -> &Arc<Health> {
        match self {
            Self::Http1(connection) => &connection.health,
            Self::Http2(stream) => stream.connection().health(),
        }
    }
}

impl Http1 {
    pub(crate) fn new(
        sender: SendRequest<RequestBody>,
        switch: Switch,
        peer: SocketAddr,
        health: Arc<Health>,
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
    pub(super) fn expect_switch(&self) -> oneshot::Receiver<UpgradedStream> {
        let (sender, receiver) = oneshot::channel();
        self.switch.set(Some(sender));
        receiver
    }
}

impl Lease {
    pub(crate) fn new(mut connection: Connection, shelf: &Rc<Shelf>, request: Permit) -> Self {
        if let Connection::Http1(connection) = &mut connection {
            connection.served = connection.served.saturating_add(1);
        }
        connection.health().request_begins();
        shelf.lent();
        Self {
            connection: Some(connection),
            shelf: Rc::clone(shelf),
            _request: request,
        }
    }

    fn connection(&self) -> &Connection {
        let connection = self.connection.as_ref();
        connection.expect("it is there until the lease is released, which consumes it")
    }

    /// The address it is connected to.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.connection().peer()
    }

    /// How that address does.
    pub(crate) fn health(&self) -> &Arc<Health> {
        self.connection().health()
    }

    /// Where it belongs.
    pub(crate) fn shelf(&self) -> &Rc<Shelf> {
        &self.shelf
    }

    /// Whether it is one stream of many.
    pub(crate) fn is_stream(&self) -> bool {
        self.stream().is_some()
    }

    /// The connection that the stream is on, if it is a stream.
    pub(super) fn stream(&self) -> Option<&Shared> {
        match self.connection() {
            Connection::Http1(_) => None,
            Connection::Http2(stream) => Some(stream.connection()),
        }
    }

    /// What it is.
    pub(super) fn borrow(&mut self) -> &mut Connection {
        let connection = self.connection.as_mut();
        connection.expect("it is there until the lease is released, which consumes it")
    }

    /// The response has ended: back to the pool, as soon as the connection can take the next request.
    pub(crate) fn release(mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        connection.health().request_ends();
        self.shelf.put_when_ready(connection);
    }
}

#[cfg(test)]
impl Lease {
    pub(crate) fn is_closed(&self) -> bool {
        match self.connection() {
            Connection::Http1(connection) => connection.sender.is_closed(),
            Connection::Http2(stream) => stream.connection().is_closed(),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            connection.health().request_ends();
        }
        self.shelf.came_back();
    }
}

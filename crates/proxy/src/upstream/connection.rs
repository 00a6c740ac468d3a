//! A connection to an upstream, in use or waiting.

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
use super::request_body::RequestBody;
use super::stream::UpstreamStream;

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

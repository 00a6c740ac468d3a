//! Connections in use by one request each, which return to their pool afterwards.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use super::connection::UpstreamConnection;
use super::health::EndpointHealth;
use super::host_pool::HostPool;
use super::http2::Http2Connection;
use super::limits::LimitPermit;
use crate::record::Trip;

/// A connection that is in use by one request and returns to its pool. Dropping it without
/// [`LeasedConnection::release`] closes the connection, or only the stream if the connection is shared.
pub(crate) struct LeasedConnection {
    /// Absent once it is released.
    connection: Option<UpstreamConnection>,
    host_pool: Rc<HostPool>,
    /// The permit of the request.
    _request: LimitPermit,
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

    /// The peer's address.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.connection().peer()
    }

    /// Tells a trip about the connection.
    pub(super) fn tell(&self, trip: &Trip, reused: bool) {
        let connection = self.connection();
        trip.has_connection(connection.peer(), reused);
        trip.speaks(connection.protocol(), connection.local());
    }

    /// The health of the peer's address.
    pub(crate) fn health(&self) -> &Arc<EndpointHealth> {
        self.connection().health()
    }

    /// The pool of the connection.
    pub(crate) fn host_pool(&self) -> &Rc<HostPool> {
        &self.host_pool
    }

    /// The HTTP/2 connection of the stream, if this is a stream.
    pub(super) fn stream(&self) -> Option<&Http2Connection> {
        match self.connection() {
            UpstreamConnection::Http1(_) => None,
            UpstreamConnection::Http2(stream) => Some(stream.connection()),
        }
    }

    /// The connection, to send a request on.
    pub(super) fn borrow(&mut self) -> &mut UpstreamConnection {
        let connection = self.connection.as_mut();
        connection.expect("it is there until the lease is released, which consumes it")
    }

    /// Returns the connection to the pool, as soon as it can take a next request. The response has ended.
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
            UpstreamConnection::Http1(connection) => connection.wire.is_closed(),
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

//! HTTP/1.1 connections to upstreams: with a task of their own while they are in use, and sockets alone while they are idle.
//!
//! HTTP is spoken here and not by hyper, which serves clients: a request goes from its task to that of a connection and its
//! response comes back without a channel on the way, and bodies are read by whoever sends them on.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use super::connection::Http1Connection;
use super::connection_permit::ConnectionPermit;
use super::health::EndpointHealth;
use super::metrics::UpstreamMetrics;
use super::stream::UpstreamStream;
use crate::task;

#[cfg(test)]
mod against_hyper;
mod body;
mod error;
mod outbox;
mod received;
mod request_head;
mod response_framing;
mod response_head;
mod shared;
#[cfg(test)]
mod test_socket;
#[cfg(test)]
mod tests;
mod wire;

pub(in crate::upstream) use body::Http1Body;
pub(in crate::upstream) use error::{FailedRequest, Http1Error};
pub(in crate::upstream) use shared::{Http1Answer, SharedWire};
pub(in crate::upstream) use wire::NextRequest;

use wire::Wire;

/// A connection without any state of HTTP: it is new, or between two requests.
pub(super) struct Http1Socket {
    pub(super) stream: UpstreamStream,
    pub(super) permit: ConnectionPermit,
    pub(super) peer: SocketAddr,
    pub(super) local: Option<SocketAddr>,
    pub(super) health: Arc<EndpointHealth>,
    pub(super) served: u32,
}

/// An idle connection that holds nothing of HTTP.
pub(super) struct DozingConnection {
    socket: Http1Socket,
    /// Counts it.
    _dozing: DozeCount,
}

struct DozeCount(Arc<UpstreamMetrics>);

impl Http1Socket {
    /// Begins HTTP on the connection, which takes no system call. A response may have `max_fields` header fields.
    pub(super) fn begin(self, max_fields: Option<usize>) -> Box<Http1Connection> {
        let wire = SharedWire::new(Wire::new(self.stream, self.permit, max_fields));
        task::spawn(drive(Rc::clone(&wire)));
        Box::new(Http1Connection {
            wire,
            peer: self.peer,
            local: self.local,
            health: self.health,
            served: self.served,
        })
    }
}

/// Drives a connection until it is closed, or taken apart.
async fn drive(wire: Rc<SharedWire>) {
    /// Lets nobody wait in vain, even if the task panics.
    struct End(Rc<SharedWire>);

    impl Drop for End {
        fn drop(&mut self) {
            self.0.task_ended();
        }
    }

    let end = End(wire);
    poll_fn(|cx| end.0.poll_task(cx)).await;
}

impl Http1Connection {
    /// Lets go of all that HTTP holds in memory. The connection must be idle. `None` if it cannot be used again: it is closed,
    /// or something came that no request asked for.
    pub(super) fn doze(&self) -> Option<DozingConnection> {
        let (stream, permit) = self.wire.take_apart()?;
        Some(DozingConnection {
            _dozing: DozeCount::new(permit.metrics()),
            socket: Http1Socket {
                stream,
                permit,
                peer: self.peer,
                local: self.local,
                health: Arc::clone(&self.health),
                served: self.served,
            },
        })
    }
}

impl Drop for Http1Connection {
    fn drop(&mut self) {
        self.wire.abandon();
    }
}

impl DozingConnection {
    /// Whether the upstream has closed the connection, or sent what no request asked for.
    pub(super) fn is_closed(&self) -> bool {
        self.socket.stream.is_readable()
    }

    /// The connection, to begin HTTP on it again.
    pub(super) fn wake(self) -> Http1Socket {
        self.socket
    }
}

impl DozeCount {
    fn new(metrics: &Arc<UpstreamMetrics>) -> Self {
        metrics.dozing_connections.add(1);
        Self(Arc::clone(metrics))
    }
}

impl Drop for DozeCount {
    fn drop(&mut self) {
        self.0.dozing_connections.add(-1);
    }
}

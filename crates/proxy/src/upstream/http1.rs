//! HTTP/1.1 connections to upstreams: driven by hyper while they are in use, and sockets alone while they are idle.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use hyper::client::conn::http1::Builder;
use hyper_util::rt::TokioIo;

use super::connection::{Http1Connection, UpgradeSender, UpgradedStream};
use super::connection_permit::ConnectionPermit;
use super::connection_wakes::ConnectionWakes;
use super::deferred_write_errors::{DeferredWriteErrors, LaterWrites};
use super::driven::DrivenConnection;
use super::health::EndpointHealth;
use super::interim::{AwaitedResponse, InterimReader};
use super::metrics::UpstreamMetrics;
use super::quiet_reader::QuietReader;
use super::stream::UpstreamStream;
use crate::task;
use crate::transfer::HTTP1_BUFFER;

/// Bytes that a response's head may have.
const MAX_HEAD: usize = 60 * 1024;

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
    ///
    /// # Errors
    /// Those of hyper.
    pub(super) fn begin(
        self,
        max_fields: Option<usize>,
    ) -> Result<Box<Http1Connection>, hyper::Error> {
        let Self {
            stream,
            permit,
            peer,
            local,
            health,
            served,
        } = self;
        let mut builder = Builder::new();
        builder
            .max_buf_size(HTTP1_BUFFER)
            .max_header_size(MAX_HEAD)
            // A proxy removes the blank (RFC 9112 5.1).
            .allow_spaces_after_header_name_in_responses(true);
        if let Some(most) = max_fields {
            builder.max_headers(most);
        }
        let awaited = Rc::new(AwaitedResponse::default());
        let wakes = Arc::new(ConnectionWakes::default());
        let stream = DeferredWriteErrors::new(stream, LaterWrites::Pending);
        let stream = QuietReader::new(stream, Arc::clone(&wakes));
        let stream = TokioIo::new(InterimReader::new(stream, Rc::clone(&awaited)));
        let (sender, hyper) = at_once(builder.handshake(stream))?;
        let switch = UpgradeSender::default();
        let driven = Rc::new(DrivenConnection::new(hyper, Arc::clone(&wakes), permit));
        let weak = Rc::downgrade(&driven);
        task::spawn(drive(driven, Rc::clone(&switch)));
        Ok(Box::new(Http1Connection {
            switch,
            sender,
            awaited,
            driven: weak,
            wakes,
            peer,
            local,
            health,
            served,
        }))
    }
}

/// The output of hyper's handshake, which for HTTP/1.1 sends nothing and waits for nothing.
fn at_once<F: Future>(handshake: F) -> F::Output {
    let mut cx = Context::from_waker(Waker::noop());
    match pin!(handshake).poll(&mut cx) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("HTTP/1.1 begins without a word"),
    }
}

/// Drives a connection until it ends, or is taken apart.
async fn drive(driven: Rc<DrivenConnection>, switch: UpgradeSender) {
    // Its errors are reported by its requests.
    let over = poll_fn(|cx| driven.poll(cx)).await;
    // Taken in any case, so that no request waits in vain.
    let waiting = switch.take();
    if let Some(Ok(())) = over
        && let Some(waiting) = waiting
        && let Some((stream, read, permit)) = driven.take_apart()
    {
        let upgraded = UpgradedStream {
            stream,
            read,
            permit: Some(permit),
        };
        // If the request is gone, the connection is closed.
        let _ = waiting.send(upgraded);
    }
}

impl Http1Connection {
    /// Lets go of all that HTTP holds in memory. The connection must be idle.
    ///
    /// # Errors
    /// The connection as it is, if nobody drives it. `None` if it cannot be used again: something came that no request
    /// asked for.
    pub(super) fn doze(self: Box<Self>) -> Result<Option<DozingConnection>, Box<Self>> {
        let Some(driven) = Weak::upgrade(&self.driven) else {
            return Err(self);
        };
        let taken = driven.take_apart();
        let dozing = taken.filter(|(_, read, _)| read.is_empty());
        Ok(dozing.map(|(stream, _, permit)| DozingConnection {
            _dozing: DozeCount::new(permit.metrics()),
            socket: Http1Socket {
                stream,
                permit,
                peer: self.peer,
                local: self.local,
                health: self.health,
                served: self.served,
            },
        }))
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

//! HTTP/2 connections, which carry many requests at once (RFC 9113).
//!
//! The pool of a worker and the requests on a connection own it together: it closes when the last of them lets go. The
//! request that opened a connection uses it at once; others wait for the peer's settings, which say how many streams it
//! takes.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use egret_config::snapshot::Http2Settings;
use h2::client::{Builder, SendRequest};
use http::{HeaderMap, HeaderName, HeaderValue, Request};

use super::connection_permit::ConnectionPermit;
use super::deferred_write_errors::DeferredWriteErrors;
use super::health::EndpointHealth;
use super::host_pool::HostPool;
use super::metrics::UpstreamMetrics;
use super::request_body::RequestBody;
use super::stream::UpstreamStream;
use crate::clock;
use crate::task;
use crate::tls::TlsFailure;
pub(super) use fault::StreamFault;
pub(super) use request::{StreamError, StreamResponse};
use socket::{ConnectionEvents, ObservedSocket};

pub(super) mod convert;
mod fault;
mod keepalive;
mod request;
mod socket;

/// The limit of streams that is assumed before the peer's settings arrive. No peer can send it: a setting has 32
/// bits.
const UNKNOWN: usize = usize::MAX - 1;
/// Bytes that the header fields of a response may have, each with 32 bytes more than it has (RFC 9113 6.5.2).
const MAX_FIELDS: u32 = 60 * 1024;
/// How much more the library takes than the limit, so that a head which exceeds it can be told from one that is malformed.
const HEADROOM: u32 = 4;
/// Bytes of a request body that are buffered for the upstream.
const MAX_UNSENT: usize = 256 * 1024;

/// Streams that may have to be reset because of protocol errors of the upstream; more end the connection.
const MAX_LOCAL_RESETS: usize = 1024;
/// The largest frame that an upstream may send, in bytes; the default of HTTP/2.
const MAX_FRAME: u32 = 16 * 1024;

/// An HTTP/2 connection.
pub(crate) struct Http2Connection {
    sender: RefCell<SendRequest<Bytes>>,
    events: Rc<ConnectionEvents>,
    peer: SocketAddr,
    local: Option<SocketAddr>,
    health: Arc<EndpointHealth>,
    /// Our own limit of concurrent streams.
    max_streams: u32,
    streams: Rc<Cell<u32>>,
    metrics: Arc<UpstreamMetrics>,
    /// The number of requests so far.
    served: Cell<u32>,
    /// Whether the connection is in the pool.
    pub(super) pooled: Cell<bool>,
    /// When the last stream ended.
    pub(super) idle_since: Cell<Instant>,
    host_pool: Weak<HostPool>,
}

/// A stream of a connection, for one request. Dropping it ends its use of the connection.
pub(crate) struct Http2Stream(Rc<Http2Connection>);

/// The address of a connection, and its pool.
pub(super) struct EndpointOrigin<'a> {
    pub(super) peer: SocketAddr,
    pub(super) local: Option<SocketAddr>,
    pub(super) health: Arc<EndpointHealth>,
    pub(super) host_pool: &'a Rc<HostPool>,
}

impl Http2Connection {
    /// Begins HTTP/2 on a socket: sends our settings, without waiting for the peer's.
    ///
    /// # Errors
    /// If the socket is closed.
    pub(super) async fn begin(
        stream: UpstreamStream,
        open: ConnectionPermit,
        settings: &Http2Settings,
        place: EndpointOrigin<'_>,
    ) -> Result<Rc<Self>, h2::Error> {
        let events = Rc::new(ConnectionEvents::new(clock::now()));
        let metrics = Arc::clone(open.metrics());
        let link = ObservedSocket::new(stream, open, Rc::clone(&events));
        let link = DeferredWriteErrors::new(link);
        let (sender, mut driver) = builder(settings).handshake(link).await?;
        let streams = Rc::new(Cell::new(0));
        let pings = driver.ping_pong().zip(settings.keepalive);
        let (their_events, their_streams) = (Rc::clone(&events), Rc::clone(&streams));
        task::spawn(Box::pin(async move {
            let alive = async {
                let Some((pings, keepalive)) = pings else {
                    return std::future::pending().await;
                };
                let events = Rc::clone(&their_events);
                keepalive::unanswered(pings, keepalive, events, their_streams).await;
            };
            tokio::select! {
                biased;
                // Its errors are reported by its streams.
                _ = driver => {}
                () = alive => {}
            }
            their_events.end();
        }));
        Ok(Rc::new(Self {
            sender: RefCell::new(sender),
            events,
            peer: place.peer,
            local: place.local,
            health: place.health,
            max_streams: settings.max_concurrent_streams,
            streams,
            metrics,
            served: Cell::default(),
            pooled: Cell::default(),
            idle_since: Cell::new(clock::now()),
            host_pool: Rc::downgrade(place.host_pool),
        }))
    }

    /// The gateway's end of the connection.
    pub(super) fn local(&self) -> Option<SocketAddr> {
        self.local
    }

    /// The peer's address.
    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The health of the peer's address.
    pub(super) fn health(&self) -> &Arc<EndpointHealth> {
        &self.health
    }

    /// The number of requests so far.
    pub(super) fn served(&self) -> u32 {
        self.served.get()
    }

    /// Whether the connection has no stream.
    pub(super) fn is_idle(&self) -> bool {
        self.streams.get() == 0
    }

    /// Whether the connection takes no more requests: it is closed, or the upstream sent GOAWAY (RFC 9113 6.8).
    pub(super) fn is_closed(&self) -> bool {
        // No request waits on this handle, so that nothing has to be woken.
        let mut cx = Context::from_waker(Waker::noop());
        self.events.has_ended()
            || matches!(
                self.sender.borrow_mut().poll_ready(&mut cx),
                Poll::Ready(Err(_))
            )
    }

    /// Whether one more stream is within our limit and the peer's.
    pub(super) fn has_room(&self) -> bool {
        let streams = self.streams.get();
        streams < self.max_streams
            && self
                .peer_stream_limit()
                .is_some_and(|most| (streams as usize) < most)
    }

    /// The number of streams that the peer allows; `None` if it takes no more.
    fn peer_stream_limit(&self) -> Option<usize> {
        let is_open = !self.events.has_ended();
        is_open.then(|| self.sender.borrow().current_max_send_streams())
    }

    /// Waits for the peer's settings (RFC 9113 3.4). Returns false if the connection closes instead.
    pub(super) async fn settings_received(&self) -> bool {
        loop {
            let progressed = self.events.progressed.notified();
            match self.peer_stream_limit() {
                None => return false,
                Some(UNKNOWN) => progressed.await,
                Some(_) => {
                    self.events.settings_received.set(true);
                    return true;
                }
            }
        }
    }

    /// Whether the peer's settings allow other protocols on a stream (RFC 8441 3).
    pub(super) fn allows_extended_connect(&self) -> bool {
        self.sender.borrow().is_extended_connect_protocol_enabled()
    }

    /// Sends a request in HTTP/2 form, and waits for the head of the response.
    pub(super) fn send(
        &self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<StreamResponse, StreamError>> + use<> {
        let gate = Rc::clone(&self.events.gate);
        request::send(self.sender.borrow().clone(), request, gate)
    }

    /// The TLS failure of the connection, if there was one.
    pub(super) fn tls_failure(&self) -> Option<TlsFailure> {
        self.events.failure()
    }
}

impl Http2Stream {
    pub(super) fn new(shared: Rc<Http2Connection>) -> Self {
        shared.streams.set(shared.streams.get() + 1);
        shared.metrics.streams.add(1);
        shared.served.set(shared.served.get().saturating_add(1));
        Self(shared)
    }

    /// The connection of the stream.
    pub(super) fn connection(&self) -> &Rc<Http2Connection> {
        &self.0
    }
}

impl Drop for Http2Stream {
    fn drop(&mut self) {
        let shared = &self.0;
        shared.streams.set(shared.streams.get() - 1);
        shared.metrics.streams.add(-1);
        if shared.pooled.get()
            && let Some(host_pool) = shared.host_pool.upgrade()
        {
            host_pool.stream_ended(shared);
        }
    }
}

/// Whether the head of a response is larger than allowed.
pub(super) fn is_too_large(headers: &HeaderMap) -> bool {
    let size = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 32;
    headers.iter().map(size).sum::<usize>() > MAX_FIELDS as usize
}

fn builder(settings: &Http2Settings) -> Builder {
    let mut builder = Builder::new();
    builder
        .initial_max_send_streams(UNKNOWN)
        .initial_window_size(settings.initial_stream_window)
        .initial_connection_window_size(settings.initial_connection_window)
        .max_frame_size(MAX_FRAME)
        .max_header_list_size(MAX_FIELDS * HEADROOM)
        .max_send_buffer_size(MAX_UNSENT)
        .max_local_error_reset_streams(Some(MAX_LOCAL_RESETS))
        .enable_push(false);
    builder
}

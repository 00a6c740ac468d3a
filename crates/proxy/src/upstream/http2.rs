//! HTTP/2 connections, which carry many requests at once (RFC 9113).
//!
//! The pool of a worker and the requests on a connection own it together: it closes when the last of them lets go. The
//! request that opened a connection uses it at once; others wait for the peer's settings, which say how many streams it
//! takes.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use egret_config::snapshot::Http2Settings;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http2::{Builder, Connection, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};

use super::connection_permit::ConnectionPermit;
use super::deferred_write_errors::{DeferredWriteErrors, LaterWrites};
use super::health::EndpointHealth;
use super::host_pool::HostPool;
use super::metrics::UpstreamMetrics;
use super::request_body::RequestBody;
use super::stream::UpstreamStream;
use crate::clock;
use crate::task::{self, Local};
use crate::tls::TlsFailure;
pub(super) use fault::StreamFault;
use socket::{ConnectionEvents, ObservedSocket};

pub(super) mod convert;
mod fault;
mod socket;

/// The limit of streams that hyper assumes before the peer's settings arrive. No peer can send it: a setting has 32
/// bits.
const UNKNOWN: usize = usize::MAX - 1;
/// Bytes that the header fields of a response may have.
const MAX_FIELDS: u32 = 60 * 1024;
/// Bytes of a request body that are buffered for the upstream.
const MAX_UNSENT: usize = 256 * 1024;

type Http2Driver = Connection<TokioIo<DeferredWriteErrors<ObservedSocket>>, RequestBody, Local>;

/// An HTTP/2 connection.
pub(crate) struct Http2Connection {
    sender: RefCell<SendRequest<RequestBody>>,
    /// The future that drives the connection, as long as it takes requests.
    driver: Rc<RefCell<Option<Http2Driver>>>,
    events: Rc<ConnectionEvents>,
    peer: SocketAddr,
    health: Arc<EndpointHealth>,
    /// Our own limit of concurrent streams.
    max_streams: u32,
    streams: Cell<u32>,
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
    ) -> Result<Rc<Self>, hyper::Error> {
        let events = Rc::new(ConnectionEvents::default());
        let metrics = Arc::clone(open.metrics());
        let link = ObservedSocket::new(stream, open, Rc::clone(&events));
        let mut builder = Builder::new(Local);
        builder
            .initial_stream_window_size(settings.initial_stream_window)
            .initial_connection_window_size(settings.initial_connection_window)
            .initial_max_send_streams(UNKNOWN)
            .max_header_list_size(MAX_FIELDS)
            .max_send_buf_size(MAX_UNSENT);
        if let Some(keepalive) = settings.keepalive {
            builder
                .timer(TokioTimer::new())
                .keep_alive_interval(keepalive.interval)
                .keep_alive_timeout(keepalive.timeout);
        }
        let link = DeferredWriteErrors::new(link, LaterWrites::Discarded);
        let (sender, driver) = builder.handshake(TokioIo::new(link)).await?;
        let driver = Rc::new(RefCell::new(Some(driver)));
        drive(Rc::clone(&driver), Rc::clone(&events));
        Ok(Rc::new(Self {
            sender: RefCell::new(sender),
            driver,
            events,
            peer: place.peer,
            health: place.health,
            max_streams: settings.max_concurrent_streams,
            streams: Cell::default(),
            metrics,
            served: Cell::default(),
            pooled: Cell::default(),
            idle_since: Cell::new(clock::now()),
            host_pool: Rc::downgrade(place.host_pool),
        }))
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
        self.peer_stream_limit().is_none() || self.sender.borrow().is_closed()
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
        let driver = self.driver.borrow();
        driver.as_ref().map(Connection::current_max_send_streams)
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
        let driver = self.driver.borrow();
        driver
            .as_ref()
            .is_some_and(Connection::is_extended_connect_protocol_enabled)
    }

    /// Sends a request in HTTP/2 form.
    pub(super) fn send(
        &self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>> + use<>
    {
        self.sender.borrow_mut().try_send_request(request)
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

/// Drives a connection until it takes no more requests. Its streams then run to their ends.
fn drive(driver: Rc<RefCell<Option<Http2Driver>>>, events: Rc<ConnectionEvents>) {
    task::spawn(async move {
        // Its errors are reported by its streams.
        let _ = poll_fn(|cx| match driver.borrow_mut().as_mut() {
            Some(driver) => Pin::new(driver).poll(cx),
            None => Poll::Ready(Ok(())),
        })
        .await;
        drop(driver.take());
        events.progressed.notify_waiters();
    });
}

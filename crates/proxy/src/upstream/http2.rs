//! Connections that carry many requests at once (RFC 9113).
//!
//! The pool of a worker and every request on such a connection hold it together: it closes when the last lets go. Who
//! opened one uses it at once; the others wait for its settings, because before those nobody knows how many it takes.

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

/// What hyper is told of a peer's limit of streams before the peer says it. No peer can: a setting has 32 bits.
const UNKNOWN: usize = usize::MAX - 1;
/// Octets that the fields of a response may have.
const MAX_FIELDS: u32 = 60 * 1024;
/// Octets of a request's body that wait in memory for the upstream to take them.
const MAX_UNSENT: usize = 256 * 1024;

type Http2Driver = Connection<TokioIo<ObservedSocket>, RequestBody, Local>;

/// A connection.
pub(crate) struct Http2Connection {
    sender: RefCell<SendRequest<RequestBody>>,
    /// What runs it, as long as it takes requests.
    driver: Rc<RefCell<Option<Http2Driver>>>,
    events: Rc<ConnectionEvents>,
    peer: SocketAddr,
    health: Arc<EndpointHealth>,
    /// Streams that we would have on it, whatever the peer allows.
    most: u32,
    streams: Cell<u32>,
    metrics: Arc<UpstreamMetrics>,
    /// Requests so far.
    served: Cell<u32>,
    /// Whether the pool has it, and gives it to requests.
    pub(super) pooled: Cell<bool>,
    /// Since when it has had no stream.
    pub(super) idle_since: Cell<Instant>,
    host_pool: Weak<HostPool>,
}

/// One request's part of a connection: a stream, until it is dropped.
pub(crate) struct Http2Stream(Rc<Http2Connection>);

/// Where a connection leads, and where it belongs.
pub(super) struct EndpointOrigin<'a> {
    pub(super) peer: SocketAddr,
    pub(super) health: Arc<EndpointHealth>,
    pub(super) host_pool: &'a Rc<HostPool>,
}

impl Http2Connection {
    /// Begins HTTP/2 on a socket. The peer is told our settings, and not yet events.
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
        let (sender, driver) = builder.handshake(TokioIo::new(link)).await?;
        let driver = Rc::new(RefCell::new(Some(driver)));
        drive(Rc::clone(&driver), Rc::clone(&events));
        Ok(Rc::new(Self {
            sender: RefCell::new(sender),
            driver,
            events,
            peer: place.peer,
            health: place.health,
            most: settings.max_concurrent_streams,
            streams: Cell::default(),
            metrics,
            served: Cell::default(),
            pooled: Cell::default(),
            idle_since: Cell::new(clock::now()),
            host_pool: Rc::downgrade(place.host_pool),
        }))
    }

    /// The address it is connected to.
    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// How that address does.
    pub(super) fn health(&self) -> &Arc<EndpointHealth> {
        &self.health
    }

    /// Requests so far.
    pub(super) fn served(&self) -> u32 {
        self.served.get()
    }

    /// Whether nothing is on it.
    pub(super) fn is_idle(&self) -> bool {
        self.streams.get() == 0
    }

    /// Whether it takes no more requests: it is closed, or its upstream is going away (RFC 9113 6.8).
    pub(super) fn is_closed(&self) -> bool {
        self.peer_stream_limit().is_none() || self.sender.borrow().is_closed()
    }

    /// Whether one more stream is within our limit and the peer's.
    pub(super) fn has_room(&self) -> bool {
        let streams = self.streams.get();
        streams < self.most
            && self
                .peer_stream_limit()
                .is_some_and(|most| (streams as usize) < most)
    }

    /// The streams that the peer allows; `None` if it takes no more.
    fn peer_stream_limit(&self) -> Option<usize> {
        let driver = self.driver.borrow();
        driver.as_ref().map(Connection::current_max_send_streams)
    }

    /// Waits for the peer's settings (RFC 9113 3.4). False if it closes instead.
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

    /// Sends a request of HTTP/2.
    pub(super) fn send(
        &self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>> + use<>
    {
        self.sender.borrow_mut().try_send_request(request)
    }

    /// What TLS on it failed with, if it did.
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

    /// What it is on.
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

/// Runs a connection until it takes no more requests. What is on it then goes on to its end.
fn drive(driver: Rc<RefCell<Option<Http2Driver>>>, events: Rc<ConnectionEvents>) {
    task::spawn(async move {
        // Its errors are those of the streams on it, which tell them.
        let _ = poll_fn(|cx| match driver.borrow_mut().as_mut() {
            Some(driver) => Pin::new(driver).poll(cx),
            None => Poll::Ready(Ok(())),
        })
        .await;
        drop(driver.take());
        events.progressed.notify_waiters();
    });
}

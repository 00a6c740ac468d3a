//! One connection from a client: HTTP/1.1 on it, and the watch over how long it may stay quiet.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use egret_config::snapshot::{BindAddress, ConnectionLimits};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout_at;

use crate::record::unread;
use crate::request;
use crate::telemetry::clock;
use crate::tunnel::{Ready, Tunnel};
use crate::worker::Worker;

/// Octets that are buffered of one direction of a connection.
const BUFFER: usize = 64 * 1024;
/// How long a head may take from its first octet, or the first head from the connection's start.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How many header fields are read without a list on the heap.
const USUAL_FIELDS: usize = 100;

/// A connection from a client.
pub(crate) struct Connection {
    pub(crate) worker: Rc<Worker>,
    pub(crate) client: SocketAddr,
    /// The socket it came in by.
    pub(crate) bind: BindAddress,
    /// As they were when it came; a change holds for those that come.
    limits: ConnectionLimits,
    /// Requests so far.
    requests: Cell<u32>,
    watch: Watch,
    /// What the connection becomes when the answer to its last request has been sent.
    then: Cell<Option<Box<Tunnel>>>,
}

/// What the connection waits for, and since when. Kept by events, read by one long-lived timer, so that a request
/// arms none.
struct Watch {
    in_flight: Cell<usize>,
    waiting_for: Cell<WaitingFor>,
    since: Cell<Instant>,
    /// Since when the client takes nothing of what is to be written.
    blocked: Cell<Option<Instant>>,
    /// When the exchange must be over, if it must.
    deadline: Cell<Option<Instant>>,
    /// Rung when there is a deadline.
    set: Notify,
    /// The client took nothing for too long.
    stalled: Cell<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum WaitingFor {
    /// The rest of a head.
    Head,
    /// A next request.
    Request,
}

/// The client's stream, telling the watch when something is read or cannot be written.
struct Watched {
    stream: TokioIo<TcpStream>,
    connection: Rc<Connection>,
}

impl Connection {
    /// A request's head has been read.
    pub(crate) fn begins(&self) {
        self.watch.in_flight.set(self.watch.in_flight.get() + 1);
        self.requests.set(self.requests.get().saturating_add(1));
    }

    /// Whether it has had as many requests as it may have.
    pub(crate) fn is_worn(&self) -> bool {
        let most = self.limits.max_requests;
        most.is_some_and(|most| self.requests.get() >= most)
    }

    /// How long nothing of an exchange may move.
    pub(crate) fn silence(&self) -> Duration {
        self.limits.silence()
    }

    /// An exchange is over.
    pub(crate) fn ended(&self, now: Instant) {
        self.watch.in_flight.set(self.watch.in_flight.get() - 1);
        self.watch.waiting_for.set(WaitingFor::Request);
        self.watch.since.set(now);
        self.watch.deadline.set(None);
    }

    /// The exchange must be over by then, even if the client takes nothing, so that its body is not asked for more.
    pub(crate) fn must_end(&self, deadline: Instant) {
        self.watch.deadline.set(Some(deadline));
        self.watch.set.notify_one();
    }

    /// Once the answer to this request has been sent, the connection carries a tunnel.
    pub(crate) fn then(&self, tunnel: Tunnel) {
        self.then.set(Some(Box::new(tunnel)));
    }

    /// Whether the client took nothing for too long.
    pub(crate) fn is_stalled(&self) -> bool {
        self.watch.stalled.get()
    }
}

impl Watch {
    /// Ends when the connection has been quiet for too long.
    async fn expired(&self, limits: &ConnectionLimits) {
        // Looking again after the shortest of the limits is often enough, whatever happens meanwhile.
        let look = HEAD_TIMEOUT.min(limits.idle_timeout);
        loop {
            let now = clock::now();
            let end = self.end(limits);
            if end.is_some_and(|end| now >= end) {
                self.stalled.set(self.in_flight.get() > 0);
                return;
            }
            let next = now + look;
            let next = end.map_or(next, |end| end.min(next));
            let _ = timeout_at(next.into(), self.set.notified()).await;
        }
    }

    /// When the connection is over if nothing happens.
    fn end(&self, limits: &ConnectionLimits) -> Option<Instant> {
        if self.in_flight.get() == 0 {
            let limit = match self.waiting_for.get() {
                WaitingFor::Head => HEAD_TIMEOUT,
                WaitingFor::Request => limits.idle_timeout,
            };
            return Some(self.since.get() + limit);
        }
        let stalled = self.blocked.get()? + limits.silence();
        let deadline = self.deadline.get();
        Some(deadline.map_or(stalled, |deadline| deadline.min(stalled)))
    }

    /// Something was to be written.
    fn wrote<T>(&self, written: &Poll<io::Result<T>>) {
        if written.is_ready() {
            self.blocked.set(None);
        } else if self.blocked.get().is_none() {
            self.blocked.set(Some(clock::now()));
            self.set.notify_one();
        }
    }

    fn read(&self) {
        if self.in_flight.get() == 0 && self.waiting_for.get() == WaitingFor::Request {
            self.waiting_for.set(WaitingFor::Head);
            self.since.set(clock::now());
        }
    }
}

/// Serves the connection to its end, or until it becomes a tunnel.
pub(crate) async fn connection(
    stream: TcpStream,
    client: SocketAddr,
    bind: BindAddress,
    worker: Rc<Worker>,
) -> Option<Ready> {
    // Without it small responses wait for the client's delayed ACK; a socket that refuses is gone already.
    let _ = stream.set_nodelay(true);
    let watch = Watch {
        in_flight: Cell::default(),
        waiting_for: Cell::new(WaitingFor::Head),
        since: Cell::new(clock::now()),
        blocked: Cell::default(),
        deadline: Cell::default(),
        set: Notify::new(),
        stalled: Cell::default(),
    };
    let mut draining = worker.shared.draining();
    let limits = worker
        .snapshot()
        .sockets
        .get(&bind)
        .map_or_else(ConnectionLimits::default, |socket| socket.limits);
    let connection = Rc::new(Connection {
        worker,
        client,
        bind,
        limits,
        requests: Cell::default(),
        watch,
        then: Cell::default(),
    });
    let _unrun = Unrun(&connection);
    let service = {
        let connection = Rc::clone(&connection);
        service_fn(move |request| request::handle(request, Rc::clone(&connection)))
    };
    let stream = Watched {
        stream: TokioIo::new(stream),
        connection: Rc::clone(&connection),
    };
    let mut serving = builder(&limits).serve_connection(stream, service);
    let mut expired = pin!(connection.watch.expired(&limits));
    let mut drain = pin!(draining.wait_for(|draining| *draining));
    let mut graceful = false;
    let served = poll_fn(|cx| {
        if let Poll::Ready(served) = Pin::new(&mut serving).poll(cx) {
            return Poll::Ready(Some(served));
        }
        // After the first poll: a request that is there already is served.
        if !graceful && drain.as_mut().poll(cx).is_ready() {
            graceful = true;
            Pin::new(&mut serving).graceful_shutdown();
            return Pin::new(&mut serving).poll(cx).map(Some);
        }
        expired.as_mut().poll(cx).map(|()| None)
    });
    match served.await {
        Some(Ok(())) => {
            let tunnel = connection.then.take()?;
            let parts = serving.into_parts();
            Some(Ready {
                tunnel,
                client: parts.io.stream.into_inner(),
                early: parts.read_buf,
                worker: Rc::clone(&connection.worker),
            })
        }
        // An error is the client's: it broke off, or sent what is not HTTP, and hyper has answered that.
        Some(Err(error)) => {
            unread::tell(&connection, &error);
            None
        }
        None => None,
    }
}

/// A tunnel refers to the exchange and so to the connection: one that is never run must not stay there.
struct Unrun<'a>(&'a Connection);

impl Drop for Unrun<'_> {
    fn drop(&mut self) {
        if let Some(tunnel) = self.0.then.take() {
            tunnel.abandon();
        }
    }
}

fn builder(limits: &ConnectionLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // Not `pipeline_flush`: with it, an answer is lost if the connection ends while octets of a next request are there.
    builder
        .max_header_size(limits.max_head)
        .max_buf_size(BUFFER.max(limits.max_head))
        .header_read_timeout(None);
    if limits.max_header_fields != USUAL_FIELDS {
        builder.max_headers(limits.max_header_fields);
    }
    builder
}

impl Read for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_ready() {
            self.connection.watch.read();
        }
        read
    }
}

impl Write for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.connection.watch.wrote(&written);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.connection.watch.wrote(&written);
        written
    }
}

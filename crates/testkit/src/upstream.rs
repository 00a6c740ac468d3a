//! Fake HTTP servers on loopback, in clear or over TLS, whose answer depends on the path of the request. They speak
//! HTTP/2 where ALPN selects it, and in clear if [started](Upstream::start_http2) so.
//!
//! | path | answer |
//! |---|---|
//! | `/status/NNN` | the status NNN without a body |
//! | `/headers?a=1&b=2` | these header fields |
//! | `/bytes/N`, `/chunked/N`, `/trailers/N` | N bytes of [`pattern`](crate::pattern): with a length, chunked, or chunked with an `x-checked: yes` trailer for a client that sends `TE: trailers` |
//! | `/sink` | the number of bytes received |
//! | `/duplex` | the body of the request, piece by piece as it arrives |
//! | `/early/NNN` | the status NNN, before the body of the request is read |
//! | `/delay/MS` | an echo after MS milliseconds |
//! | `/hold/NAME` | an echo once the test calls [`Upstream::release`] |
//! | `/hang` | no answer |
//! | `/close` | closes the connection without an answer |
//! | `/close-if-reused` | an echo for the first request of a connection, and closes the connection on a later one |
//! | `/partial/N`, `/partial-chunked/N` | a head that announces N bytes, then half of them, and closes the connection |
//! | `/stall-body/N` | a head that announces N bytes, then half of them, and nothing more |
//! | `/upgrade` | 101, then every received byte back; for an extended CONNECT over HTTP/2, with 200 |
//! | `/refuse/N` | over HTTP/2, REFUSED_STREAM for the first N requests for this target, then an echo |
//! | `/http1` | over HTTP/2, HTTP_1_1_REQUIRED; otherwise an echo |
//! | any other path | an echo: the request as JSON |
//!
//! A missing number means 1000. Every answer has an `x-upstream` field with the name of the server. All paths but
//! `/early`, `/duplex`, `/close` and `/upgrade` read the body of the request first; these four do not record it.

mod answer;
mod body;
mod connection;
mod path;
pub mod raw;
mod request;
pub mod tls;
pub mod unreachable;

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

pub use request::RecordedRequest;
pub use tls::{TlsHandshake, UpstreamTls};

use crate::port;
use crate::server_thread::ServerThread;
use crate::watched::{WatchedValue, unblocked};

/// A fake HTTP server. Dropping it closes its connections.
#[derive(Debug)]
pub struct Upstream {
    addr: SocketAddr,
    shared: Arc<UpstreamShared>,
    _background: ServerThread,
}

type AnswerFn = dyn Fn(&RecordedRequest) -> Option<Response<Bytes>> + Send + Sync;

/// The data that the thread of the server and the test share.
#[derive(Debug)]
struct UpstreamShared {
    watched: WatchedValue<UpstreamState>,
    /// Notified to close idle connections.
    close: watch::Sender<()>,
    /// Whether connections in clear speak HTTP/2.
    http2: bool,
}

struct UpstreamState {
    name: String,
    answerer: Option<Arc<AnswerFn>>,
    keep_alive: bool,
    requests: Vec<RecordedRequest>,
    released: HashSet<String>,
    accepted: usize,
    open: usize,
    handshakes: Vec<TlsHandshake>,
    http2: Http2Options,
}

/// HTTP/2 settings of a server.
#[derive(Clone, Copy, Debug, Default)]
pub struct Http2Options {
    /// The limit of concurrent streams of a connection; `None` is no limit.
    pub max_streams: Option<u32>,
    /// Whether extended CONNECT is enabled (RFC 8441).
    pub extended_connect: bool,
}

impl Upstream {
    /// Starts a server on a free port of 127.0.0.1.
    #[must_use]
    pub fn start() -> Self {
        Self::start_on(port::LOOPBACK)
    }

    /// Starts a server on a free port of another loopback address.
    #[must_use]
    pub fn start_on(ip: impl Into<IpAddr>) -> Self {
        Self::start_on_port(ip, 0)
    }

    /// Starts a server on a given port. [`SharedPort`](crate::SharedPort) reserves free ports.
    ///
    /// # Panics
    /// If the port is in use.
    #[must_use]
    pub fn start_on_port(ip: impl Into<IpAddr>, port: u16) -> Self {
        Self::start_with(ip.into(), port, None, false)
    }

    /// Starts a server on a free port of 127.0.0.1 that speaks only HTTP/2, in clear.
    #[must_use]
    pub fn start_http2(http2: Http2Options) -> Self {
        Self::start_http2_on_port(port::LOOPBACK, 0, http2)
    }

    /// As [`Self::start_http2`], on a given address and port.
    ///
    /// # Panics
    /// If the port is in use.
    #[must_use]
    pub fn start_http2_on_port(ip: impl Into<IpAddr>, port: u16, http2: Http2Options) -> Self {
        Self::start_with(ip.into(), port, None, true).speaking(http2)
    }

    /// Sets the HTTP/2 settings of future connections.
    #[must_use]
    pub fn speaking(self, http2: Http2Options) -> Self {
        self.shared.watched.update(|state| state.http2 = http2);
        self
    }

    /// Starts a server over TLS on a free port of 127.0.0.1.
    #[must_use]
    pub fn start_tls(tls: UpstreamTls) -> Self {
        Self::start_tls_on_port(port::LOOPBACK, 0, tls)
    }

    /// Starts a server over TLS on a given address and port.
    ///
    /// # Panics
    /// If the port is in use.
    #[must_use]
    pub fn start_tls_on_port(ip: impl Into<IpAddr>, port: u16, tls: UpstreamTls) -> Self {
        Self::start_with(ip.into(), port, Some(tls.acceptor()), false)
    }

    fn start_with(ip: IpAddr, port: u16, acceptor: Option<TlsAcceptor>, http2: bool) -> Self {
        let listener = port::listen(ip, port);
        let addr = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(UpstreamShared {
            watched: WatchedValue::new(UpstreamState::new(addr.to_string())),
            close: watch::Sender::new(()),
            http2,
        });
        let theirs = Arc::clone(&shared);
        let background = ServerThread::start("upstream", |tasks| {
            connection::accept(listener, acceptor, theirs, tasks)
        });
        Self {
            addr,
            shared,
            _background: background,
        }
    }

    /// Sets the name in the `x-upstream` field of answers, which is the address by default.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        self.shared
            .watched
            .update(|state| name.clone_into(&mut state.name));
        self
    }

    /// Calls `answer` once the body of a request has been read. `None` falls back to the answer by path. A `HeaderMap` among
    /// the extensions of the response is sent as its trailers.
    #[must_use]
    pub fn answering(
        self,
        answer: impl Fn(&RecordedRequest) -> Option<Response<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        self.shared
            .watched
            .update(|state| state.answerer = Some(Arc::new(answer)));
        self
    }

    /// Sets whether connections stay open after an answer, which is the default.
    pub fn keep_alive(&self, keep_alive: bool) {
        self.shared
            .watched
            .update(|state| state.keep_alive = keep_alive);
    }

    /// The address of the server.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The port of the server.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// Lets present and future requests for `/hold/NAME` be answered.
    pub fn release(&self, name: &str) {
        self.shared
            .watched
            .update(|state| state.released.insert(name.to_owned()));
    }

    /// Closes idle connections now, and connections in use after the answers in progress.
    ///
    /// The method does not wait for them to close; see [`Self::wait_for_open_connections`].
    pub fn close_idle(&self) {
        self.shared.close.send_replace(());
    }

    /// All requests so far, in the order in which their heads arrived.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.watched.read(|state| state.requests.clone())
    }

    /// How many connections have been accepted so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.watched.read(|state| state.accepted)
    }

    /// The TLS handshakes that have succeeded so far.
    #[must_use]
    pub fn handshakes(&self) -> Vec<TlsHandshake> {
        self.shared.watched.read(|state| state.handshakes.clone())
    }

    /// How many connections are open.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.shared.watched.read(|state| state.open)
    }
}

/// Methods that wait, and that panic if the condition does not hold within the deadline.
impl Upstream {
    /// Blocks until the heads of at least `count` requests have arrived.
    pub fn wait_for_requests(&self, count: usize) {
        self.shared.wait_for_requests(count);
    }

    /// As [`Self::wait_for_requests`], without blocking the caller's runtime.
    pub async fn until_requests(&self, count: usize) {
        let shared = Arc::clone(&self.shared);
        unblocked(move || shared.wait_for_requests(count)).await;
    }

    /// Blocks until at least `count` requests have arrived with their whole bodies.
    pub fn wait_for_complete_requests(&self, count: usize) {
        let complete = |state: &UpstreamState| state.requests.iter().filter(|r| r.complete).count();
        self.shared.watched.wait(
            |state| complete(state) >= count,
            |state| format!("{count} whole requests; came: {:?}", state.requests),
        );
    }

    /// Blocks until exactly `count` connections are open.
    pub fn wait_for_open_connections(&self, count: usize) {
        self.shared.watched.wait(
            |state| state.open == count,
            |state| format!("{count} open connections; there are {}", state.open),
        );
    }
}

impl UpstreamShared {
    fn wait_for_requests(&self, count: usize) {
        self.watched.wait(
            |state| state.requests.len() >= count,
            |state| format!("{count} requests; came: {:?}", state.requests),
        );
    }
}

impl UpstreamState {
    fn new(name: String) -> Self {
        Self {
            name,
            answerer: None,
            keep_alive: true,
            requests: Vec::new(),
            released: HashSet::new(),
            accepted: 0,
            open: 0,
            handshakes: Vec::new(),
            http2: Http2Options::default(),
        }
    }
}

impl fmt::Debug for UpstreamState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamState")
            .field("name", &self.name)
            .field("requests", &self.requests)
            .finish_non_exhaustive()
    }
}

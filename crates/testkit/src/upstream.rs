//! Fake HTTP servers on loopback, in clear or over TLS, which answer by the path they are asked for. They speak HTTP/2
//! where TLS agrees on it, and in the clear if they are [started](Upstream::start_http2) so.
//!
//! | path | answer |
//! |---|---|
//! | `/status/NNN` | that status and no body |
//! | `/headers?a=1&b=2` | those header fields |
//! | `/bytes/N`, `/chunked/N`, `/trailers/N` | N bytes of [`pattern`](crate::pattern): with a length, in chunks, and in chunks with an `x-checked: yes` trailer for a client that sends `TE: trailers` |
//! | `/sink` | the number of bytes received |
//! | `/duplex` | the request's body, piece by piece as it arrives |
//! | `/early/NNN` | that status, before the request's body is read |
//! | `/delay/MS` | an echo, so many milliseconds later |
//! | `/hold/NAME` | an echo, once the test calls [`Upstream::release`] |
//! | `/hang` | none, ever |
//! | `/close` | none: closes the connection |
//! | `/close-if-reused` | an echo on a connection's first request, and closes on any later one |
//! | `/partial/N`, `/partial-chunked/N` | a head that promises N bytes, half of them, and closes |
//! | `/stall-body/N` | a head that promises N bytes, half of them, and nothing more |
//! | `/upgrade` | 101, then every byte back; over HTTP/2 for an extended CONNECT, with 200 |
//! | `/refuse/N` | over HTTP/2: REFUSED_STREAM for the first N requests for it, then an echo |
//! | `/http1` | over HTTP/2: HTTP_1_1_REQUIRED; else an echo |
//! | any other | an echo: the request as JSON |
//!
//! Numbers may be left out; a body is 1000 bytes then. Every answer has an `x-upstream` field with
//! the server's name. All but `/early`, `/duplex`, `/close` and `/upgrade` read the request's body
//! first; of these four it is not recorded.

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
pub use tls::{Tls, TlsHandshake};

use crate::background::Background;
use crate::board::{Board, unblocked};
use crate::port;

/// The server; dropping it closes its connections.
#[derive(Debug)]
pub struct Upstream {
    addr: SocketAddr,
    shared: Arc<Shared>,
    _background: Background,
}

type Answerer = dyn Fn(&RecordedRequest) -> Option<Response<Bytes>> + Send + Sync;

/// What the server's thread and the test share.
#[derive(Debug)]
struct Shared {
    board: Board<State>,
    /// Rung to close what is idle.
    close: watch::Sender<()>,
    /// Whether HTTP/2 is spoken in the clear.
    http2: bool,
}

struct State {
    name: String,
    answerer: Option<Arc<Answerer>>,
    keep_alive: bool,
    requests: Vec<RecordedRequest>,
    released: HashSet<String>,
    accepted: usize,
    open: usize,
    handshakes: Vec<TlsHandshake>,
    http2: Http2,
}

/// How a server speaks HTTP/2.
#[derive(Clone, Copy, Debug, Default)]
pub struct Http2 {
    /// Streams of a connection at once; `None` is as many as its client likes.
    pub max_streams: Option<u32>,
    /// Whether a stream may be given to another protocol (RFC 8441).
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

    /// Starts a server on a given port; see [`SharedPort`](crate::SharedPort) for a free one.
    ///
    /// # Panics
    /// If the port is taken.
    #[must_use]
    pub fn start_on_port(ip: impl Into<IpAddr>, port: u16) -> Self {
        Self::start_with(ip.into(), port, None, false)
    }

    /// Starts a server on a free port of 127.0.0.1 that speaks HTTP/2 in the clear, and nothing else.
    #[must_use]
    pub fn start_http2(http2: Http2) -> Self {
        Self::start_with(port::LOOPBACK, 0, None, true).speaking(http2)
    }

    /// Speaks HTTP/2 like this on connections that come from now on.
    #[must_use]
    pub fn speaking(self, http2: Http2) -> Self {
        self.shared.board.update(|state| state.http2 = http2);
        self
    }

    /// Starts a server on a free port of 127.0.0.1 that speaks TLS.
    #[must_use]
    pub fn start_tls(tls: Tls) -> Self {
        Self::start_tls_on_port(port::LOOPBACK, 0, tls)
    }

    /// The same on a given address and port.
    ///
    /// # Panics
    /// If the port is taken.
    #[must_use]
    pub fn start_tls_on_port(ip: impl Into<IpAddr>, port: u16, tls: Tls) -> Self {
        Self::start_with(ip.into(), port, Some(tls.acceptor()), false)
    }

    fn start_with(ip: IpAddr, port: u16, acceptor: Option<TlsAcceptor>, http2: bool) -> Self {
        let listener = port::listen(ip, port);
        let addr = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared {
            board: Board::new(State::new(addr.to_string())),
            close: watch::Sender::new(()),
            http2,
        });
        let theirs = Arc::clone(&shared);
        let background = Background::start("upstream", |tasks| {
            connection::accept(listener, acceptor, theirs, tasks)
        });
        Self {
            addr,
            shared,
            _background: background,
        }
    }

    /// Gives the server a name to answer with; at first it is its address.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        self.shared
            .board
            .update(|state| name.clone_into(&mut state.name));
        self
    }

    /// Asks `answer` first, once the request's body was read; what it leaves goes by path.
    #[must_use]
    pub fn answering(
        self,
        answer: impl Fn(&RecordedRequest) -> Option<Response<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        self.shared
            .board
            .update(|state| state.answerer = Some(Arc::new(answer)));
        self
    }

    /// Whether connections stay open after an answer; they do at first.
    pub fn keep_alive(&self, keep_alive: bool) {
        self.shared
            .board
            .update(|state| state.keep_alive = keep_alive);
    }

    /// Where it answers.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The port it answers on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// Lets `/hold/NAME` answer, now and from now on.
    pub fn release(&self, name: &str) {
        self.shared
            .board
            .update(|state| state.released.insert(name.to_owned()));
    }

    /// Closes every connection that waits for a request, and every other one after its answer; one of HTTP/2 after all
    /// that are on it.
    ///
    /// It does not wait for that: see [`Self::wait_for_open_connections`].
    pub fn close_idle(&self) {
        self.shared.close.send_replace(());
    }

    /// Every request so far, in the order their heads arrived.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.board.read(|state| state.requests.clone())
    }

    /// How many connections were accepted so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.board.read(|state| state.accepted)
    }

    /// The handshakes of TLS that succeeded so far.
    #[must_use]
    pub fn handshakes(&self) -> Vec<TlsHandshake> {
        self.shared.board.read(|state| state.handshakes.clone())
    }

    /// How many connections are open now.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.shared.board.read(|state| state.open)
    }
}

/// Waiting; each panics if what it waits for does not come within the deadline.
impl Upstream {
    /// Blocks until the heads of at least `count` requests arrived.
    pub fn wait_for_requests(&self, count: usize) {
        self.shared.wait_for_requests(count);
    }

    /// As [`Self::wait_for_requests`], without blocking the caller's runtime.
    pub async fn until_requests(&self, count: usize) {
        let shared = Arc::clone(&self.shared);
        unblocked(move || shared.wait_for_requests(count)).await;
    }

    /// Blocks until at least `count` requests arrived to the end of their body.
    pub fn wait_for_complete_requests(&self, count: usize) {
        let complete = |state: &State| state.requests.iter().filter(|r| r.complete).count();
        self.shared.board.wait(
            |state| complete(state) >= count,
            |state| format!("{count} whole requests; came: {:?}", state.requests),
        );
    }

    /// Blocks until exactly `count` connections are open.
    pub fn wait_for_open_connections(&self, count: usize) {
        self.shared.board.wait(
            |state| state.open == count,
            |state| format!("{count} open connections; there are {}", state.open),
        );
    }
}

impl Shared {
    fn wait_for_requests(&self, count: usize) {
        self.board.wait(
            |state| state.requests.len() >= count,
            |state| format!("{count} requests; came: {:?}", state.requests),
        );
    }
}

impl State {
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
            http2: Http2::default(),
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("name", &self.name)
            .field("requests", &self.requests)
            .finish_non_exhaustive()
    }
}

//! A raw HTTP/1.1 client: it sends the bytes it is given, and reads what comes strictly.
//!
//! Reads block for ten seconds at most. Calls panic on what no test expects; those named `try_*`
//! return it.

mod framing;
pub mod http2;
mod response;
pub mod tls;
mod wire;

use std::collections::VecDeque;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};

pub use response::{Headers, Response};

use crate::pattern;
use framing::Framing;
use tls::TlsClient;
use tokio_rustls::rustls::HandshakeKind;
use wire::Wire;

/// One connection.
#[derive(Debug)]
pub struct Client {
    wire: Wire,
    /// The methods of requests whose response was not read yet.
    methods: VecDeque<String>,
    /// How the body of the response being read ends.
    framing: Framing,
}

/// Sends a GET on a connection of its own, and reads the response.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn get(addr: SocketAddr, target: &str, host: &str) -> Response {
    Client::connect(addr).get(target, host)
}

impl Client {
    /// Connects.
    ///
    /// # Panics
    /// If it cannot.
    #[must_use]
    pub fn connect(addr: SocketAddr) -> Self {
        Self::try_connect(addr).unwrap_or_else(|error| panic!("cannot connect to {addr}: {error}"))
    }

    /// Connects, if somebody is there.
    ///
    /// # Errors
    /// What the socket says.
    pub fn try_connect(addr: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            wire: Wire::connect(addr)?,
            methods: VecDeque::new(),
            framing: Framing::None,
        })
    }

    /// Connects, and begins TLS.
    ///
    /// # Errors
    /// What the socket, or TLS, says.
    pub fn try_connect_tls(addr: SocketAddr, tls: &TlsClient) -> io::Result<Self> {
        Ok(Self {
            wire: Wire::connect_tls(addr, tls.connection())?,
            methods: VecDeque::new(),
            framing: Framing::None,
        })
    }

    /// The same, if it cannot fail.
    ///
    /// # Panics
    /// If it does.
    #[must_use]
    pub fn connect_tls(addr: SocketAddr, tls: &TlsClient) -> Self {
        Self::try_connect_tls(addr, tls).expect("a connection over TLS")
    }

    /// What was agreed on by ALPN.
    ///
    /// # Panics
    /// If there is no TLS.
    #[must_use]
    pub fn alpn(&self) -> Option<&str> {
        let protocol = self.wire.tls().alpn_protocol()?;
        std::str::from_utf8(protocol).ok()
    }

    /// The certificate that the server showed, in DER.
    ///
    /// # Panics
    /// If there is no TLS.
    #[must_use]
    pub fn peer_certificate(&self) -> Vec<u8> {
        let chain = self.wire.tls().peer_certificates();
        chain.expect("a certificate")[0].to_vec()
    }

    /// Whether an earlier session went on.
    ///
    /// # Panics
    /// If there is no TLS.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.wire.tls().handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Sends bytes.
    ///
    /// # Panics
    /// If the connection is gone.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("a connection to send on");
    }

    /// Sends bytes; the other side may have closed.
    ///
    /// # Errors
    /// If it did.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.wire.send(bytes.as_ref())
    }

    /// Sends so many bytes of [`pattern`] as part of a body.
    ///
    /// # Panics
    /// If the connection is gone.
    pub fn send_body_of(&mut self, length: u64) {
        let mut left = length;
        while left > 0 {
            let chunk = pattern::chunk(left);
            self.send(&chunk);
            left -= chunk.len() as u64;
        }
    }

    /// Sends the head of a request, and its body if it has one, as written.
    ///
    /// Its method is remembered, because a response to HEAD or CONNECT has no body.
    ///
    /// # Panics
    /// If the connection is gone.
    pub fn send_request(&mut self, request: impl AsRef<[u8]>) {
        let request = request.as_ref();
        let method = request
            .split(|&byte| byte == b' ')
            .next()
            .unwrap_or(request);
        self.methods
            .push_back(String::from_utf8_lossy(method).into_owned());
        self.send(request);
    }

    /// Sends a request as written, and reads the response.
    ///
    /// # Panics
    /// If there is none.
    pub fn request(&mut self, request: impl AsRef<[u8]>) -> Response {
        self.send_request(request);
        self.read_response()
    }

    /// Sends a GET that keeps the connection open, and reads the response.
    ///
    /// # Panics
    /// If there is none.
    pub fn get(&mut self, target: &str, host: &str) -> Response {
        self.request(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    }

    /// Reads a whole response; an interim one (1xx) is one of its own.
    ///
    /// # Panics
    /// If it does not come, or is malformed or cut short.
    pub fn read_response(&mut self) -> Response {
        self.try_read_response().expect("a whole response")
    }

    /// Reads a whole response, if there is one.
    ///
    /// # Errors
    /// `UnexpectedEof` if it is cut short, `InvalidData` if it is malformed, `WouldBlock` or
    /// `TimedOut` if it does not come.
    pub fn try_read_response(&mut self) -> io::Result<Response> {
        let mut response = self.try_read_head()?;
        let mut body = Vec::new();
        response.trailers = self.read_body(|piece| body.extend_from_slice(piece))?;
        response.body = body;
        Ok(response)
    }

    /// Reads a response's head, and leaves its body.
    ///
    /// # Panics
    /// If it does not come or is malformed.
    pub fn read_head(&mut self) -> Response {
        self.try_read_head().expect("the head of a response")
    }

    /// Reads the body after [`Self::read_head`], and says how long it was.
    ///
    /// # Panics
    /// If it is malformed or cut short.
    pub fn read_body_discarding(&mut self) -> u64 {
        let mut length = 0;
        self.read_body(|piece| length += piece.len() as u64)
            .expect("a whole body");
        length
    }

    /// Reads what there is, at least a byte; nothing when the other side closed.
    ///
    /// # Panics
    /// If nothing comes.
    pub fn read_some(&mut self) -> Vec<u8> {
        self.wire.read_some().expect("bytes or the end")
    }

    /// Reads exactly so many bytes.
    ///
    /// # Panics
    /// If they do not come.
    pub fn read_exactly(&mut self, length: usize) -> Vec<u8> {
        self.wire.read_exactly(length).expect("enough bytes")
    }

    /// Reads until the other side closes; a reset counts as that.
    ///
    /// # Panics
    /// If it does not close.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        self.wire.read_to_end().expect("the end")
    }

    /// Whether the other side closes, and sends nothing before; blocks until either or ten seconds.
    pub fn is_closed(&mut self) -> bool {
        self.wire.is_closed()
    }

    /// Whether the other side neither closed nor sent what was not read, at this moment.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.wire.is_idle()
    }

    /// Ends what is sent; reading goes on.
    ///
    /// # Panics
    /// If the connection is gone.
    pub fn shutdown_write(&mut self) {
        let done = self.wire.stream().shutdown(Shutdown::Write);
        done.expect("a connection to shut down");
    }

    /// The address it connected from.
    ///
    /// # Panics
    /// If the connection is gone.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        let addr = self.wire.stream().local_addr();
        addr.expect("a connected socket has an address")
    }

    /// The socket, with timeouts set, to speak something else after CONNECT or an upgrade.
    ///
    /// # Panics
    /// If bytes were received that nobody read.
    #[must_use]
    pub fn into_stream(self) -> TcpStream {
        self.wire.into_stream()
    }

    fn try_read_head(&mut self) -> io::Result<Response> {
        let head = self.wire.read_head()?;
        let response = Response::parse(&head)?;
        let interim = response.status < 200 && response.status != 101;
        let method = if interim {
            self.methods.front().cloned()
        } else {
            self.methods.pop_front()
        };
        self.framing = Framing::of(method.as_deref(), &response)?;
        Ok(response)
    }

    fn read_body(&mut self, sink: impl FnMut(&[u8])) -> io::Result<Headers> {
        let framing = std::mem::replace(&mut self.framing, Framing::None);
        framing.read(&mut self.wire, sink)
    }
}

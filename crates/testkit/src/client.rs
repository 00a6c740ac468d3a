//! A raw HTTP/1.1 client, which sends exactly the bytes that it is given and parses responses strictly.
//!
//! Reads block for ten seconds at most. Methods panic on failures, except those named `try_*`, which return the error.

mod buffered;
mod framing;
pub mod http2;
mod response;
pub mod tls;

use std::collections::VecDeque;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

pub use response::{HeaderFields, Response};

use socket2::SockRef;

use crate::pattern;
use buffered::BufferedStream;
use framing::BodyFraming;
use tls::TlsClient;
use tokio_rustls::rustls::HandshakeKind;

/// One client connection, in clear or over TLS.
#[derive(Debug)]
pub struct Client {
    stream: BufferedStream,
    /// The methods of requests whose response has not been read yet.
    methods: VecDeque<String>,
    /// How the body of the current response ends.
    framing: BodyFraming,
}

/// Sends a GET on a new connection, and reads the response.
///
/// # Panics
/// If no response comes.
#[must_use]
pub fn get(addr: SocketAddr, target: &str, host: &str) -> Response {
    Client::connect(addr).get(target, host)
}

/// The head of a CONNECT over HTTP/1.1.
#[must_use]
pub fn connect_request(authority: &str) -> String {
    format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n\r\n")
}

impl Client {
    /// Connects in clear.
    ///
    /// # Panics
    /// If the connection cannot be established.
    #[must_use]
    pub fn connect(addr: SocketAddr) -> Self {
        Self::try_connect(addr).unwrap_or_else(|error| panic!("cannot connect to {addr}: {error}"))
    }

    /// Connects in clear.
    ///
    /// # Errors
    /// The error of the socket.
    pub fn try_connect(addr: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            stream: BufferedStream::connect(addr)?,
            methods: VecDeque::new(),
            framing: BodyFraming::None,
        })
    }

    /// Connects, and completes a TLS handshake.
    ///
    /// # Errors
    /// The error of the socket or of the handshake.
    pub fn try_connect_tls(addr: SocketAddr, tls: &TlsClient) -> io::Result<Self> {
        Ok(Self {
            stream: BufferedStream::connect_tls(addr, tls.connection())?,
            methods: VecDeque::new(),
            framing: BodyFraming::None,
        })
    }

    /// Connects, and completes a TLS handshake.
    ///
    /// # Panics
    /// If either fails.
    #[must_use]
    pub fn connect_tls(addr: SocketAddr, tls: &TlsClient) -> Self {
        Self::try_connect_tls(addr, tls).expect("a connection over TLS")
    }

    /// Completes a TLS handshake inside the tunnel that the connection is after a CONNECT in clear.
    ///
    /// # Errors
    /// The error of the socket or of the handshake.
    ///
    /// # Panics
    /// If bytes arrived that have not been read.
    pub fn try_secure(self, tls: &TlsClient) -> io::Result<Self> {
        Ok(Self {
            stream: self.stream.secure(tls.connection())?,
            ..self
        })
    }

    /// The protocol that ALPN selected.
    ///
    /// # Panics
    /// If the connection is not over TLS.
    #[must_use]
    pub fn alpn(&self) -> Option<&str> {
        let protocol = self.stream.tls().alpn_protocol()?;
        std::str::from_utf8(protocol).ok()
    }

    /// The certificate that the server presented, as DER.
    ///
    /// # Panics
    /// If the connection is not over TLS.
    #[must_use]
    pub fn peer_certificate(&self) -> Vec<u8> {
        let chain = self.stream.tls().peer_certificates();
        chain.expect("a certificate")[0].to_vec()
    }

    /// Whether the TLS session was resumed.
    ///
    /// # Panics
    /// If the connection is not over TLS.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.stream.tls().handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Sends bytes.
    ///
    /// # Panics
    /// If the connection is closed.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("a connection to send on");
    }

    /// Sends bytes. The peer may have closed the connection.
    ///
    /// # Errors
    /// If the connection is closed.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.send(bytes.as_ref())
    }

    /// Sends the first `length` bytes of [`pattern`] as part of a body.
    ///
    /// # Panics
    /// If the connection is closed.
    pub fn send_body_of(&mut self, length: u64) {
        let mut left = length;
        while left > 0 {
            let chunk = pattern::chunk(left);
            self.send(&chunk);
            left -= chunk.len() as u64;
        }
    }

    /// Sends a request as written: its head, and its body if there is one.
    ///
    /// The method is recorded, because a response to HEAD or CONNECT has no body.
    ///
    /// # Panics
    /// If the connection is closed.
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
    /// If no response comes.
    pub fn request(&mut self, request: impl AsRef<[u8]>) -> Response {
        self.send_request(request);
        self.read_response()
    }

    /// Sends a GET that keeps the connection open, and reads the response.
    ///
    /// # Panics
    /// If no response comes.
    pub fn get(&mut self, target: &str, host: &str) -> Response {
        self.request(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    }

    /// Reads a whole response. An interim response (1xx) counts as a response.
    ///
    /// # Panics
    /// If no response comes, or if it is malformed or incomplete.
    pub fn read_response(&mut self) -> Response {
        self.try_read_response().expect("a whole response")
    }

    /// Reads a whole response. An interim response (1xx) counts as a response.
    ///
    /// # Errors
    /// `UnexpectedEof` if the response is incomplete, `InvalidData` if it is malformed, `WouldBlock` or `TimedOut` if it
    /// does not come.
    pub fn try_read_response(&mut self) -> io::Result<Response> {
        let mut response = self.try_read_head()?;
        let mut body = Vec::new();
        response.trailers = self.read_body(|piece| body.extend_from_slice(piece))?;
        response.body = body;
        Ok(response)
    }

    /// Reads the head of a response, and leaves its body unread.
    ///
    /// # Panics
    /// If no head comes, or if it is malformed.
    pub fn read_head(&mut self) -> Response {
        self.try_read_head().expect("the head of a response")
    }

    /// Reads the body after [`Self::read_head`], and returns its length in bytes.
    ///
    /// # Panics
    /// If the body is malformed or incomplete.
    pub fn read_body_discarding(&mut self) -> u64 {
        let mut length = 0;
        self.read_body(|piece| length += piece.len() as u64)
            .expect("a whole body");
        length
    }

    /// Reads the bytes that have arrived, waiting for at least one. The result is empty if the peer closed the connection.
    ///
    /// # Panics
    /// If nothing arrives.
    pub fn read_some(&mut self) -> Vec<u8> {
        self.stream.read_some().expect("bytes or the end")
    }

    /// Reads exactly `length` bytes.
    ///
    /// # Panics
    /// If fewer bytes arrive.
    pub fn read_exactly(&mut self, length: usize) -> Vec<u8> {
        self.stream.read_exactly(length).expect("enough bytes")
    }

    /// Reads until the peer closes or resets the connection.
    ///
    /// # Panics
    /// If the peer does not close the connection.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        self.stream.read_to_end().expect("the end")
    }

    /// Whether the peer closes the connection without sending anything first. Blocks for ten seconds at most.
    pub fn is_closed(&mut self) -> bool {
        self.stream.is_closed()
    }

    /// Whether, at this moment, the connection is open and no unread bytes have arrived.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.stream.is_idle()
    }

    /// Closes the sending direction. Reading stays possible.
    ///
    /// # Panics
    /// If the connection is closed.
    pub fn shutdown_write(&mut self) {
        let done = self.stream.stream().shutdown(Shutdown::Write);
        done.expect("a connection to shut down");
    }

    /// Closes the connection with a TCP reset.
    ///
    /// # Panics
    /// If the connection is closed.
    pub fn reset(self) {
        SockRef::from(self.stream.stream())
            .set_linger(Some(Duration::ZERO))
            .expect("a socket that can be reset");
    }

    /// The local address of the connection.
    ///
    /// # Panics
    /// If the connection is closed.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        let addr = self.stream.stream().local_addr();
        addr.expect("a connected socket has an address")
    }

    /// The socket, with its timeouts set, to speak another protocol after CONNECT or Upgrade.
    ///
    /// # Panics
    /// If bytes arrived that have not been read.
    #[must_use]
    pub fn into_stream(self) -> TcpStream {
        self.stream.into_stream()
    }

    fn try_read_head(&mut self) -> io::Result<Response> {
        let head = self.stream.read_head()?;
        let response = Response::parse(&head)?;
        let interim = response.status < 200 && response.status != 101;
        let method = if interim {
            self.methods.front().cloned()
        } else {
            self.methods.pop_front()
        };
        self.framing = BodyFraming::of(method.as_deref(), &response)?;
        Ok(response)
    }

    fn read_body(&mut self, sink: impl FnMut(&[u8])) -> io::Result<HeaderFields> {
        let framing = std::mem::replace(&mut self.framing, BodyFraming::None);
        framing.read(&mut self.stream, sink)
    }
}

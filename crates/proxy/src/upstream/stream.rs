//! The byte streams to upstreams.

use std::net::SocketAddr;
use std::task::{Context, Waker};

use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::stream::either_stream;
use crate::transfer::DuplexStream;

/// A byte stream to and from an upstream.
pub(crate) enum UpstreamStream {
    /// A plain TCP connection.
    Plain(TcpStream),
    /// A TLS connection; boxed because it is many times as large.
    Tls(Box<TlsStream<TcpStream>>),
    /// A TLS connection within one to a proxy.
    Nested(Box<TlsStream<Box<TlsStream<TcpStream>>>>),
    /// An HTTP/2 stream that was upgraded to another protocol (RFC 8441); boxed likewise.
    Http2(Box<DuplexStream>),
}

either_stream!(UpstreamStream: Plain, Tls, Nested, Http2);

impl UpstreamStream {
    /// Whether the socket has something to read, or the end, as far as the runtime has been told. A read must have been
    /// pending before.
    pub(super) fn is_readable(&self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        let socket = self.socket();
        socket.is_some_and(|socket| socket.poll_read_ready(&mut cx).is_ready())
    }

    /// The gateway's end of the connection, if it is one.
    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        self.socket()?.local_addr().ok()
    }

    /// The socket of a connection.
    fn socket(&self) -> Option<&TcpStream> {
        match self {
            Self::Plain(stream) => Some(stream),
            Self::Tls(stream) => Some(stream.get_ref().0),
            Self::Nested(stream) => Some(stream.get_ref().0.get_ref().0),
            Self::Http2(_) => None,
        }
    }
}

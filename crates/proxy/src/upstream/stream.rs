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
    /// An HTTP/2 stream that was upgraded to another protocol (RFC 8441).
    Http2(DuplexStream),
}

either_stream!(UpstreamStream: Plain, Tls, Http2);

impl UpstreamStream {
    /// Whether the socket has something to read, or the end, as far as the runtime has been told. A read must have been
    /// pending before.
    pub(super) fn is_readable(&self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        let socket = match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
            Self::Http2(_) => return false,
        };
        socket.poll_read_ready(&mut cx).is_ready()
    }

    /// The gateway's end of the connection, if it is one.
    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Plain(stream) => stream.local_addr().ok(),
            Self::Tls(stream) => stream.get_ref().0.local_addr().ok(),
            Self::Http2(_) => None,
        }
    }
}

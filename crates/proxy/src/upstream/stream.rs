//! The byte streams to upstreams.

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

//! What a connection to an upstream is made of: a socket, or TLS on one. Or a stream, where a connection has many.

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::stream::either_stream;

/// A stream of octets to an upstream and from it.
pub(crate) enum UpstreamStream {
    /// In the clear.
    Plain(TcpStream),
    /// Boxed because it is many times as large.
    Tls(Box<TlsStream<TcpStream>>),
    /// A stream of HTTP/2 that was given to another protocol (RFC 8441).
    Http2(Box<TokioIo<Upgraded>>),
}

either_stream!(UpstreamStream: Plain, Tls, Http2);

//! What a connection to an upstream is made of: a socket, or TLS on one.

use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::either::either_stream;

/// A stream of octets to an upstream and from it.
pub(crate) enum Stream {
    /// In the clear.
    Plain(TcpStream),
    /// Boxed because it is many times as large.
    Tls(Box<TlsStream<TcpStream>>),
}

either_stream!(Stream: Plain, Tls);

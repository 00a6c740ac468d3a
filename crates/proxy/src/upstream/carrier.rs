//! What carries a connection to a destination.

use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::stream::UpstreamStream;
use crate::stream::either_stream;

/// What carries a connection to a destination, before it is secured.
pub(super) enum Carrier {
    /// A socket that is connected to the destination, or to a proxy that connects to it.
    Socket(TcpStream),
    /// A TLS connection to such a proxy; boxed because it is many times as large.
    ProxyTls(Box<TlsStream<TcpStream>>),
}

either_stream!(Carrier: Socket, ProxyTls);

/// The stream to a destination that is reached without TLS of its own.
impl From<Carrier> for UpstreamStream {
    fn from(carrier: Carrier) -> Self {
        match carrier {
            Carrier::Socket(stream) => Self::Plain(stream),
            Carrier::ProxyTls(stream) => Self::Tls(stream),
        }
    }
}

//! The byte stream of a connection from a client: a socket, or TLS that is terminated here.

use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::{ReplayStream, either_stream};

/// The byte stream of a connection from a client.
#[derive(Debug)]
pub(crate) enum ClientStream {
    /// TCP without TLS.
    Plain(ReplayStream),
    /// TLS that is terminated here. Boxed because it is many times as large.
    Tls(Box<ReplayStream<TlsStream<ReplayStream>>>),
}

impl ClientStream {
    /// The socket of the connection.
    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(plain) => plain.get_ref(),
            Self::Tls(tls) => tls.get_ref().get_ref().0.get_ref(),
        }
    }
}

either_stream!(ClientStream: Plain, Tls);

//! The byte stream of a connection from a client: a socket, or TLS that is terminated here.

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

either_stream!(ClientStream: Plain, Tls);

//! What a connection from a client is made of: a socket, or TLS that ends here on one.

use tokio_rustls::server::TlsStream;

use super::{Replay, either_stream};

/// A stream of octets from a client and to it.
#[derive(Debug)]
pub(crate) enum ClientStream {
    /// In the clear.
    Plain(Replay),
    /// Boxed because it is many times as large.
    Tls(Box<Replay<TlsStream<Replay>>>),
}

either_stream!(ClientStream: Plain, Tls);

//! The byte stream of a connection from a client: a socket, or TLS that is terminated here.

use std::io;

use bytes::Bytes;
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

    /// Puts back what was read last.
    pub(crate) fn unread(&mut self, read: Bytes) {
        match self {
            Self::Plain(plain) => plain.unread(read),
            Self::Tls(tls) => tls.unread(read),
        }
    }

    /// Waits until there is something to read, or the end. A read must have been pending before, so that TLS holds nothing
    /// that it has decrypted.
    ///
    /// # Errors
    /// I/O errors of the socket.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        let has_unread = match self {
            Self::Plain(plain) => plain.has_unread(),
            Self::Tls(tls) => tls.has_unread(),
        };
        if has_unread {
            return Ok(());
        }
        self.socket().readable().await
    }
}

either_stream!(ClientStream: Plain, Tls);

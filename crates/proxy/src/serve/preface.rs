//! Detects the HTTP version of a connection without ALPN by the connection preface of HTTP/2 (RFC 9113 3.4).

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::client::HttpConnection;
use crate::refusal::ForeignProtocol;

const CONNECT: &[u8] = b"CONNECT ";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientPreface {
    /// The HTTP/2 connection preface.
    Http2,
    /// An HTTP/1.1 request with the method CONNECT, or the beginning of one.
    Connect,
    /// Another protocol than HTTP.
    Foreign(ForeignProtocol),
    /// Anything else, which is left to the HTTP/1.1 parser.
    Http1,
}

impl ClientPreface {
    /// The HTTP version to serve.
    ///
    /// # Errors
    /// If the client does not speak HTTP.
    pub(super) fn http(self) -> Result<HttpConnection, ForeignProtocol> {
        match self {
            Self::Http2 => Ok(HttpConnection::Http2),
            Self::Connect | Self::Http1 => Ok(HttpConnection::Http1),
            Self::Foreign(protocol) => Err(protocol),
        }
    }

    fn classify(read: &[u8]) -> Self {
        let is_connect =
            !read.is_empty() && CONNECT.iter().zip(read).all(|(one, other)| one == other);
        match read {
            _ if is_connect => Self::Connect,
            // The handshake record of TLS, and the versions that SOCKS requests begin with. No method has such a byte.
            [0x16, ..] => Self::Foreign(ForeignProtocol::Tls),
            [4, ..] => Self::Foreign(ForeignProtocol::Socks4),
            [5, ..] => Self::Foreign(ForeignProtocol::Socks5),
            _ => Self::Http1,
        }
    }
}

/// Reads until the version is clear, and returns it with the bytes that were read. If the client closes the connection
/// before, the version is HTTP/1.1.
///
/// # Errors
/// I/O errors of the stream.
pub(super) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<(ClientPreface, Bytes)> {
    let mut read = BytesMut::with_capacity(PREFACE.len());
    loop {
        let wanted = (PREFACE.len() - read.len()) as u64;
        let count = (&mut *stream).take(wanted).read_buf(&mut read).await?;
        if count == 0 || !PREFACE.starts_with(&read) {
            return Ok((ClientPreface::classify(&read), read.freeze()));
        }
        if read.len() == PREFACE.len() {
            return Ok((ClientPreface::Http2, read.freeze()));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    /// Detects the version of bytes that arrive in pieces of this size.
    async fn detect(bytes: &[u8], piece: usize) -> (ClientPreface, Bytes) {
        let (mut client, mut server) = duplex(piece);
        let send = async {
            // The write fails if the version is clear before all bytes have been read.
            let _ = client.write_all(bytes).await;
            drop(client);
        };
        let read = async {
            let read = read(&mut server).await.unwrap();
            drop(server);
            read
        };
        tokio::join!(read, send).0
    }

    #[tokio::test]
    async fn the_preface_is_known_in_any_pieces() {
        for piece in 1..PREFACE.len() {
            let (http, read) = detect(PREFACE, piece).await;
            assert_eq!((http, &*read), (ClientPreface::Http2, PREFACE));
        }
    }

    #[tokio::test]
    async fn other_protocols_are_known_by_their_first_byte() {
        for (bytes, expected) in [
            (&b"\x16\x03\x01\x02\0"[..], ForeignProtocol::Tls),
            (b"\x04\x01\0\x50", ForeignProtocol::Socks4),
            (b"\x05\x01\0", ForeignProtocol::Socks5),
        ] {
            let (preface, _) = detect(bytes, bytes.len()).await;
            assert_eq!(preface.http(), Err(expected));
        }
    }

    #[tokio::test]
    async fn anything_else_is_the_older_http() {
        for (bytes, expected) in [
            ("GET / HTTP/1.1\r\n\r\n", ClientPreface::Http1),
            ("PRI * HTTP/1.1\r\n", ClientPreface::Http1),
            ("POST /", ClientPreface::Http1),
            ("P", ClientPreface::Http1),
            ("", ClientPreface::Http1),
            ("CONNECT a.example:443 HTTP/1.1\r\n", ClientPreface::Connect),
            ("CONNECTED /", ClientPreface::Http1),
        ] {
            let (preface, read) = detect(bytes.as_bytes(), bytes.len().max(1)).await;
            assert_eq!(preface, expected, "{bytes}");
            assert_eq!(preface.http(), Ok(HttpConnection::Http1));
            assert!(bytes.as_bytes().starts_with(&read));
        }
    }
}

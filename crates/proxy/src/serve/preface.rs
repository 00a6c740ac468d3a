//! Which HTTP a client speaks where nothing was agreed on: HTTP/2 begins with a preface that HTTP/1.1 does not know (RFC
//! 9113 3.4).

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::client::HttpConnection;

const CONNECT: &[u8] = b"CONNECT ";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a client has begun with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientPreface {
    /// The preface of HTTP/2.
    Http2,
    /// A CONNECT of HTTP/1.1, as far as can be seen.
    Connect,
    /// Anything else, which HTTP/1.1 has to make something of.
    Http1,
}

impl ClientPreface {
    /// The version that it is of.
    pub(super) fn http(self) -> HttpConnection {
        match self {
            Self::Http2 => HttpConnection::Http2,
            Self::Connect | Self::Http1 => HttpConnection::Http1,
        }
    }

    fn of(read: &[u8]) -> Self {
        let is_connect =
            !read.is_empty() && CONNECT.iter().zip(read).all(|(one, other)| one == other);
        if is_connect {
            Self::Connect
        } else {
            Self::Http1
        }
    }
}

/// Reads until it is clear, and gives what was read. A client that closes before has not begun with HTTP/2.
///
/// # Errors
/// Those of the stream.
pub(super) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<(ClientPreface, Bytes)> {
    let mut read = BytesMut::with_capacity(PREFACE.len());
    loop {
        let wanted = (PREFACE.len() - read.len()) as u64;
        let count = (&mut *stream).take(wanted).read_buf(&mut read).await?;
        if count == 0 || !PREFACE.starts_with(&read) {
            return Ok((ClientPreface::of(&read), read.freeze()));
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

    /// What is made of octets that come in pieces of this size.
    async fn of(octets: &[u8], piece: usize) -> (ClientPreface, Bytes) {
        let (mut client, mut server) = duplex(piece);
        let send = async {
            // Who has read enough reads no more.
            let _ = client.write_all(octets).await;
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
            let (http, read) = of(PREFACE, piece).await;
            assert_eq!((http, &*read), (ClientPreface::Http2, PREFACE));
        }
    }

    #[tokio::test]
    async fn anything_else_is_the_older_http() {
        for (octets, expected) in [
            ("GET / HTTP/1.1\r\n\r\n", ClientPreface::Http1),
            ("PRI * HTTP/1.1\r\n", ClientPreface::Http1),
            ("POST /", ClientPreface::Http1),
            ("P", ClientPreface::Http1),
            ("", ClientPreface::Http1),
            ("CONNECT a.example:443 HTTP/1.1\r\n", ClientPreface::Connect),
            ("CONNECTED /", ClientPreface::Http1),
        ] {
            let (begun, read) = of(octets.as_bytes(), octets.len().max(1)).await;
            assert_eq!(begun, expected, "{octets}");
            assert_eq!(begun.http(), HttpConnection::Http1);
            assert!(octets.as_bytes().starts_with(&read));
        }
    }
}

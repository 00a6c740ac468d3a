//! Which HTTP a client speaks where nothing was agreed on: HTTP/2 begins with a preface that HTTP/1.1 does not know (RFC
//! 9113 3.4).

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A version of HTTP on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Http {
    /// HTTP/1.1 and HTTP/1.0.
    One,
    /// HTTP/2.
    Two,
}

/// Reads until it is clear, and gives what was read. A client that closes before has not begun with HTTP/2.
///
/// # Errors
/// Those of the stream.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(Http, Bytes)> {
    let mut read = BytesMut::with_capacity(PREFACE.len());
    loop {
        let wanted = (PREFACE.len() - read.len()) as u64;
        let count = (&mut *stream).take(wanted).read_buf(&mut read).await?;
        if count == 0 || !PREFACE.starts_with(&read) {
            return Ok((Http::One, read.freeze()));
        }
        if read.len() == PREFACE.len() {
            return Ok((Http::Two, read.freeze()));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    async fn of(octets: &[u8], piece: usize) -> (Http, Bytes) {
        let (mut client, mut server) = duplex(1);
        let send = async {
            for piece in octets.chunks(piece) {
                // Who has read enough reads no more.
                let _ = client.write_all(piece).await;
            }
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
            assert_eq!((http, &*read), (Http::Two, PREFACE));
        }
    }

    #[tokio::test]
    async fn anything_else_is_the_older_http() {
        for octets in [
            "GET / HTTP/1.1\r\n\r\n",
            "PRI * HTTP/1.1\r\n",
            "POST /",
            "P",
            "",
        ] {
            let (http, read) = of(octets.as_bytes(), 1).await;
            assert_eq!(http, Http::One, "{octets}");
            assert!(octets.as_bytes().starts_with(&read));
        }
    }
}

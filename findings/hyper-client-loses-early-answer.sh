#!/usr/bin/env bash
# hyper 1.12.0, HTTP/1.1 client: a response that has arrived is lost if the request body can no longer be written.
#
# A server may answer before it has read the body, and close (RFC 9110 section 10.1.1). The response is then in the socket
# of the client when its next write fails. hyper gives the caller the error of that write, and does not look at what there is
# to read. Here the server sends a whole 413 as soon as a byte of the request reaches it, and takes nothing more: what is
# read is the response and then the end, and every write from then on fails.
#
# Seen, 20 of 20 times: `Err: error writing a body to connection: Some("broken pipe")`. A client would expect `Ok: 413`.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat >Cargo.toml <<'END'
[package]
name = "finding"
version = "0.1.0"
edition = "2021"

[dependencies]
bytes = "=1.11.0"
http-body-util = "=0.1.3"
hyper = { version = "=1.12.0", features = ["client", "http1"] }
hyper-util = { version = "=0.1.21", features = ["tokio"] }
tokio = { version = "=1.54.1", features = ["io-util", "macros", "rt"] }
END
cat >src/main.rs <<'END'
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The socket of a client whose server answers the first bytes and then takes no more.
#[derive(Default)]
struct Answered {
    written: usize,
    answer: Option<&'static [u8]>,
    reader: Option<Waker>,
}

impl AsyncRead for Answered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.written == 0 {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if let Some(answer) = self.answer.take() {
            buf.put_slice(answer);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Answered {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.written > 0 {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.written = bytes.len().min(100);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(self.written))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut lost = 0;
    for _ in 0..20 {
        let socket = Answered {
            answer: Some(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
            ..Answered::default()
        };
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.unwrap();
        let body = Full::new(Bytes::from(vec![b'x'; 1 << 20]));
        let request = Request::post("/").header("host", "a.example").body(body).unwrap();
        let (answer, _) = tokio::join!(sender.send_request(request), connection);
        match answer {
            Ok(response) => println!("Ok: {}", response.status().as_u16()),
            Err(error) => {
                lost += 1;
                println!("Err: {error}: {:?}", std::error::Error::source(&error).map(ToString::to_string));
            }
        }
    }
    println!("lost {lost} of 20");
}
END
cargo run --quiet >output.txt
sort output.txt | uniq -c
grep -q '^lost 20 of 20$' output.txt || { echo "this has changed" >&2; exit 1; }

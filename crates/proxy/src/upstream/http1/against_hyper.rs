//! Responses of any kind are read as hyper's client reads them, which many have looked at.

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncWriteExt as _, duplex};

use super::response_framing::Decoded;
use super::response_head::{HeadReader, RequestKind};
use http::{HeaderMap, Request, Version};

/// What is read of a response: its head, and the content and trailers if they are whole.
#[derive(Debug, PartialEq)]
struct Read {
    status: u16,
    version: Version,
    fields: HeaderMap,
    body: Option<(Vec<u8>, HeaderMap)>,
}

/// What is read here; `None` if it is no response.
fn read_here(bytes: &[u8], piece: usize) -> Option<Read> {
    let (mut heads, mut received) = (HeadReader::new(None), BytesMut::new());
    let mut rest = bytes.chunks(piece);
    let head = loop {
        let space = &mut HeaderMap::new();
        match heads.take(&mut received, RequestKind::Other, space).ok()? {
            Some(head) if head.is_interim() => {}
            Some(head) => break head,
            None => received.extend_from_slice(rest.next()?),
        }
    };
    let mut decoder = head.body;
    let (mut data, mut trailers) = (Vec::new(), HeaderMap::new());
    let is_whole = loop {
        match decoder.take(&mut received) {
            Ok(Decoded::Data(more)) => data.extend_from_slice(&more),
            Ok(Decoded::Trailers(fields)) => trailers = fields,
            Ok(Decoded::End) => break true,
            Ok(Decoded::Partial) => match rest.next() {
                Some(piece) => received.extend_from_slice(piece),
                None => break decoder.end().is_ok(),
            },
            Err(_) => break false,
        }
    };
    Some(Read {
        status: head.response.status().as_u16(),
        version: head.response.version(),
        fields: head.response.headers().clone(),
        body: is_whole.then_some((data, trailers)),
    })
}

/// What hyper reads.
async fn read_by_hyper(bytes: &[u8]) -> Option<Read> {
    let (near, mut far) = duplex(1 << 16);
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder
        .max_header_size(60 * 1024)
        .allow_spaces_after_header_name_in_responses(true);
    let (mut sender, connection) = builder.handshake(TokioIo::new(near)).await.unwrap();
    let response = async {
        let response = sender.send_request(Request::new(Empty::<Bytes>::new()));
        let (head, body) = response.await.ok()?.into_parts();
        let whole = body.collect().await.ok().map(|body| {
            let trailers = body.trailers().cloned().unwrap_or_default();
            (body.to_bytes().to_vec(), trailers)
        });
        Some(Read {
            status: head.status.as_u16(),
            version: head.version,
            fields: head.headers,
            body: whole,
        })
    };
    let upstream = async {
        // hyper wants nothing to come before its request.
        tokio::io::AsyncReadExt::read(&mut far, &mut [0; 1000])
            .await
            .unwrap();
        let _ = far.write_all(bytes).await;
        drop(far);
    };
    let (read, _, ()) = tokio::join!(response, connection, upstream);
    read
}

fn lines() -> impl Strategy<Value = String> {
    let field = prop_oneof![
        Just("content-length: 4"),
        Just("Content-Length: 4, 4"),
        Just("content-length: 04"),
        Just("content-length:"),
        Just("content-length: 4x"),
        Just("content-length: 0"),
        Just("transfer-encoding: chunked"),
        Just("Transfer-Encoding : gzip, Chunked"),
        Just("transfer-encoding: gzip"),
        Just("connection: close"),
        Just("x: \u{e9} \"a\""),
        Just("x-empty:"),
        Just("x-tab:\ta\tb\t"),
        Just(" folded: a"),
        Just("no field"),
        Just("x\u{0}: a"),
        Just("x: a\u{1}b"),
    ];
    let end = prop_oneof![9 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r")];
    let line = (field, end).prop_map(|(field, end)| format!("{field}{end}"));
    prop::collection::vec(line, 0..4).prop_map(|lines| lines.concat())
}

fn response() -> impl Strategy<Value = String> {
    let begin = prop_oneof![
        8 => Just("HTTP/1.1 200 OK\r\n"),
        2 => Just("HTTP/1.1 200\r\n"),
        2 => Just("HTTP/1.0 404 Not Found\r\n"),
        1 => Just("HTTP/1.1 204 No Content\r\n"),
        1 => Just("HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 304 \r\n"),
        1 => Just("\r\nHTTP/1.1 200 OK\r\n"),
        1 => Just("HTTP/1.1  200 OK\r\n"),
        1 => Just("HTTP/1.2 200 OK\r\n"),
        1 => Just("HTTP/1.1 999 \u{e9}\r\n"),
    ];
    let body = prop_oneof![
        Just(""),
        Just("text"),
        Just("text and more"),
        Just("4\r\ntext\r\n0\r\n\r\n"),
        Just("04;a=\"b\"\r\ntext\r\n0\r\nx-sum: 1\r\n\r\n"),
        Just("A\r\n0123456789\r\na \r\n0123456789\r\n000;x\r\n\r\n"),
        Just("4\r\ntextx\r\n0\r\n\r\n"),
        Just("4\r\ntext\r\n"),
        Just("4\ntext\r\n0\r\n\r\n"),
        Just("\r\n\r\n"),
        Just("4\r\ntext\r\n0\r\nno field\r\n\r\n"),
        Just("fffffffffffffffff\r\n"),
    ];
    (begin, lines(), body).prop_map(|(begin, lines, body)| format!("{begin}{lines}\r\n{body}"))
}

fn both(text: &str, piece: usize) -> (Option<Read>, Option<Read>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let by_hyper = runtime.block_on(read_by_hyper(text.as_bytes()));
    (read_here(text.as_bytes(), piece), by_hyper)
}

#[test]
fn what_is_well_formed_is_read_by_both() {
    let chunked = "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
                   4\r\ntext\r\n0\r\nx-sum: 1\r\n\r\n";
    for text in [
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntext and more",
        "HTTP/1.0 200 OK\r\n\r\ntext",
        chunked,
    ] {
        let (here, by_hyper) = both(text, 7);
        assert_eq!(here, by_hyper);
        let (data, trailers) = here.unwrap().body.unwrap();
        assert_eq!(
            (&data[..], trailers.len()),
            (&b"text"[..], usize::from(text == chunked))
        );
    }
}

proptest! {
    #[test]
    fn responses_are_read_as_hyper_reads_them(text in response(), piece in 1_usize..40) {
        let (here, by_hyper) = both(&text, piece);
        prop_assert_eq!(here, by_hyper);
    }
}

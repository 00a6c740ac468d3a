//! Answers of upstreams to requests whose body is still coming.

use egret_testkit::Gateway;
use egret_testkit::gateway::{LOOPBACK, QUICKSTART, documents};
use egret_testkit::upstream::raw::{Http2Frame, RawServer};

use super::{SIZES, TestSetup, post};

const TOO_LARGE: &str =
    "HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\nno\n";

/// How often a test repeats what depends on the timing if it is wrong.
const ROUNDS: usize = 20;

/// The upstream answers a head, and closes the connection without reading the body.
#[test]
fn an_early_answer_arrives_however_much_is_sent() {
    let setup = TestSetup::new();
    let upstream = RawServer::start(|connection| {
        if connection.read_head().is_some() {
            connection.send(TOO_LARGE);
        }
    });
    let host = format!("a.example:{}", upstream.port());
    assert_always_answered(&setup.gateway, &host, "no\n");
}

/// The upstream answers a head, and resets the stream with NO_ERROR (RFC 9113 8.1).
#[test]
fn an_early_answer_of_http2_arrives_however_much_is_sent() {
    let upstream = RawServer::start(|connection| {
        if connection.read_preface().is_none() {
            return;
        }
        connection.send_frame(&Http2Frame::settings());
        while let Some(request) = connection.read_frame_of(Http2Frame::HEADERS) {
            let answer = Http2Frame {
                // END_HEADERS and END_STREAM.
                flags: 0x4 | 0x1,
                // `:status: 413` and `content-length: 0` (RFC 7541 6.2.2).
                ..Http2Frame::new(
                    Http2Frame::HEADERS,
                    request.stream,
                    [8, 3, b'4', b'1', b'3', 0x0f, 0x0d, 1, b'0'],
                )
            };
            connection.send_frame(&answer);
            let no_error = Http2Frame::new(Http2Frame::RST_STREAM, request.stream, [0; 4]);
            connection.send_frame(&no_error);
        }
    });
    let gateway = over_http2(upstream.port());
    assert_always_answered(&gateway, "a.example", "");
}

/// The upstream answers a head, and closes the TCP connection.
#[test]
fn an_early_answer_of_http2_arrives_although_the_connection_closes() {
    let upstream = RawServer::start(|connection| {
        if connection.read_preface().is_none() {
            return;
        }
        connection.send_frame(&Http2Frame::settings());
        let Some(request) = connection.read_frame_of(Http2Frame::HEADERS) else {
            return;
        };
        let head = Http2Frame {
            // END_HEADERS.
            flags: 0x4,
            // `:status: 413` and `content-length: 3`.
            ..Http2Frame::new(
                Http2Frame::HEADERS,
                request.stream,
                [8, 3, b'4', b'1', b'3', 0x0f, 0x0d, 1, b'3'],
            )
        };
        connection.send_frame(&head);
        let body = Http2Frame {
            // END_STREAM.
            flags: 0x1,
            ..Http2Frame::new(Http2Frame::DATA, request.stream, *b"no\n")
        };
        connection.send_frame(&body);
    });
    let gateway = over_http2(upstream.port());
    assert_always_answered(&gateway, "a.example", "no\n");
}

/// Sends bodies of every size again and again, each of which the upstream must answer with 413 and this text.
fn assert_always_answered(gateway: &Gateway, host: &str, text: &str) {
    for size in SIZES {
        for round in 0..ROUNDS {
            let mut client = gateway.connect();
            let response = post(&mut client, host, "/", size);
            assert_eq!(response.status, 413, "{size} bytes, round {round}");
            assert_eq!(response.text(), text);
        }
    }
}

/// A gateway that sends every request to this port over HTTP/2.
fn over_http2(port: u16) -> Gateway {
    let backend = format!(
        "type: Static
  static: {{appProtocol: kubernetes.io/h2c, hosts: [{{host: 127.0.0.1, port: {port}}}]}}"
    );
    let dynamic = "type: DynamicForwardProxy\n  dynamicForwardProxy: {}";
    Gateway::start(&documents(&[QUICKSTART, LOOPBACK]).replace(dynamic, &backend))
}

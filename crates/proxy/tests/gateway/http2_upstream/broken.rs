//! HTTP/2 streams and connections to upstreams that end early.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};

use egret_testkit::gateway::{documents, listener_policy};
use egret_testkit::upstream::Http2Options;
use egret_testkit::upstream::raw::{Http2Frame, RawConnection, RawServer};
use egret_testkit::{Gateway, Response, Upstream};

use super::{NO_SETTINGS, OverTls, ask, assert_answered, static_backend, to_static};

const HOST: &str = "a.example";
/// The type of CONTINUATION frames (RFC 9113 6.10).
const CONTINUATION: u8 = 9;
const POST: &str = "POST /it HTTP/1.1\r\nhost: a.example\r\ncontent-length: 4\r\n\r\nbody";

/// Completes the HTTP/2 preface, and returns the stream of the first request.
fn first_request(connection: &mut RawConnection) -> Option<u32> {
    connection.read_preface()?;
    connection.send_frame(&Http2Frame::settings());
    Some(connection.read_frame_of(Http2Frame::HEADERS)?.stream)
}

fn told(response: &Response) -> &str {
    response.header("proxy-status").unwrap_or_default()
}

#[test]
fn what_an_upstream_that_goes_away_has_not_processed_is_sent_again() {
    let server = RawServer::start(|connection| {
        let Some(stream) = first_request(connection) else {
            return;
        };
        if connection.index() == 0 {
            connection.send_frame(&Http2Frame::go_away(0));
        } else {
            // The retried request has its body.
            connection.read_frame_of(Http2Frame::DATA);
            connection.send_frame(&Http2Frame::ok(stream));
        }
        connection.close();
    });
    let gateway = to_static(server.port(), NO_SETTINGS);
    // Requests that are not idempotent are retried as well.
    assert_eq!(gateway.connect().request(POST).status, 200);
    assert_eq!(server.connections(), 2);
}

#[test]
fn what_an_upstream_that_goes_away_has_begun_it_ends() {
    let (known, answered) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let theirs = (Arc::clone(&known), Arc::clone(&answered));
    let server = RawServer::start(move |connection| {
        let Some(stream) = first_request(connection) else {
            return;
        };
        if connection.index() == 0 {
            connection.send_frame(&Http2Frame::go_away(stream));
            // The PING is answered once all frames before it have been read.
            connection.send_frame(&Http2Frame::new(Http2Frame::PING, 0, [7; 8]));
            while connection
                .read_frame_of(Http2Frame::PING)
                .is_some_and(|ping| ping.payload != [7; 8])
            {}
            theirs.0.wait();
            theirs.1.wait();
        }
        connection.send_frame(&Http2Frame::ok(stream));
        connection.close();
    });
    let gateway = to_static(server.port(), NO_SETTINGS);
    let begun = ask(&gateway, HOST, "/", 1);
    known.wait();
    assert_eq!(gateway.connect().request(POST).status, 200);
    assert_eq!(server.connections(), 2);
    answered.wait();
    assert_answered(begun);
}

#[test]
fn what_is_refused_is_sent_again_with_its_body_but_not_for_ever() {
    let upstream = Upstream::start_http2(Http2Options::default());
    let gateway = to_static(upstream.port(), NO_SETTINGS);
    let post = |path: &str| {
        let head = format!("POST {path} HTTP/1.1\r\nhost: {HOST}\r\n");
        let body = "transfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n";
        gateway.connect().request(head + body)
    };
    let response = post("/refuse/1");
    assert_eq!(response.status, 200, "{response:?}");
    let echo = response.json();
    assert_eq!(
        (&echo["body"], &echo["version"]),
        (&"body".into(), &"HTTP/2.0".into())
    );
    assert_eq!(upstream.requests().len(), 2);
    assert_eq!(gateway.metric("egret_upstream_unprocessed_total"), 1.0);
    let response = post("/refuse/100");
    assert_eq!(response.status, 502);
    assert!(
        told(&response).contains("error=connection_terminated"),
        "{response:?}"
    );
    // Every attempt reaches the upstream.
    assert_eq!(upstream.requests().len(), 2 + 4);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn who_says_what_is_sent_again_decides_about_what_is_refused() {
    for (retry, sent) in [
        (
            "{attempts: 1, retryOn: [refused-stream], backoffBaseInterval: 1ms}",
            2,
        ),
        (
            "{attempts: 1, retryOn: [connect-failure], backoffBaseInterval: 1ms}",
            1,
        ),
    ] {
        let upstream = Upstream::start_http2(Http2Options::default());
        let policy = format!(
            "apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata: {{name: test, namespace: httpbin}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: dfp-httproute}}]
  retry: {retry}"
        );
        let yaml = static_backend(upstream.port(), NO_SETTINGS);
        let gateway = Gateway::start(&documents(&[&yaml, &policy]));
        assert_eq!(gateway.get(HOST, "/refuse/100").status, 502);
        assert_eq!(upstream.requests().len(), sent, "{retry}");
    }
}

#[test]
fn no_request_fails_while_an_upstream_goes_away_again_and_again() {
    let upstream = Upstream::start_http2(Http2Options::default());
    let gateway = to_static(upstream.port(), NO_SETTINGS);
    let ask = || {
        let mut client = gateway.connect();
        for _ in 0..100 {
            let response = client.request(POST);
            assert_eq!(response.status, 200, "{response:?}");
        }
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        while !clients.iter().all(|client| client.is_finished()) {
            let before = upstream.requests().len();
            upstream.close_idle();
            // After a REFUSED_STREAM for every attempt, the gateway gives up.
            upstream.wait_for_requests((before + 8).min(400));
        }
    });
    assert!(upstream.connections() > 1);
}

#[test]
fn what_an_upstream_wants_over_http1_it_gets() {
    let setup = OverTls::start(|tls| tls);
    let response = setup.gateway.get(&setup.host(), "/http1");
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.json()["version"], "HTTP/1.1");
    assert_eq!(setup.agreed(), ["h2", "http/1.1"]);
    // Other requests still use HTTP/2.
    assert_eq!(
        setup.gateway.get(&setup.host(), "/").json()["version"],
        "HTTP/2.0"
    );
    assert_eq!(setup.agreed().len(), 2);
}

#[test]
fn a_stream_that_is_reset_is_the_end_of_one_request_only() {
    let upstream = Upstream::start_http2(Http2Options::default());
    let gateway = to_static(upstream.port(), NO_SETTINGS);
    let held = ask(&gateway, HOST, "/hold/it", 1);
    upstream.wait_for_requests(1);
    let response = gateway.get(HOST, "/close");
    assert_eq!(response.status, 502);
    assert!(
        told(&response).contains("error=connection_terminated"),
        "{response:?}"
    );
    // The request may have been processed, and there is no other address.
    assert_eq!(upstream.requests().len(), 2);
    upstream.release("it");
    assert_answered(held);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_connection_that_was_closed_is_not_used() {
    let upstream = Upstream::start_http2(Http2Options::default());
    let gateway = to_static(upstream.port(), NO_SETTINGS);
    assert_eq!(gateway.get(HOST, "/").status, 200);
    upstream.close_idle();
    upstream.wait_for_open_connections(0);
    assert_eq!(gateway.connect().request(POST).status, 200);
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn a_connection_that_answers_no_pings_ends_with_what_is_on_it() {
    let silent = Arc::new(AtomicBool::new(true));
    let theirs = Arc::clone(&silent);
    let server = RawServer::start(move |connection| {
        let Some(stream) = first_request(connection) else {
            return;
        };
        if theirs.load(Ordering::SeqCst) {
            connection.read_to_end();
        } else {
            connection.send_frame(&Http2Frame::ok(stream));
            connection.close();
        }
    });
    let spec = "http2ProtocolOptions: {connectionKeepalive: {interval: 100ms, timeout: 100ms}}";
    let gateway = to_static(server.port(), spec);
    let response = gateway.connect().request(POST);
    assert_eq!(response.status, 502, "{response:?}");
    assert!(
        told(&response).contains("error=connection_terminated"),
        "{response:?}"
    );
    silent.store(false, Ordering::SeqCst);
    assert_eq!(gateway.get(HOST, "/").status, 200);
    assert_eq!(server.connections(), 2);
}

#[test]
fn what_is_no_http2_is_told() {
    let server = RawServer::start(|connection| {
        connection.read_preface();
        connection.send("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
        connection.close();
    });
    let gateway = to_static(server.port(), NO_SETTINGS);
    let response = gateway.connect().request(POST);
    assert_eq!(response.status, 502);
    assert!(
        told(&response).contains("error=http_protocol_error"),
        "{response:?}"
    );
}

#[test]
fn a_response_head_over_the_limit_names_the_limit() {
    let server = RawServer::start(|connection| {
        let Some(stream) = first_request(connection) else {
            return;
        };
        // `:status: 200`, and a field `x` of 62 KiB (RFC 7541 5.1 and 6.2.2).
        let length = [0x7f, 0x81, 0xef, 0x03];
        let mut fields = [&[0x88, 0, 1, b'x'], &length[..]].concat();
        fields.resize(fields.len() + 62 * 1024, b'y');
        let mut pieces = fields.chunks(16 * 1024).peekable();
        let mut kind = Http2Frame::HEADERS;
        while let Some(piece) = pieces.next() {
            let flags = match (kind, pieces.peek()) {
                // END_STREAM, and at last END_HEADERS.
                (Http2Frame::HEADERS, _) => 0x1,
                (_, Some(_)) => 0,
                (_, None) => 0x4,
            };
            let frame = Http2Frame::new(kind, stream, piece);
            connection.send_frame(&Http2Frame { flags, ..frame });
            kind = CONTINUATION;
        }
        connection.close();
    });
    let gateway = to_static(server.port(), NO_SETTINGS);
    let response = gateway.get(HOST, "/");
    assert_eq!(response.status, 502);
    let error = "error=http_response_header_section_size";
    assert!(told(&response).contains(error), "{response:?}");
    assert!(response.text().contains("60 KiB"), "{response:?}");
}

/// A response that is reset before its end is incomplete, whatever the error code.
#[test]
fn a_response_that_is_reset_before_its_end_is_not_taken_for_a_whole_one() {
    let server = RawServer::start(|connection| {
        let Some(stream) = first_request(connection) else {
            return;
        };
        let head = Http2Frame {
            // END_HEADERS alone.
            flags: 0x4,
            ..Http2Frame::ok(stream)
        };
        connection.send_frame(&head);
        connection.send_frame(&Http2Frame::new(Http2Frame::DATA, stream, *b"half"));
        connection.send_frame(&Http2Frame::new(Http2Frame::RST_STREAM, stream, [0; 4]));
        connection.read_to_end();
    });
    let gateway = to_static(server.port(), NO_SETTINGS);
    let mut client = gateway.connect();
    client.send_request("GET / HTTP/1.1\r\nhost: a.example\r\n\r\n");
    assert!(client.try_read_response().is_err());
    let record = &gateway.wait_for_records(1)[0];
    assert_eq!(record["reason"], "upstream_broke_off");
}

/// An early response does not remove the time limit for the rest of the request.
#[test]
fn who_stops_sending_after_the_answer_is_not_waited_for() {
    let server = RawServer::start(|connection| {
        let Some(stream) = first_request(connection) else {
            return;
        };
        connection.send_frame(&Http2Frame::ok(stream));
        connection.read_to_end();
    });
    let limits = &listener_policy("limits", "{httpSettings: {streamIdleTimeout: 300ms}}");
    let basis = static_backend(server.port(), NO_SETTINGS);
    let gateway = Gateway::start(&documents(&[&basis, limits]));
    let mut client = gateway.connect();
    client.send(
        "POST / HTTP/1.1\r\nhost: a.example\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    );
    assert_eq!(client.read_response().status, 200);
    assert!(client.is_closed());
    gateway.wait_for_metric("egret_upstream_streams", 0.0);
}

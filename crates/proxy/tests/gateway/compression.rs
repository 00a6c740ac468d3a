//! `compression` of a TrafficPolicy.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::io::{Read as _, Write as _};

use egret_testkit::Response;
use egret_testkit::upstream::RecordedRequest;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::with_policy::WithPolicy;

fn ask(setup: &WithPolicy, method: &str, path: &str, accepted: &str) -> Response {
    let host = &setup.host;
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\naccept-encoding: {accepted}\r\n\r\n");
    let mut client = setup.gateway.connect();
    client.send_request(head);
    if method == "HEAD" {
        client.read_head()
    } else {
        client.read_response()
    }
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn gunzip(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    GzDecoder::new(data).read_to_end(&mut out).unwrap();
    out
}

#[test]
fn a_response_is_compressed_for_a_client_that_accepts_it() {
    let setup = WithPolicy::start("compression: {responseCompression: {libraries: [Gzip, Zstd]}}");
    let plain = ask(&setup, "GET", "/bytes/5000", "identity");
    assert_eq!(plain.body.len(), 5000);
    assert_eq!(plain.header("content-encoding"), None);
    assert_eq!(plain.header("vary"), Some("Accept-Encoding"));
    for path in ["/bytes/5000", "/chunked/5000", "/status/404"] {
        let expected = ask(&setup, "GET", path, "identity").body;
        let response = ask(&setup, "GET", path, "gzip, br");
        if expected.len() < 30 {
            assert_eq!(response.body, expected);
            continue;
        }
        assert_eq!(response.header("content-encoding"), Some("gzip"), "{path}");
        assert_eq!(response.header("content-length"), None);
        assert_eq!(response.header("vary"), Some("Accept-Encoding"));
        assert_eq!(gunzip(&response.body), expected, "{path}");
    }
    assert_eq!(
        ask(&setup, "GET", "/bytes/5000", "zstd").header("content-encoding"),
        Some("zstd")
    );
    assert_eq!(ask(&setup, "GET", "/bytes/29", "gzip").body.len(), 29);
    let head = ask(&setup, "HEAD", "/bytes/5000", "gzip");
    assert_eq!(head.header("content-encoding"), None);
    assert_eq!(head.header("vary"), Some("Accept-Encoding"));
}

/// What an upstream says of its bytes holds for nobody who gets others.
#[test]
fn what_is_said_of_the_bytes_goes_with_them() {
    let setup = WithPolicy::start("compression: {responseCompression: {}}");
    let answer = |_: &RecordedRequest| {
        http::Response::builder()
            .header("content-digest", "sha-256=:AAAA:")
            .header("accept-ranges", "bytes")
            .body(vec![b'a'; 5000].into())
            .ok()
    };
    let setup = WithPolicy {
        upstream: setup.upstream.answering(answer),
        ..setup
    };
    for (accepted, digest, ranges) in [
        ("gzip", None, None),
        ("identity", Some("sha-256=:AAAA:"), Some("bytes")),
    ] {
        let response = ask(&setup, "GET", "/", accepted);
        assert_eq!(response.header("content-digest"), digest, "{accepted}");
        assert_eq!(response.header("accept-ranges"), ranges, "{accepted}");
    }
}

#[test]
fn what_a_slow_upstream_sent_is_not_held_back() {
    let setup = WithPolicy::start("compression: {responseCompression: {}}");
    let host = &setup.host;
    let mut client = setup.gateway.connect();
    client.send_request(format!(
        "GET /stall-body/100 HTTP/1.1\r\nhost: {host}\r\naccept-encoding: gzip\r\n\r\n"
    ));
    assert_eq!(client.read_head().header("content-encoding"), Some("gzip"));
    let some = client.read_some();
    assert!(some.len() > 20, "a chunk with all that came: {some:?}");
}

#[test]
fn the_body_of_a_request_is_decompressed() {
    let setup = WithPolicy::start(
        "compression: {requestDecompression: {}}\n  buffer: {maxRequestSize: 20000}",
    );
    let text = b"hello, compressed world ".repeat(500);
    let post = |coding: &str, body: &[u8]| {
        let length = body.len();
        let host = &setup.host;
        let mut request = format!(
            "POST / HTTP/1.1\r\nhost: {host}\r\ncontent-encoding: {coding}\r\ncontent-length: {length}\r\n\
             content-digest: sha-256=:AAAA:\r\n\r\n"
        )
        .into_bytes();
        request.extend_from_slice(body);
        setup.gateway.connect().request(request)
    };
    assert_eq!(post("gzip", &gzip(&text)).status, 200);
    setup.upstream.wait_for_complete_requests(1);
    let request = &setup.upstream.requests()[0];
    assert_eq!(request.body, text);
    assert_eq!(request.headers.get("content-encoding"), None);
    assert_eq!(request.headers.get("content-length"), None);
    assert_eq!(request.headers.get("content-digest"), None);
    // Other codings are left alone.
    assert_eq!(post("br", b"not looked at").status, 200);
    setup.upstream.wait_for_complete_requests(2);
    let request = &setup.upstream.requests()[1];
    assert_eq!(request.body, b"not looked at");
    assert_eq!(request.header("content-digest"), Some("sha-256=:AAAA:"));
    // What is too large once it is decompressed, and what is broken.
    assert_eq!(post("gzip", &gzip(&vec![0; 20_001])).status, 413);
    assert_eq!(post("gzip", b"not compressed at all").status, 400);
    assert_eq!(post("gzip", &gzip(&text)[..40]).status, 400);
    assert_eq!(setup.upstream.requests().len(), 2);
}

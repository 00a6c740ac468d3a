//! `compression` and `buffer`.

use std::io::Write as _;

use bytes::Bytes;
use egret_testkit::Upstream;
use egret_testkit::upstream::RecordedRequest;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{ask, with};
use crate::with_policy::WithPolicy;

/// Answers with the fields that the query lists, and with as many bytes as its path says, or with chunks of `/chunked`.
fn told(request: &RecordedRequest) -> Option<http::Response<Bytes>> {
    let (path, query) = request.target.split_once('?')?;
    let mut response = http::Response::builder();
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        response = match name {
            "status" => response.status(value),
            name => response.header(name, value.replace('+', " ").replace("%22", "\"")),
        };
    }
    let length = path.trim_start_matches('/').parse().unwrap_or(0);
    response.body(Bytes::from(vec![b'x'; length])).ok()
}

/// What the answer tells of a coding: its name, `Vary`, the entity tag and whether it has a length.
fn coding(setup: &WithPolicy, target: &str, accepted: &str) -> [Option<String>; 4] {
    let fields = format!("accept-encoding: {accepted}\r\n");
    let response = ask(setup, &format!("GET {target}"), &fields);
    ["content-encoding", "vary", "etag", "content-length"]
        .map(|name| response.header(name).map(str::to_owned))
}

const GZIP: Option<&str> = Some("gzip");
const VARY: Option<&str> = Some("Accept-Encoding");

/// What a row shows, the head of the response, what the client accepts, and the coding that it gets.
type CodingRow = (
    &'static str,
    &'static str,
    &'static str,
    [Option<&'static str>; 4],
);

const CODINGS: &[CodingRow] = &[
    (
        "a text",
        "/30?content-type=text/plain",
        "gzip",
        [GZIP, VARY, None, None],
    ),
    ("no type at all", "/30?", "gzip", [GZIP, VARY, None, None]),
    (
        "another status",
        "/30?status=404&content-type=text/html",
        "gzip",
        [GZIP, VARY, None, None],
    ),
    (
        "a strong entity tag goes",
        "/30?etag=\"a\"",
        "gzip",
        [GZIP, VARY, None, None],
    ),
    (
        "a weak one stays",
        "/30?etag=W/\"a\"",
        "gzip",
        [GZIP, VARY, Some("W/\"a\""), None],
    ),
    (
        "what it varies by is added to",
        "/30?vary=Origin",
        "gzip",
        [GZIP, Some("Origin, Accept-Encoding"), None, None],
    ),
    (
        "and not twice",
        "/30?vary=Accept-Encoding",
        "gzip",
        [GZIP, VARY, None, None],
    ),
    (
        "who does not ask is told that others may",
        "/30?content-type=text/plain",
        "identity",
        [None, VARY, None, Some("30")],
    ),
    ("too short", "/29?", "gzip", [None, None, None, Some("29")]),
    (
        "another type",
        "/30?content-type=text/csv",
        "gzip",
        [None, None, None, Some("30")],
    ),
    (
        "events",
        "/30?content-type=text/event-stream",
        "gzip",
        [None, None, None, Some("30")],
    ),
    (
        "coded already",
        "/30?content-encoding=identity",
        "gzip",
        [Some("identity"), None, None, Some("30")],
    ),
    (
        "not to be changed",
        "/30?cache-control=no-transform",
        "gzip",
        [None, None, None, Some("30")],
    ),
    // Envoy compresses it, and so the range means other bytes than its field says.
    (
        "a part",
        "/30?status=206&content-range=bytes+0-29/99",
        "gzip",
        [None, None, None, Some("30")],
    ),
];

#[test]
fn a_response_is_compressed_by_its_head() {
    let policy = "compression: {responseCompression: {}}";
    let setup = with(policy, &[], Upstream::start().answering(told));
    for (shows, target, accepted, expected) in CODINGS {
        let told = coding(&setup, target, accepted);
        assert_eq!(told.each_ref().map(Option::as_deref), *expected, "{shows}");
    }
}

#[test]
fn a_body_that_is_broken_is_refused() {
    let setup = WithPolicy::start("compression: {requestDecompression: {}}");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(b"hello").unwrap();
    let good = encoder.finish().unwrap();
    let send = |coding: &str, body: &[u8]| {
        let length = body.len();
        let host = &setup.host;
        let head = format!(
            "POST / HTTP/1.1\r\nhost: {host}\r\ncontent-encoding: {coding}\r\ncontent-length: {length}\r\n\r\n"
        );
        let request = [head.as_bytes(), body].concat();
        setup.gateway.connect().request(request).status
    };
    assert_eq!(send("gzip", &good), 200);
    assert_eq!(send("br", b"as it is"), 200);
    // Of Envoy the upstream gets an empty body in its place.
    assert_eq!(send("gzip", b"broken"), 400);
    let seen = setup.upstream.requests();
    assert_eq!(
        (&*seen[0].body, seen[0].header("content-encoding")),
        (&b"hello"[..], None)
    );
    assert_eq!(&*seen[1].body, b"as it is");
    assert_eq!(seen.len(), 2);
}

#[test]
fn a_body_beyond_the_limit_is_refused() {
    let setup = WithPolicy::start("buffer: {maxRequestSize: 100}");
    let post = |length: usize| {
        let body = "x".repeat(length);
        let mut client = setup.gateway.connect();
        let head = format!("POST / HTTP/1.1\r\nhost: {}\r\n", setup.host);
        client.request(format!("{head}content-length: {length}\r\n\r\n{body}"))
    };
    assert_eq!(post(100).status, 200);
    let refused = post(101);
    assert_eq!((refused.status, refused.text()), (413, "Payload Too Large"));
    // What never ends is left alone.
    let tunnel = egret_testkit::client::connect_request(&setup.host);
    assert_eq!(setup.gateway.connect().request(tunnel).status, 200);
}

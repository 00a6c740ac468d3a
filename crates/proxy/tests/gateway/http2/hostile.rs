//! Hostile HTTP/2 clients: none may cost the gateway more than its connection.

use egret_testkit::Client;
use egret_testkit::Http2Client;
use http::Request;

use super::TestSetup;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Ten thousand requests, each followed by a frame of type `kind` with the payload `word` on its stream.
fn requests_each_followed_by(kind: u8, word: u32) -> Vec<u8> {
    // :method GET, :scheme http, :path /, :authority a.example
    let head = [&[0x82, 0x86, 0x84, 0x41, 9][..], b"a.example"].concat();
    let mut flood = Vec::new();
    for stream in (1..20_000).step_by(2) {
        flood.extend(frame(1, 5, stream, &head));
        flood.extend(frame(kind, 0, stream, &word.to_be_bytes()));
    }
    flood
}

/// The error code of the GOAWAY frame that ends a connection, if there is one.
fn goodbye(raw: &mut Client) -> Option<u32> {
    let mut code = None;
    let received = raw.read_to_end();
    let mut rest = &received[..];
    while rest.len() >= 9 {
        let length = usize::from(rest[0]) << 16 | usize::from(rest[1]) << 8 | usize::from(rest[2]);
        let payload = rest.get(9..9 + length)?;
        if rest[3] == 7 {
            code = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
        rest = &rest[9 + length..];
    }
    code
}

#[test]
fn a_flood_of_continuations_ends_the_connection() {
    let setup = TestSetup::new();
    let mut raw = setup.gateway.connect();
    raw.send(PREFACE);
    // An endless header block of empty or small fields (CVE-2024-27316).
    raw.send(frame(1, 0, 1, &[0x82, 0x86, 0x84]));
    for _ in 0..100_000 {
        if raw.try_send(frame(9, 0, 1, b"\x40\x01x\x01y")).is_err() {
            break;
        }
    }
    let code = goodbye(&mut raw);
    assert!(matches!(code, None | Some(0xb)), "{code:?}");
    assert_eq!(setup.client.get(&setup.uri("/")).status, 200);
}

#[test]
fn a_flood_of_resets_ends_the_connection() {
    let setup = TestSetup::new();
    let mut raw = setup.gateway.connect();
    raw.send(PREFACE);
    // Rapid reset (CVE-2023-44487).
    let _ = raw.try_send(requests_each_followed_by(3, 8));
    let code = goodbye(&mut raw);
    assert!(matches!(code, None | Some(0xb)), "{code:?}");
    let broken = "egret_refusals_total{reason=\"client_http2\"}";
    setup.gateway.wait_for_metric(broken, 1.0);
    assert_eq!(setup.client.get(&setup.uri("/")).status, 200);
}

#[test]
fn a_client_that_makes_us_reset_many_streams_loses_its_connection() {
    let setup = TestSetup::new();
    let mut raw = setup.gateway.connect();
    raw.send(PREFACE);
    // Each request is valid, and the server has to reset it because of an increment of zero (CVE-2025-8671).
    let _ = raw.try_send(requests_each_followed_by(8, 0));
    let code = goodbye(&mut raw);
    assert!(matches!(code, None | Some(0xb | 1)), "{code:?}");
    assert_eq!(setup.client.get(&setup.uri("/")).status, 200);
}

#[test]
fn more_streams_at_once_than_agreed_are_refused() {
    let setup = TestSetup::new();
    let mut raw = setup.gateway.connect();
    raw.send(PREFACE);
    let authority = setup.authority();
    let length = u8::try_from(authority.len()).unwrap();
    let path = b"\x04\x07/hold/x";
    let head = [
        &[0x82, 0x86][..],
        path,
        &[0x41, length],
        authority.as_bytes(),
    ]
    .concat();
    for stream in (1..2 * 150).step_by(2) {
        raw.send(frame(1, 5, stream, &head));
    }
    // Accepted requests reach the upstream; the others are refused at once.
    setup.upstream.wait_for_requests(100);
    raw.send(frame(6, 0, 0, b"12345678"));
    let mut received = Vec::new();
    while !received.windows(8).any(|bytes| bytes == b"12345678") {
        received.extend(raw.read_some());
    }
    assert_eq!(setup.upstream.requests().len(), 100);
    let refused = frame(3, 0, 2 * 150 - 1, &7_u32.to_be_bytes());
    assert!(
        received
            .windows(refused.len())
            .any(|bytes| bytes == refused)
    );
    setup.upstream.release("x");
}

#[test]
fn a_head_that_unpacks_to_more_than_allowed_is_refused() {
    let setup = TestSetup::new();
    // One large field in the dynamic table is referenced again and again, with a byte for each reference.
    let value = "y".repeat(4000);
    let mut request = Request::get(setup.uri("/"));
    for _ in 0..20 {
        request = request.header("x-bomb", &value);
    }
    let response = setup.client.request(request.body(()).unwrap(), b"");
    let status = response.map(|response| response.status);
    assert!(matches!(status, Ok(431)), "{status:?}");
    told(&setup, "head_too_large", 1);
    let client = Http2Client::connect(setup.gateway.address());
    assert_eq!(client.get(&setup.uri("/")).status, 200);
}

/// Checks that so many requests were refused for this reason, in the log and in the metric.
fn told(setup: &TestSetup, reason: &str, count: u32) {
    let metric = format!("egret_refusals_total{{reason=\"{reason}\"}}");
    setup.gateway.wait_for_metric(&metric, count.into());
    let records = setup.gateway.wait_for_records(count as usize);
    let of = |record: &&serde_json::Value| record["reason"] == reason;
    assert_eq!(records.iter().filter(of).count(), count as usize);
}

/// Odd bytes in a target that the library refuses end its stream alone.
#[test]
fn odd_bytes_in_a_target_are_refused_and_told() {
    let setup = TestSetup::new();
    let mut raw = setup.gateway.connect();
    raw.send(PREFACE);
    let authority = setup.authority();
    let length = u8::try_from(authority.len()).unwrap();
    let head = |path: &[u8]| {
        let size = u8::try_from(path.len()).unwrap();
        [
            &[0x82, 0x86, 4, size][..],
            path,
            &[0x41, length],
            authority.as_bytes(),
        ]
        .concat()
    };
    raw.send(frame(1, 5, 1, &head(b"/a b")));
    raw.send(frame(1, 5, 3, &head(b"/good")));
    raw.send(frame(1, 5, 5, &head(b"/\x01")));
    setup.upstream.wait_for_requests(1);
    told(&setup, "malformed_head", 2);
    raw.send(frame(1, 5, 7, &head(b"/good")));
    setup.upstream.wait_for_requests(2);
}

/// The header block of a GET of `/` with one additional field.
fn fields(authority: &str, name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| {
        let length = u8::try_from(text.len()).unwrap();
        [&[length][..], text.as_bytes()].concat()
    };
    let indexed = vec![0x82, 0x86, 0x84, 0x41];
    [indexed, text(authority), vec![0], text(name), text(value)].concat()
}

#[test]
fn fields_that_http1_would_read_otherwise_are_refused() {
    let setup = TestSetup::new();
    for (name, value) in [
        ("connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
    ] {
        let mut raw = setup.gateway.connect();
        raw.send(PREFACE);
        raw.send(frame(1, 5, 1, &fields(&setup.authority(), name, value)));
        raw.send(frame(6, 0, 0, b"12345678"));
        let mut received = Vec::new();
        while !received.windows(8).any(|bytes| bytes == b"12345678") {
            received.extend(raw.read_some());
        }
        let reset = frame(3, 0, 1, &1_u32.to_be_bytes());
        assert!(
            received.windows(reset.len()).any(|bytes| bytes == reset),
            "{name}: {received:?}"
        );
    }
    assert!(setup.upstream.requests().is_empty());
    told(&setup, "malformed_head", 4);
}

#[test]
fn control_bytes_in_fields_are_refused() {
    let setup = TestSetup::new();
    for value in ["a\r\nx-smuggled: 1", "a\0b", "a\nb"] {
        let mut raw = setup.gateway.connect();
        raw.send(PREFACE);
        raw.send(frame(1, 5, 1, &fields(&setup.authority(), "x", value)));
        raw.send(frame(7, 0, 0, &[0; 8]));
        raw.read_to_end();
    }
    assert!(setup.upstream.requests().is_empty());
}

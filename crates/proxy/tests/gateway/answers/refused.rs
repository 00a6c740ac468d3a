//! Refusals of requests whose body is still coming.

use std::time::{Duration, Instant};

use egret_testkit::client::connect_request;
use egret_testkit::gateway::{QUICKSTART, documents, egress_policy, tls_secret};
use egret_testkit::{Ca, Client, Gateway, Http2Client, TlsClient};
use http::Request;

use super::{SIZES, TestSetup, post};

/// How often a test repeats what depends on the timing if it is wrong.
const REPEATS: usize = 10;

#[test]
fn a_client_that_sends_all_before_it_reads_is_told_and_keeps_its_connection() {
    let setup = TestSetup::new();
    let host = format!("a.example:{}", setup.upstream.port());
    let mut client = setup.gateway.connect();
    for size in SIZES {
        for _ in 0..REPEATS {
            let response = post(&mut client, "b.example", "/", size);
            assert_eq!(response.status, 403, "{size} bytes");
            assert_eq!(response.header("connection"), None);
        }
    }
    assert_eq!(client.get("/", &host).status, 200);
}

#[test]
fn a_chunked_body_is_read_on_like_any_other() {
    let setup = TestSetup::new();
    let mut client = setup.gateway.connect();
    client.send_request("POST / HTTP/1.1\r\nhost: b.example\r\ntransfer-encoding: chunked\r\n\r\n");
    let response = client.read_response();
    assert_eq!(response.status, 403);
    client.send("5\r\nhello\r\n0\r\nx-checked: yes\r\n\r\n");
    assert_eq!(client.get("/", "b.example").status, 403);
}

/// Where the body ends is as unclear as where the next request begins.
#[test]
fn what_follows_ambiguous_framing_is_discarded_until_the_client_closes() {
    let setup = TestSetup::new();
    for size in SIZES {
        let mut client = setup.gateway.connect();
        client.send_request(
            "POST / HTTP/1.1\r\nhost: b.example\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        );
        client.send_body_of(size);
        let response = client.read_response();
        assert_eq!(response.status, 400, "{size} bytes");
        assert_eq!(response.header("connection"), Some("close"));
        assert!(client.is_closed());
    }
}

#[test]
fn a_malformed_head_is_answered_whatever_follows() {
    let setup = TestSetup::new();
    for size in SIZES {
        let mut client = setup.gateway.connect();
        client.send_request("POST / HTTP/1.1\r\nbad field\r\n\r\n");
        client.send_body_of(size);
        assert_eq!(client.read_response().status, 400, "{size} bytes");
        assert!(client.is_closed());
    }
}

#[test]
fn a_refused_connect_is_answered_whatever_follows() {
    let setup = TestSetup::new();
    for _ in 0..REPEATS {
        let mut client = setup.gateway.connect();
        client.send_request(connect_request("b.example:443"));
        client.send_body_of(100_000);
        let response = client.read_response();
        assert_eq!(response.status, 403);
        assert_eq!(response.header("connection"), Some("close"));
        assert!(client.is_closed());
    }
}

/// A client that asks first sends nothing, so that its next bytes could be the body or a request.
#[test]
fn a_client_that_asks_first_is_not_asked_for_its_body() {
    let setup = TestSetup::new();
    let mut client = setup.gateway.connect();
    let response = client.request(
        "POST / HTTP/1.1\r\nhost: b.example\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n",
    );
    assert_eq!(response.status, 403);
    assert_eq!(response.header("connection"), Some("close"));
    assert!(client.is_closed());
}

#[test]
fn all_of_this_holds_over_tls() {
    let ca = Ca::new();
    let secret = tls_secret("gw", &ca.issue(["gw.example"]));
    let listener = "protocol: HTTPS
      tls: {certificateRefs: [{name: gw}]}";
    let policy = egress_policy("none", "defaultAction: Deny");
    let yaml = documents(&[
        &QUICKSTART.replace("protocol: HTTP", listener),
        &policy,
        &secret,
    ]);
    let gateway = Gateway::start(&yaml);
    let tls = TlsClient::new(&ca, "gw.example", &["http/1.1"]);
    let mut kept = Client::connect_tls(gateway.address(), &tls);
    for size in &SIZES[..2] {
        assert_eq!(post(&mut kept, "b.example", "/", *size).status, 403);
        for head in [
            "POST / HTTP/1.1\r\nbad field\r\n\r\n",
            "CONNECT b.example:443 HTTP/1.1\r\nhost: b.example\r\n\r\n",
        ] {
            let mut client = Client::connect_tls(gateway.address(), &tls);
            client.send_request(head);
            client.send_body_of(*size);
            let status = client.read_response().status;
            assert!([400, 403].contains(&status), "{size} bytes: {status}");
            assert!(client.is_closed());
        }
    }
}

#[test]
fn a_client_that_sends_nothing_is_not_waited_for() {
    let setup = TestSetup::new();
    let mut client = setup.gateway.connect();
    let begin = now();
    let response =
        client.request("POST / HTTP/1.1\r\nhost: b.example\r\ncontent-length: 5\r\n\r\n");
    assert_eq!(response.status, 403);
    assert!(client.is_closed());
    assert!(now() - begin < Duration::from_secs(5));
}

#[test]
fn a_stream_of_http2_is_read_to_its_end() {
    let setup = TestSetup::new();
    let client = Http2Client::connect(setup.gateway.address());
    for size in [1_000, 1 << 20, 8 << 20] {
        for _ in 0..REPEATS {
            let request = Request::post("http://b.example/").body(()).unwrap();
            let mut stream = client.open(request, false);
            assert_eq!(stream.head().unwrap().status, 403);
            let mut left = size;
            while left > 0 {
                let granted = stream.window(left.min(100_000));
                let sent = granted.min(left);
                stream.send(&vec![0; sent], left == sent).unwrap();
                left -= sent;
            }
            let mut body = Vec::new();
            while let Some(data) = stream.read_some().unwrap() {
                body.extend_from_slice(&data);
            }
            assert!(!body.is_empty(), "{size} bytes");
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test waits with the clock of the machine"
)]
fn now() -> Instant {
    Instant::now()
}

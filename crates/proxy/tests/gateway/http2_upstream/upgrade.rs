//! WebSocket to upstreams: over HTTP/1.1 where ALPN allows it, and over HTTP/2 (RFC 8441) otherwise.

use egret_testkit::upstream::Http2Options;
use egret_testkit::{Http2Client, Upstream};

use super::{NO_SETTINGS, OverTls, to_static};

const TAKES_IT: Http2Options = Http2Options {
    max_streams: None,
    extended_connect: true,
};

fn upgrade(host: &str) -> String {
    format!(
        "GET /upgrade HTTP/1.1\r\nhost: {host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
    )
}

#[test]
fn a_websocket_becomes_a_stream_and_its_client_is_answered_as_over_http1() {
    let upstream = Upstream::start_http2(TAKES_IT);
    let gateway = to_static(upstream.port(), NO_SETTINGS);
    let mut client = gateway.connect();
    client.send_request(upgrade("a.example") + "early");
    let response = client.read_head();
    assert_eq!(response.status, 101, "{response:?}");
    assert_eq!(response.header("upgrade"), Some("websocket"));
    let proof = response.header("sec-websocket-accept");
    assert_eq!(proof, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(client.read_exactly(5), b"early");
    client.send("through");
    assert_eq!(client.read_exactly(7), b"through");
    let seen = &upstream.requests()[0];
    assert_eq!(seen.method, "CONNECT");
    assert_eq!(seen.target, "http://a.example/upgrade");
    assert_eq!(seen.header("sec-websocket-version"), Some("13"));
    assert_eq!(seen.header("sec-websocket-key"), None);
    // Requests share the connection with the WebSocket, and it stays open when the WebSocket ends.
    assert_eq!(gateway.get("a.example", "/").status, 200);
    client.shutdown_write();
    assert_eq!(client.read_to_end(), b"");
    gateway.wait_for_metric("egret_upstream_idle_connections", 1.0);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_websocket_passes_from_http2_to_http2() {
    let upstream = Upstream::start_http2(TAKES_IT);
    let gateway = to_static(upstream.port(), NO_SETTINGS);
    let client = Http2Client::connect(gateway.address());
    let version = [("sec-websocket-version", "13")];
    let mut stream = client.open_extended("http://a.example/upgrade", "websocket", &version);
    let head = stream.head().expect("a head");
    assert_eq!(head.status, 200, "{head:?}");
    stream.send(b"through", false).expect("a stream");
    assert_eq!(stream.read_exactly(7), b"through");
    assert_eq!(upstream.requests()[0].method, "CONNECT");
}

#[test]
fn an_upstream_that_takes_none_says_so() {
    let upstream = Upstream::start_http2(Http2Options::default());
    let gateway = to_static(upstream.port(), NO_SETTINGS);
    let response = gateway.connect().request(upgrade("a.example"));
    assert_eq!(response.status, 502);
    let told = response.header("proxy-status").unwrap_or_default();
    let error = "egret; error=http_protocol_error; details=\"127.0.0.1:";
    let why = ": the upstream speaks HTTP/2 and takes no upgrades on it\"";
    assert!(told.starts_with(error) && told.contains(why), "{told}");
    assert_eq!(gateway.get("a.example", "/").status, 200);
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn an_upstream_may_refuse_it() {
    let upstream = Upstream::start_http2(TAKES_IT);
    let gateway = to_static(upstream.port(), NO_SETTINGS);
    let request = upgrade("a.example").replace("/upgrade", "/status/403");
    assert_eq!(gateway.connect().request(request).status, 403);
    let request = upgrade("a.example").replace("/upgrade", "/status/204");
    assert_eq!(gateway.connect().request(request).status, 502);
}

#[test]
fn where_there_is_a_choice_a_websocket_goes_over_http1() {
    let setup = OverTls::start(|tls| tls);
    let mut client = setup.gateway.connect();
    assert_eq!(client.get("/", &setup.host()).json()["version"], "HTTP/2.0");
    client.send_request(upgrade(&setup.host()));
    assert_eq!(client.read_head().status, 101);
    client.send("through");
    assert_eq!(client.read_exactly(7), b"through");
    assert_eq!(setup.agreed(), ["h2", "http/1.1"]);
}

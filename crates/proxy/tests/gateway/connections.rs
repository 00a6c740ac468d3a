//! Limits on client connections that a ListenerPolicy sets.

use egret_testkit::gateway::{documents, listener_policy, quickstart_config};
use egret_testkit::{DnsServer, Gateway, Upstream};

/// A gateway with a ListenerPolicy that has these `httpSettings`, and the host of an upstream.
fn limited(http: &str) -> (Gateway, String, (DnsServer, Upstream)) {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let policy = listener_policy("limits", &format!("{{httpSettings: {{{http}}}}}"));
    let gateway = Gateway::start(&documents(&[&quickstart_config(dns.addr()), &policy]));
    let host = format!("a.example:{}", upstream.port());
    (gateway, host, (dns, upstream))
}

#[test]
fn heads_may_have_as_many_fields_and_bytes_as_configured() {
    let (gateway, host, _servers) = limited("maxHeadersCount: 4, maxRequestHeadersKb: 1");
    let request = |more: &str| format!("GET / HTTP/1.1\r\nhost: {host}\r\n{more}\r\n");
    let status = |more: &str| gateway.connect().request(request(more)).status;
    let fields = |count: usize| "x: y\r\n".repeat(count);
    assert_eq!([status(&fields(3)), status(&fields(4))], [200, 431]);
    let bytes = |count: usize| format!("x: {}\r\n", "y".repeat(count));
    assert_eq!([status(&bytes(800)), status(&bytes(1100))], [200, 431]);
    let refusals = r#"egret_refusals_total{reason="head_too_large"}"#;
    gateway.wait_for_metric(refusals, 2.0);
}

#[test]
fn a_larger_head_than_usual_can_be_allowed() {
    let (gateway, host, _servers) = limited("maxHeadersCount: 400, maxRequestHeadersKb: 200");
    let fields = format!("x: {}\r\n", "y".repeat(400)).repeat(390);
    let request = format!("GET /status/200 HTTP/1.1\r\nhost: {host}\r\n{fields}\r\n");
    assert_eq!(gateway.connect().request(request).status, 200);
}

#[test]
fn a_connection_has_as_many_requests_as_configured() {
    let (gateway, host, _servers) = limited("maxRequestsPerConnection: 3");
    let mut client = gateway.connect();
    for number in 1..=3 {
        let response = client.get("/", &host);
        assert_eq!(response.status, 200);
        let close = (number == 3).then_some("close");
        assert_eq!(response.header("connection"), close);
    }
    assert!(client.is_closed());
}

#[test]
fn quiet_connections_are_closed_when_configured() {
    let (gateway, host, _servers) = limited("idleTimeout: 200ms");
    let mut client = gateway.connect();
    assert_eq!(client.get("/", &host).status, 200);
    assert!(client.is_closed());
}

#[test]
fn an_exchange_in_which_nothing_moves_is_ended_when_configured() {
    let (gateway, host, _servers) = limited("streamIdleTimeout: 200ms");
    let response = gateway.get(&host, "/hang");
    assert_eq!(response.status, 504);
    let mut client = gateway.connect();
    client.send_request(format!(
        "GET /stall-body/10 HTTP/1.1\r\nhost: {host}\r\n\r\n"
    ));
    assert_eq!(client.read_head().status, 200);
    let records = gateway.wait_for_records(2);
    assert_eq!(records[1]["reason"], "response_body_timeout");
    // Here the client stops sending.
    let request = format!("POST /sink HTTP/1.1\r\nhost: {host}\r\ncontent-length: 10\r\n\r\nhalf");
    let mut client = gateway.connect();
    client.send(request);
    assert_eq!(client.read_response().status, 400);
    let records = gateway.wait_for_records(3);
    assert_eq!(records[2]["reason"], "request_body");
}

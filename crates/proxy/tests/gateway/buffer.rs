//! `buffer` of a TrafficPolicy.

use egret_testkit::Client;
use egret_testkit::client::connect_request;

use crate::with_policy::WithPolicy;

/// With `more` lines of the policy.
fn start(more: &str) -> WithPolicy {
    WithPolicy::start(&format!("buffer: {{maxRequestSize: 100}}{more}"))
}

fn post(setup: &WithPolicy, path: &str, fields: &str) -> String {
    let host = &setup.host;
    format!("POST {path} HTTP/1.1\r\nhost: {host}\r\n{fields}\r\n")
}

#[test]
fn a_body_up_to_the_size_is_sent_and_a_larger_one_is_refused() {
    let setup = start("");
    let mut client = setup.gateway.connect();
    let body = "x".repeat(100);
    let head = post(&setup, "/", "content-length: 100\r\n");
    assert_eq!(client.request(format!("{head}{body}")).status, 200);
    let chunked = post(&setup, "/", "transfer-encoding: chunked\r\n");
    let exact = format!(
        "{chunked}32\r\n{half}\r\n32\r\n{half}\r\n0\r\n\r\n",
        half = &body[..50]
    );
    assert_eq!(client.request(exact).status, 200);
    setup.upstream.wait_for_complete_requests(2);
    for request in setup.upstream.requests() {
        assert_eq!(request.body, body.as_bytes());
    }
    let long = format!("{chunked}64\r\n{body}\r\n1\r\nx\r\n0\r\n\r\n");
    let refused = [
        // The length tells it before the body is read.
        setup
            .gateway
            .connect()
            .request(post(&setup, "/", "content-length: 101\r\n")),
        setup.gateway.connect().request(long),
    ];
    for response in refused {
        assert_eq!(response.status, 413, "{response:?}");
        assert_eq!(response.text(), "Payload Too Large");
        let status = response.header("proxy-status").unwrap();
        assert!(status.contains("error=http_request_error"), "{status}");
    }
    assert_eq!(setup.upstream.requests().len(), 2);
    let records = setup.gateway.wait_for_records(4);
    assert_eq!(records[3]["reason"], "body_too_large");
    assert_eq!(records[0]["bytes_received"], 100, "{}", records[0]);
}

#[test]
fn nothing_is_sent_before_the_body_is_complete() {
    let setup = start("");
    let mut client = setup.gateway.connect();
    client.send(post(
        &setup,
        "/",
        "content-length: 4\r\nexpect: 100-continue\r\n",
    ));
    // The gateway asks for the body itself.
    assert_eq!(client.read_head().status, 100);
    client.send("ab");
    let other = setup.gateway.get(&setup.host, "/");
    assert_eq!(other.status, 200);
    assert_eq!(setup.upstream.requests().len(), 1, "only the other one");
    client.send("cd");
    assert_eq!(client.read_response().status, 200);
    setup.upstream.wait_for_complete_requests(2);
    assert_eq!(setup.upstream.requests()[1].body, b"abcd");
}

#[test]
fn a_client_that_breaks_off_ends_the_request() {
    let setup = start("");
    let mut client = setup.gateway.connect();
    client.send(post(&setup, "/", "content-length: 4\r\n"));
    client.send("ab");
    // A reset could overtake the head.
    client.shutdown_write();
    assert_eq!(client.read_response().status, 400);
    let records = setup.gateway.wait_for_records(1);
    assert_eq!(records[0]["reason"], "request_body", "{}", records[0]);
    assert_eq!(setup.upstream.requests().len(), 0);
}

#[test]
fn a_retry_sends_the_body_again_and_tunnels_are_left_alone() {
    let setup = start("\n  retry: {attempts: 1, statusCodes: [503], backoffBaseInterval: 1ms}");
    let mut client = setup.gateway.connect();
    let head = post(&setup, "/status/503", "content-length: 4\r\n");
    assert_eq!(client.request(format!("{head}abcd")).status, 503);
    let bodies: Vec<Vec<u8>> = setup
        .upstream
        .requests()
        .into_iter()
        .map(|it| it.body)
        .collect();
    assert_eq!(bodies, [b"abcd", b"abcd"]);
    let mut tunnel = Client::connect(setup.gateway.address());
    assert_eq!(tunnel.request(connect_request(&setup.host)).status, 200);
    let host = &setup.host;
    tunnel.send_request(format!(
        "POST / HTTP/1.1\r\nhost: {host}\r\ncontent-length: 200\r\n\r\n"
    ));
    tunnel.send("x".repeat(200));
    assert_eq!(tunnel.read_response().status, 200);
}

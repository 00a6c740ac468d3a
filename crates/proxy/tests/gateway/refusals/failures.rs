//! Failures of DNS and of upstreams, and timeouts.

use egret_testkit::gateway::{QUICKSTART, documents, quickstart_config, resolver_policy};
use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{ClosedPort, DnsServer, Gateway, Upstream};

use super::assert_refused;

#[test]
fn dns_failures_are_told_apart() {
    let dns = DnsServer::start();
    dns.nxdomain("none.example");
    dns.nodata("empty.example");
    dns.servfail("broken.example");
    dns.drop_queries("silent.example");
    let resolver = resolver_policy(dns.addr(), "  queryTimeout: 300ms\n");
    let gateway = Gateway::start(&documents(&[QUICKSTART, &resolver]));
    for (host, status, error, rcode) in [
        ("none.example", 502, "dns_error", Some("NXDOMAIN")),
        ("empty.example", 502, "dns_error", Some("NODATA")),
        ("broken.example", 502, "dns_error", Some("SERVFAIL")),
        ("silent.example", 504, "dns_timeout", None),
    ] {
        let response = gateway.get(host, "/");
        assert_refused(&response, status, error, host);
        let told = response.header("proxy-status").unwrap();
        assert_eq!(
            told.split("rcode=\"")
                .nth(1)
                .and_then(|rest| rest.split('"').next()),
            rcode,
            "{told}"
        );
    }
    // The negative answer is cached: there is no second query.
    let before = dns.queries_for("none.example");
    assert_eq!(gateway.get("none.example", "/").status, 502);
    assert_eq!(dns.queries_for("none.example"), before);
}

#[test]
fn upstream_failures_are_told_apart() {
    let dns = DnsServer::with_a_example();
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let refused = ClosedPort::start();
    let (close, garbage) = (
        RawServer::reset_after_head(),
        RawServer::answer("not http\r\n\r\n"),
    );
    let both =
        RawServer::answer("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n");
    let head = RawServer::answer(format!(
        "HTTP/1.1 200 OK\r\nx: {}\r\n\r\n",
        "y".repeat(100 * 1024)
    ));
    for (port, status, error) in [
        (refused.addr().port(), 502, "connection_refused"),
        (close.port(), 502, "connection_terminated"),
        (garbage.port(), 502, "http_protocol_error"),
        (both.port(), 502, "http_protocol_error"),
        (head.port(), 502, "http_response_header_section_size"),
    ] {
        let response = gateway.get(&format!("a.example:{port}"), "/");
        assert_refused(&response, status, error, error);
    }
}

#[test]
fn a_timeout_of_the_rule_ends_the_wait() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let yaml = quickstart_config(dns.addr()).replace(
        "rules:\n    - backendRefs:",
        "rules:\n    - timeouts: {request: 200ms}\n      backendRefs:",
    );
    assert!(yaml.contains("200ms"));
    let gateway = Gateway::start(&yaml);
    let host = format!("a.example:{}", upstream.port());
    assert_refused(
        &gateway.get(&host, "/hang"),
        504,
        "http_response_timeout",
        "a head that does not come",
    );
    // The head has been forwarded, so that the body is aborted.
    let mut client = gateway.connect();
    client.send_request(format!(
        "GET /stall-body/10 HTTP/1.1\r\nhost: {host}\r\n\r\n"
    ));
    assert_eq!(client.read_head().status, 200);
    assert!(client.is_closed() || !client.read_to_end().is_empty());
    assert_eq!(
        gateway.wait_for_records(2)[1]["reason"],
        "response_body_timeout"
    );
}

#[test]
fn a_timeout_of_the_rule_holds_for_a_client_that_takes_nothing() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let yaml = quickstart_config(dns.addr()).replace(
        "rules:\n    - backendRefs:",
        "rules:\n    - timeouts: {request: 500ms}\n      backendRefs:",
    );
    let gateway = Gateway::start(&yaml);
    let host = format!("a.example:{}", upstream.port());
    let mut client = gateway.connect();
    // The body exceeds all buffers on the way.
    client.send_request(format!(
        "GET /bytes/200000000 HTTP/1.1\r\nhost: {host}\r\n\r\n"
    ));
    let record = &gateway.wait_for_records(1)[0];
    assert_eq!(record["reason"], "client_stalled");
    upstream.wait_for_open_connections(0);
    drop(client);
}

#[test]
fn a_response_head_over_a_limit_names_the_limit() {
    let dns = DnsServer::with_a_example();
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    for fields in [
        format!("x: {}\r\n", "y".repeat(62 * 1024)),
        "x: y\r\n".repeat(101),
    ] {
        let upstream = RawServer::answer(format!("HTTP/1.1 200 OK\r\n{fields}\r\n"));
        let response = gateway.get(&format!("a.example:{}", upstream.port()), "/");
        let error = "http_response_header_section_size";
        assert_refused(&response, 502, error, &fields[..10]);
        assert!(response.text().contains("60 KiB"), "{response:?}");
    }
}

//! Limits of responses, by a BackendConfigPolicy.

use egret_testkit::gateway::backend_config;
use egret_testkit::upstream::Http2Options;
use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{DnsServer, Gateway, Response, Upstream};

/// A gateway whose Backend has a policy with this line.
fn gateway(dns: &DnsServer, line: &str) -> Gateway {
    Gateway::start(&backend_config(dns.addr(), line))
}

fn told(response: &Response) -> &str {
    response.header("proxy-status").unwrap_or_default()
}

#[test]
fn a_response_with_too_many_fields_is_refused() {
    let dns = DnsServer::with_a_example();
    let gateway = gateway(&dns, "commonHttpProtocolOptions: {maxHeadersCount: 4}");
    for (count, status) in [(3, 200), (4, 502)] {
        let fields = "x: y\r\n".repeat(count);
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{fields}\r\n");
        let upstream = RawServer::answer(answer);
        let response = gateway.get(&format!("a.example:{}", upstream.port()), "/");
        assert_eq!(response.status, status, "{count}: {response:?}");
        if status == 502 {
            let error = "error=http_response_header_section_size";
            assert!(told(&response).contains(error), "{response:?}");
        }
    }
}

#[test]
fn more_fields_than_by_default_can_be_allowed() {
    let dns = DnsServer::with_a_example();
    let gateway = gateway(&dns, "commonHttpProtocolOptions: {maxHeadersCount: 300}");
    let fields = "x: y\r\n".repeat(250);
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{fields}\r\n");
    let upstream = RawServer::answer(answer);
    let response = gateway.get(&format!("a.example:{}", upstream.port()), "/");
    assert_eq!(response.status, 200, "{response:?}");
}

#[test]
fn an_attempt_is_not_longer_than_the_longest_stream() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let gateway = gateway(
        &dns,
        "commonHttpProtocolOptions: {maxStreamDuration: 300ms}",
    );
    let host = format!("a.example:{}", upstream.port());
    let late = gateway.get(&host, "/hang");
    assert_eq!(late.status, 504, "{late:?}");
    // A body that does not end is broken off.
    let mut client = gateway.connect();
    client.send_request(format!(
        "GET /stall-body/10 HTTP/1.1\r\nhost: {host}\r\n\r\n"
    ));
    assert!(client.try_read_response().is_err());
    assert_eq!(gateway.get(&host, "/").status, 200);
}

#[test]
fn fields_are_counted_over_http2_too() {
    let dns = DnsServer::with_a_example();
    let upstream = Upstream::start_http2(Http2Options::default());
    let hosts = format!("hosts: [{{host: 127.0.0.1, port: {}}}]", upstream.port());
    let fixed = format!("type: Static\n  static: {{appProtocol: kubernetes.io/h2c, {hosts}}}");
    let line = "commonHttpProtocolOptions: {maxHeadersCount: 20}";
    let yaml = backend_config(dns.addr(), line);
    let dynamic = "type: DynamicForwardProxy\n  dynamicForwardProxy: {}";
    let gateway = Gateway::start(&yaml.replace(dynamic, &fixed));
    assert_eq!(gateway.get("a.example", "/headers?a=b").status, 200);
    let many: Vec<_> = (0..20).map(|number| format!("x-{number}=y")).collect();
    let response = gateway.get("a.example", &format!("/headers?{}", many.join("&")));
    assert_eq!(response.status, 502, "{response:?}");
    let error = "error=http_response_header_section_size";
    assert!(told(&response).contains(error), "{response:?}");
}

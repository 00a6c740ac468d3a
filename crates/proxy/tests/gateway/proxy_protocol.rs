//! PROXY protocol on listeners: headers of a load balancer with the client's address.

use egret_testkit::gateway::{documents, listener_policy, quickstart_config};
use egret_testkit::{DnsServer, Gateway, Upstream};
use serde_json::Value;

const REFUSED: &str = "egret_refusals_total{reason=\"proxy_header\"}";

/// A gateway with a ListenerPolicy that has this `default` section.
fn behind(dns: &DnsServer, settings: &str) -> Gateway {
    let policy = listener_policy("balancer", settings);
    Gateway::start(&documents(&[&quickstart_config(dns.addr()), &policy]))
}

fn request(upstream: &Upstream) -> String {
    format!(
        "GET /status/204 HTTP/1.1\r\nhost: a.example:{}\r\n\r\n",
        upstream.port()
    )
}

/// A version 2 header from 2001:db8::1 and port 1000, with an additional TLV.
fn v2() -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x2a\x20\x01\x0d\xb8".to_vec();
    header.extend([0; 11]);
    header.push(1);
    header.extend([0; 16]);
    header.extend(b"\x03\xe8\x01\xbb\x04\0\x03abc");
    header
}

fn client(record: &Value) -> &str {
    record["client"].as_str().expect("a client")
}

#[test]
fn the_client_is_whom_the_header_names() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let gateway = behind(&dns, "{proxyProtocol: {}}");
    let request = request(&upstream).into_bytes();
    for (at, (header, source)) in [
        (
            b"PROXY TCP4 192.0.2.1 198.51.100.1 1000 80\r\n".to_vec(),
            "192.0.2.1:1000",
        ),
        // The host of the test need not have IPv6.
        (
            b"PROXY TCP6 2001:db8::2 ::1 1000 80\r\n".to_vec(),
            "[2001:db8::2]:1000",
        ),
        (v2(), "[2001:db8::1]:1000"),
        (b"PROXY UNKNOWN\r\n".to_vec(), ""),
        // LOCAL, as in health checks of the load balancer.
        (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec(), ""),
    ]
    .into_iter()
    .enumerate()
    {
        let mut balancer = gateway.connect();
        let response = balancer.request([&header[..], &request].concat());
        assert_eq!(response.status, 204, "{header:?}");
        // Further requests on the connection have the same address.
        assert_eq!(balancer.request(&request).status, 204);
        let peer = balancer.local_addr().to_string();
        let records = gateway.wait_for_records(2 * at + 2);
        let expected = if source.is_empty() { &peer } else { source };
        assert!(
            records[2 * at..]
                .iter()
                .all(|record| client(record) == expected),
            "{records:?}"
        );
    }
}

#[test]
fn a_header_may_come_byte_by_byte() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let gateway = behind(&dns, "{proxyProtocol: {}}");
    let mut balancer = gateway.connect();
    for byte in v2() {
        balancer.send([byte]);
    }
    assert_eq!(balancer.request(request(&upstream)).status, 204);
    assert_eq!(
        client(&gateway.wait_for_records(1)[0]),
        "[2001:db8::1]:1000"
    );
}

#[test]
fn where_there_has_to_be_one_others_are_closed() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let gateway = behind(&dns, "{proxyProtocol: {}}");
    let request = request(&upstream);
    for (at, begin) in [
        "",
        "PROXY TCP4 192.0.2.1 198.51.100.1 1000\r\n",
        "PROXY TCP4 a.example 198.51.100.1 1000 80\r\n",
        "\r\n\r\n\0\r\nQUIT\n\x11\x11\0\0",
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = gateway.connect();
        client.send(format!("{begin}{request}"));
        assert_eq!(client.read_to_end(), b"", "{begin:?}");
        let record = &gateway.wait_for_records(at + 1)[at];
        assert_eq!(record["reason"], "proxy_header", "{record}");
        assert_eq!(record["client"], client.local_addr().to_string());
    }
    gateway.wait_for_metric(REFUSED, 4.0);
    assert!(upstream.requests().is_empty());
}

#[test]
fn where_there_may_be_one_others_are_served() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let gateway = behind(
        &dns,
        "{proxyProtocol: {allowRequestsWithoutProxyProtocol: true}}",
    );
    let request = request(&upstream);
    let mut plain = gateway.connect();
    assert_eq!(plain.request(&request).status, 204);
    let mut told = gateway.connect();
    told.send(v2());
    assert_eq!(told.request(&request).status, 204);
    let records = gateway.wait_for_records(2);
    assert_eq!(client(&records[0]), plain.local_addr().to_string());
    assert_eq!(client(&records[1]), "[2001:db8::1]:1000");
}

/// A listener without PROXY protocol rejects the header.
#[test]
fn where_it_is_off_it_is_no_http() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let v1 = b"PROXY TCP4 192.0.2.1 198.51.100.1 1000 80\r\n".to_vec();
    for (at, header) in [v1, v2()].into_iter().enumerate() {
        let mut client = gateway.connect();
        client.send([&header[..], request(&upstream).as_bytes()].concat());
        let answer = client.read_to_end();
        assert!(
            answer.starts_with(b"HTTP/1.1 400 "),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        let record = &gateway.wait_for_records(at + 1)[at];
        assert_eq!(record["reason"], "malformed_head");
        assert_eq!(record["client"], client.local_addr().to_string());
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn half_a_header_is_not_waited_for_for_ever() {
    let (dns, _upstream) = (DnsServer::with_a_example(), Upstream::start());
    let gateway = behind(
        &dns,
        "{proxyProtocol: {}, transportSocketConnectTimeout: 100ms}",
    );
    let mut silent = gateway.connect();
    let mut slow = gateway.connect();
    slow.send("PROXY TCP4 192");
    assert!(silent.is_closed() && slow.is_closed());
    // Connections that sent nothing are not logged.
    let record = &gateway.wait_for_records(1)[0];
    assert_eq!(record["reason"], "handshake_timeout");
    assert_eq!(client(record), slow.local_addr().to_string());
    gateway.wait_for_metric("egret_refusals_total{reason=\"handshake_timeout\"}", 1.0);
}

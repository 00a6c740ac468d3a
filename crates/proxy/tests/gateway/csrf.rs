//! `csrf` of a TrafficPolicy.

use egret_testkit::gateway::{documents, quickstart_config, traffic_policy};
use egret_testkit::{Client, DnsServer, Gateway, Upstream};

#[test]
fn a_page_of_another_origin_changes_nothing() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let policy = traffic_policy(
        "csrf",
        "csrf: {additionalOrigins: [{exact: friend.example}]}",
    );
    let gateway = Gateway::start(&documents(&[&quickstart_config(dns.addr()), &policy]));
    let host = format!("a.example:{}", upstream.port());
    let mut client = Client::connect(gateway.address());
    let mut ask = |method: &str, target: &str, fields: &str| {
        client.request(format!(
            "{method} {target} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\n{fields}\r\n"
        ))
    };
    let own = format!("origin: http://{host}\r\n");
    assert_eq!(ask("POST", "/", &own).status, 200);
    assert_eq!(ask("POST", &format!("http://{host}/"), &own).status, 200);
    assert_eq!(
        ask("POST", "/", "origin: https://friend.example\r\n").status,
        200
    );
    assert_eq!(
        ask("GET", "/", "origin: http://evil.example\r\n").status,
        200
    );
    let refused = [
        ask("POST", "/", "origin: http://evil.example\r\n"),
        ask("PUT", &format!("http://{host}/"), "origin: null\r\n"),
        ask("DELETE", "/", ""),
    ];
    for response in refused {
        assert_eq!(response.status, 403, "{response:?}");
        assert_eq!(response.text(), "Invalid origin");
        let status = response.header("proxy-status").unwrap();
        assert!(status.contains("error=http_request_denied"), "{status}");
    }
    assert_eq!(upstream.requests().len(), 4);
    let records = gateway.wait_for_records(7);
    assert_eq!(records[6]["reason"], "csrf");
    assert_eq!(records[6]["policy"], "kgateway-system/csrf");
}

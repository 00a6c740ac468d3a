//! Refused request heads.

use egret_testkit::gateway::{QUICKSTART, documents, quickstart_config};
use egret_testkit::{DnsServer, Gateway, Upstream};

use super::assert_refused;

#[test]
fn malformed_targets_are_refused_before_dns() {
    let dns = DnsServer::start();
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let hosts = [
        "",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "127.0.0.01",
        "0",
        "425.510.425.510",
        "::1",
        "::1:80",
        "[::1",
        "[127.0.0.1]",
        "[example.com]",
        "[[::1]]",
        "[fe80::1%25eth0]",
        "[fe80::1%eth0]",
        "example.com..",
        ".example.com",
        "example..com",
        "user@example.com",
        "allowed.example@169.254.169.254",
        "a.example,b.example",
        "a.example;b",
        "a.example b",
        "a%2eexample",
        "a.example%00",
        "a.example/x",
        "a\\b",
        "example.com:0",
        "example.com:65536",
        "example.com:+80",
        "example.com:0443",
        "example.com:http",
        "example.com:4294967739",
        "example.com:80:80",
    ];
    for host in hosts {
        let response = gateway.get(host, "/");
        assert_refused(&response, 400, "http_request_error", host);
    }
    let long = "a".repeat(64);
    assert_refused(
        &gateway.get(&long, "/"),
        400,
        "http_request_error",
        "a long label",
    );
    for head in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a.example\r\nhost: a.example\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a.example\r\nHost: b.example\r\n\r\n",
        "GET http://a.example/ HTTP/1.1\r\n\r\n",
        "GET foo HTTP/1.1\r\nhost: a.example\r\n\r\n",
        "GET ftp://a.example/ HTTP/1.1\r\nhost: a.example\r\n\r\n",
        "GET http://allowed.example@169.254.169.254/ HTTP/1.1\r\nhost: a.example\r\n\r\n",
    ] {
        assert_refused(
            &gateway.connect().request(head),
            400,
            "http_request_error",
            head,
        );
    }
    assert!(dns.queries().is_empty());
}

/// Targets with characters that are not allowed in a URI are forwarded percent-encoded, however their heads arrive.
#[test]
fn odd_targets_are_forwarded_encoded() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let host = format!("a.example:{}", upstream.port());
    let mut client = gateway.connect();
    let mut expected = Vec::new();
    for (target, forwarded) in [
        ("/a?q=\"<b>\"", "/a?q=%22%3Cb%3E%22"),
        ("/<a>`", "/%3Ca%3E%60"),
        ("/a?b=c", "/a?b=c"),
        (&*format!("http://{host}/?<"), "/?%3C"),
    ] {
        let head =
            format!("POST {target} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 3\r\n\r\nabc");
        for cut in [head.len(), 1, 8, 20, head.len() - 4] {
            client.send_request(&head[..cut]);
            // The first part has been read before the rest is sent, or it makes no difference.
            client.send(&head[cut..]);
            assert_eq!(client.read_response().status, 200, "{target} cut at {cut}");
            expected.push(forwarded);
        }
    }
    let requests = upstream.requests();
    let seen: Vec<_> = requests.iter().map(|it| it.target.as_str()).collect();
    assert_eq!(seen, expected);
    assert!(requests.iter().all(|it| it.body == b"abc"));
}

/// Heads that are odd, and of which there is one reading.
#[test]
fn odd_heads_with_one_reading_are_served() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let port = upstream.port();
    for head in [
        format!("GET http://a.example:{port}/ HTTP/1.1\r\nhost: user@b\r\n\r\n"),
        format!("GET http://a.example:{port}/ HTTP/1.1\r\nhost: b..example\r\n\r\n"),
        format!(
            "CONNECT a.example:{port} HTTP/1.1\r\nhost: b.example\r\ncontent-length: 0\r\n\r\n"
        ),
    ] {
        let response = gateway.connect().request(&head);
        assert_eq!(response.status, 200, "{head}: {response:?}");
    }
    // DNS knows whether there is such a name.
    dns.clear_queries();
    let response = gateway.get("-b.example", "/");
    assert_refused(
        &response,
        502,
        "dns_error",
        "a label that begins with a hyphen",
    );
    assert!(!dns.queries().is_empty());
    // The port is that of the scheme, where nothing listens.
    for head in [
        "GET http://a.example:/ HTTP/1.1\r\nhost: a.example:\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a.example:\r\n\r\n",
    ] {
        let response = gateway.connect().request(head);
        assert_refused(&response, 502, "connection_refused", head);
    }
    for head in [
        "CONNECT a.example: HTTP/1.1\r\nhost: a.example\r\n\r\n",
        "CONNECT a.example:443 HTTP/1.1\r\nhost: a.example\r\ncontent-length: 5\r\n\r\nhello",
    ] {
        let response = gateway.connect().request(head);
        assert_refused(&response, 400, "http_request_error", head);
    }
}

/// The gateway is still busy with the request before when it reads a target that it cannot forward.
#[test]
fn a_bad_head_behind_another_request_is_answered_with_words() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let mut client = gateway.connect();
    client.send_request(format!(
        "GET / HTTP/1.1\r\nhost: a.example:{}\r\n\r\nGET /a b HTTP/1.1\r\nhost: a.example\r\n\r\n",
        upstream.port()
    ));
    assert_eq!(client.read_response().status, 200);
    assert_refused(
        &client.read_response(),
        400,
        "http_request_error",
        "a blank",
    );
}

/// Heads that the HTTP parser rejects are answered, and the connection is closed.
#[test]
fn what_is_not_http_ends_the_connection() {
    let gateway = Gateway::start(QUICKSTART);
    let many = format!(
        "GET / HTTP/1.1\r\nhost: a.example\r\n{}\r\n",
        "x: y\r\n".repeat(200)
    );
    let long = format!(
        "GET / HTTP/1.1\r\nhost: a.example\r\nx: {}\r\n\r\n",
        "y".repeat(70 * 1024)
    );
    for (head, status) in [
        (
            "GET / HTTP/1.1\r\nhost: a.example\r\nbad header\r\n\r\n",
            400,
        ),
        ("GET / HTTP/1.1\r\nhost: a\0.example\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost : a.example\r\n\r\n", 400),
        ("GET http:///path HTTP/1.1\r\nhost: a.example\r\n\r\n", 400),
        (many.as_str(), 431),
        (long.as_str(), 431),
    ] {
        let mut client = gateway.connect();
        // The response may arrive and the connection may close before everything is sent.
        let _ = client.try_send(head);
        let what = &head[..head.len().min(80)];
        assert_refused(&client.read_response(), status, "http_request_error", what);
    }
    let mut records = gateway.wait_for_records(6);
    for record in &mut records {
        let fields = record.as_object_mut().unwrap();
        for field in ["time", "client"] {
            assert!(fields.remove(field).is_some(), "{fields:?}");
        }
    }
    let told = |status: u16, reason: &str| {
        let of =
            |record: &&serde_json::Value| record["reason"] == reason && record["status"] == status;
        records.iter().filter(of).count()
    };
    assert_eq!(told(400, "malformed_head"), 4, "{records:#?}");
    assert_eq!(told(431, "head_too_large"), 2);
    assert!(records.iter().all(|record| record.get("method").is_none()));
    let refused =
        |reason: &str| gateway.metric(&format!("egret_refusals_total{{reason=\"{reason}\"}}"));
    assert_eq!(refused("malformed_head"), 4.0);
    assert_eq!(refused("head_too_large"), 2.0);
    assert_eq!(gateway.metric("egret_responses_total{code=\"431\"}"), 2.0);
}

/// A listener without access log logs no refusals, and records of the other name their listener.
#[test]
fn refusals_before_a_route_is_found_are_those_of_a_listener() {
    let quiet = "apiVersion: gateway.kgateway.dev/v1alpha1
kind: HTTPListenerPolicy
metadata: {name: quiet, namespace: kgateway-system}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: http}]
  accessLog: []
";
    let nowhere = QUICKSTART.replace("  rules:\n", "  hostnames: [a.example]\n  rules:\n");
    assert_ne!(nowhere, QUICKSTART);
    for (yaml, listener) in [
        (nowhere.clone(), Some("kgateway-system/http/http")),
        (documents(&[&nowhere, quiet]), None),
    ] {
        let mut gateway = Gateway::start(&yaml);
        assert_eq!(gateway.get("b.example", "/").status, 404);
        let framing =
            "POST / HTTP/1.1\r\nhost: a.example\r\ntransfer-encoding: gzip, chunked\r\n\r\n";
        assert_eq!(gateway.connect().request(framing).status, 400);
        gateway.drain(std::time::Duration::from_secs(10));
        let expected = if listener.is_some() { 2 } else { 0 };
        let records = gateway.wait_for_records(expected);
        assert_eq!(records.len(), expected, "{records:#?}");
        for record in records {
            assert_eq!(record["listener"].as_str(), listener, "{record}");
        }
    }
}

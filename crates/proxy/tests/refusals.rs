//! Refusals: destinations that must never be reached, and the response, log and metrics of each failure.

use egret_testkit::gateway::{LOOPBACK, QUICKSTART, documents, quickstart_config, resolver_policy};
use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{ClosedPort, DnsServer, Gateway, Response, Upstream};

fn assert_refused(response: &Response, status: u16, error: &str, what: &str) {
    assert_eq!(response.status, status, "{what}: {response:?}");
    let told = response
        .header("proxy-status")
        .unwrap_or_else(|| panic!("{what}: {response:?}"));
    assert!(
        told.starts_with(&format!("egret; error={error};")),
        "{what}: {told}"
    );
    assert!(told.contains("details=\""), "{what}: {told}");
    assert_eq!(response.text().lines().count(), 1, "{what}: {response:?}");
}

/// Hosts that mean this machine, its network or no public destination are denied without any policy.
#[test]
fn special_addresses_are_denied_by_every_spelling() {
    let dns = DnsServer::start();
    dns.a("loopback.example", ["127.0.0.1"], 60);
    dns.a("metadata.example", ["169.254.169.254"], 60);
    dns.a("private.example", ["10.0.0.1", "192.168.0.1"], 60);
    dns.aaaa("mapped.example", ["::ffff:10.0.0.1"], 60);
    dns.aaaa("local6.example", ["fd00:ec2::254", "fe80::1"], 60);
    dns.cname("alias.example", "loopback.example", 60);
    let gateway = Gateway::start(&documents(&[QUICKSTART, &resolver_policy(dns.addr(), "")]));
    let (port, admin) = (gateway.address().port(), gateway.admin().port());
    let mut hosts: Vec<String> = [
        "127.0.0.1",
        "127.0.0.1.",
        "127.0.0.1:22",
        "127.1.2.3",
        "0.0.0.0",
        "169.254.169.254",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "192.0.0.192",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[::FFFF:7F00:1]",
        "[0:0:0:0:0:ffff:7f00:1]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b:1::a00:1]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[fec0::1]",
        "[ff02::1]",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "sub.localhost",
        "loopback.example",
        "metadata.example",
        "private.example",
        "mapped.example",
        "local6.example",
        "alias.example",
        "ALIAS.example.",
    ]
    .map(str::to_owned)
    .into();
    // The ports of the gateway itself.
    for name in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "loopback.example",
        "0.0.0.0",
    ] {
        hosts.extend([format!("{name}:{port}"), format!("{name}:{admin}")]);
    }
    let mut client = gateway.connect();
    for host in &hosts {
        assert_refused(
            &client.get("/", host),
            403,
            "destination_ip_prohibited",
            host,
        );
        let absolute = format!("http://{host}/");
        assert_refused(
            &client.get(&absolute, host),
            403,
            "destination_ip_prohibited",
            &absolute,
        );
    }
    assert_eq!(gateway.metric("egret_upstream_connected_total"), 0.0);
}

#[test]
fn our_own_ports_stay_closed_even_to_exceptions() {
    let dns = DnsServer::start();
    dns.a("loopback.example", ["127.0.0.1"], 60);
    let everything = LOOPBACK.replace("[127.0.0.0/8, '::1/128']", "[0.0.0.0/0, '::/0']");
    assert_ne!(everything, LOOPBACK);
    let gateway = Gateway::start(&documents(&[
        QUICKSTART,
        &everything,
        &resolver_policy(dns.addr(), ""),
    ]));
    let mut client = gateway.connect();
    for port in [gateway.address().port(), gateway.admin().port()] {
        for host in [
            "127.0.0.1",
            "[::ffff:127.0.0.1]",
            "0.0.0.0",
            "[::]",
            "[::ffff:0.0.0.0]",
            "loopback.example",
        ] {
            let host = format!("{host}:{port}");
            assert_refused(
                &client.get("/", &host),
                403,
                "destination_ip_prohibited",
                &host,
            );
        }
    }
    // Another port of the same address is allowed by the exception.
    let upstream = Upstream::start();
    assert_eq!(
        client
            .get("/", &format!("127.0.0.1:{}", upstream.port()))
            .status,
        200
    );
}

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
        "example.com:",
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
        "GET http://a.example/ HTTP/1.1\r\nhost: user@b\r\n\r\n",
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
        assert_eq!(
            client.read_head().status,
            status,
            "{}",
            &head[..head.len().min(80)]
        );
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
    let dns = DnsServer::start();
    dns.a("a.example", ["127.0.0.1"], 60);
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
        (head.port(), 502, "http_protocol_error"),
    ] {
        let response = gateway.get(&format!("a.example:{port}"), "/");
        assert_refused(&response, status, error, error);
    }
}

#[test]
fn a_timeout_of_the_rule_ends_the_wait() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("a.example", ["127.0.0.1"], 60);
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
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("a.example", ["127.0.0.1"], 60);
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
fn policies_decide_before_dns_and_say_which_rule() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("api.example", ["127.0.0.1"], 60);
    let policy = format!(
        "apiVersion: egret.dev/v1alpha1
kind: EgressPolicy
metadata: {{name: partners, namespace: kgateway-system}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: http}}]
  defaultAction: Deny
  rules:
  - {{name: no-admin, action: Deny, hosts: [api.example], paths: [/admin]}}
  - {{name: partners, action: Allow, hosts: [api.example, '*.example.org'], ports: [{}], methods: [GET]}}
",
        upstream.port()
    );
    let gateway = Gateway::start(&documents(&[&quickstart_config(dns.addr()), &policy]));
    let host = format!("api.example:{}", upstream.port());
    assert_eq!(gateway.get(&host, "/x").status, 200);
    for (host, target, why) in [
        (host.as_str(), "/admin", "rule no-admin"),
        (host.as_str(), "/x/../admin/y", "rule no-admin"),
        (host.as_str(), "/%2e/admin", "rule no-admin"),
        ("api.example:1", "/x", "default action"),
        ("other.example", "/", "default action"),
        ("example.org", "/", "default action"),
        ("127.0.0.1", "/", "default action"),
    ] {
        let response = gateway.get(host, target);
        assert_refused(&response, 403, "http_request_denied", host);
        assert!(
            response.text().contains(why),
            "{host}{target}: {}",
            response.text()
        );
    }
    assert_eq!(
        dns.queries_for("other.example") + dns.queries_for("example.org"),
        0
    );
    let records = gateway.wait_for_records(2);
    assert_eq!(records[0]["verdict"], "allow");
    assert_eq!(records[0]["rule"], "partners");
    assert_eq!(records[1]["verdict"], "deny");
    assert_eq!(records[1]["rule"], "no-admin");
    assert_eq!(records[1]["policy"], "kgateway-system/partners");
    assert_eq!(records[1]["reason"], "egress_policy");
}

#[test]
fn audit_serves_and_tells() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("api.example", ["127.0.0.1"], 60);
    let policy = "apiVersion: egret.dev/v1alpha1
kind: EgressPolicy
metadata: {name: trial, namespace: kgateway-system}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: http}]
  mode: Audit
  defaultAction: Deny
";
    let gateway = Gateway::start(&documents(&[&quickstart_config(dns.addr()), policy]));
    assert_eq!(
        gateway
            .get(&format!("api.example:{}", upstream.port()), "/")
            .status,
        200
    );
    let record = &gateway.wait_for_records(1)[0];
    assert_eq!(
        (&record["verdict"], &record["policy"]),
        (&"audit".into(), &"kgateway-system/trial".into())
    );
    assert_eq!(gateway.metric("egret_audited_total"), 1.0);
    // The built-in list of addresses is not tested here.
    assert_eq!(gateway.get("10.0.0.1", "/").status, 403);
}

#[test]
fn a_name_that_changes_its_answer_between_check_and_connect_gains_nothing() {
    let dns = DnsServer::start();
    let inside = Upstream::start();
    // Answers alternate between public and loopback. A TTL of 0 is cached for a second, which is longer than the test.
    dns.sequence(
        "rebind.example",
        vec![
            egret_testkit::dns::Answer::a(["192.88.99.1"], 0),
            egret_testkit::dns::Answer::a(["127.0.0.1"], 0),
        ],
    );
    let gateway = Gateway::start(&documents(&[QUICKSTART, &resolver_policy(dns.addr(), "")]));
    let mut client = gateway.connect();
    for _ in 0..10 {
        let response = client.get("/", &format!("rebind.example:{}", inside.port()));
        assert_refused(&response, 403, "destination_ip_prohibited", "rebind");
        let _ = gateway.connect().into_stream();
    }
    let flushed = egret_testkit::client::Client::connect(gateway.admin()).request(format!(
        "POST /dns/flush HTTP/1.1\r\nhost: {}\r\ncontent-length: 0\r\n\r\n",
        gateway.admin()
    ));
    assert_eq!(flushed.status, 200);
    let response = client.get("/", &format!("rebind.example:{}", inside.port()));
    assert_refused(&response, 403, "destination_ip_prohibited", "rebound");
    assert_eq!(inside.connections(), 0);
}

#[test]
fn a_policy_that_changes_binds_pooled_connections_too() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("a.example", ["127.0.0.1"], 60);
    let mut gateway = Gateway::start(&quickstart_config(dns.addr()));
    let mut client = gateway.connect();
    let host = format!("a.example:{}", upstream.port());
    assert_eq!(client.get("/", &host).status, 200);
    gateway.apply(&documents(&[QUICKSTART, &resolver_policy(dns.addr(), "")]));
    assert_refused(
        &client.get("/", &host),
        403,
        "destination_ip_prohibited",
        "after the exception is gone",
    );
    gateway.apply(&documents(&[
        QUICKSTART,
        LOOPBACK,
        &resolver_policy(dns.addr(), ""),
    ]));
    assert_eq!(client.get("/", &host).status, 200);
    assert_eq!(upstream.requests().len(), 2);
}

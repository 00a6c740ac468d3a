//! What passthrough connections forward, and to which upstream.

use egret_testkit::gateway::{LOOPBACK, documents, listener_policy, tls_secret};
use egret_testkit::upstream::UpstreamTls;
use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{Ca, Client, ClosedPort, DnsServer, Gateway, TlsClient, Upstream};

use super::{
    BLOCKED, UNRECOGNIZED_NAME, alert, dynamic, hello, passed_on, passthrough_config, routed,
};

#[test]
fn tls_goes_to_the_name_that_it_asks_for_and_ends_there() {
    let (dns, ca) = (DnsServer::with_a_example(), Ca::new());
    let upstream = Upstream::start_tls(UpstreamTls::of(&ca, ["a.example"]));
    let gateway = Gateway::start(&passthrough_config(&dns, upstream.port()));
    for tls in [
        TlsClient::new(&ca, "a.example", &["http/1.1"]),
        TlsClient::old(&ca, "a.example", &["http/1.1"]),
    ] {
        let mut client = Client::connect_tls(gateway.address(), &tls);
        assert_eq!(client.get("/bytes/100000", "a.example").body.len(), 100_000);
    }
    let seen = upstream.handshakes();
    assert_eq!(seen.len(), 2);
    assert!(
        seen.iter()
            .all(|seen| seen.sni.as_deref() == Some("a.example"))
    );
    assert_eq!(seen[0].alpn.as_deref(), Some("http/1.1"));

    let record = &gateway.wait_for_records(2)[1];
    let destination = format!("a.example:{}", upstream.port());
    for (field, expected) in [
        ("sni", "a.example"),
        ("protocol", "TLS"),
        ("listener", "kgateway-system/http/tls"),
        ("route", "kgateway-system/any/all"),
        ("destination", &destination),
        ("verdict", "allow"),
        ("reason", "client_closed"),
        ("upstream", &upstream.addr().to_string()),
    ] {
        assert_eq!(record[field], expected, "{field}: {record}");
    }
    for absent in [
        "method",
        "path",
        "authority",
        "scheme",
        "status",
        "ech",
        "details",
    ] {
        assert!(record.get(absent).is_none(), "{absent}: {record}");
    }
    assert!(record["bytes_sent"].as_u64().unwrap() > 100_000);
    assert!(record["bytes_received"].as_u64().unwrap() > 200);
    gateway.wait_for_metric("egret_tunnels_opened_total{kind=\"passthrough\"}", 2.0);
    gateway.wait_for_metric("egret_tunnels", 0.0);
    assert!(gateway.metric("egret_unanswered_total").abs() < f64::EPSILON);
}

#[test]
fn bytes_are_the_same_on_both_sides() {
    let (dns, server) = (DnsServer::with_a_example(), RawServer::echo());
    let gateway = Gateway::start(&passthrough_config(&dns, server.port()));
    let mut client = gateway.connect();
    // The ClientHello is sent byte by byte. What follows need not be TLS, because the gateway does not read it.
    let hello = hello("a.example");
    for byte in &hello {
        client.send([*byte]);
    }
    client.send("anything");
    let sent = [&hello[..], b"anything"].concat();
    assert_eq!(client.read_exactly(sent.len()), sent);
    client.shutdown_write();
    assert!(client.is_closed());
    assert_eq!(server.received(), [sent]);
    let record = &gateway.wait_for_records(1)[0];
    assert_eq!(record["bytes_received"], record["bytes_sent"]);
}

#[test]
fn static_backends_get_the_bytes_the_next_one_if_one_is_down() {
    let (dns, server, down) = (
        DnsServer::with_a_example(),
        RawServer::echo(),
        ClosedPort::start(),
    );
    let backend = format!(
        "type: Static, static: {{hosts: [{{host: 127.0.0.1, port: {}}}, {{host: 127.0.0.1, port: {}}}]}}",
        down.addr().port(),
        server.port(),
    );
    let dynamic_backend = "type: DynamicForwardProxy, dynamicForwardProxy: {}";
    let routes = dynamic(443);
    let fixed = routes
        .replace(dynamic_backend, &backend)
        // The backend reference has a port of its own.
        .replace("name: backend, port: 443}", "name: backend}");
    assert_ne!(fixed, routes);
    let whole = documents(&[&routed(&dns, &fixed), LOOPBACK]);
    let mut gateway = Gateway::start(&whole);
    for _ in 0..3 {
        drop(passed_on(&gateway, "c.example"));
    }
    let records = gateway.wait_for_records(3);
    let destination = format!("127.0.0.1:{}", server.port());
    assert!(
        records
            .iter()
            .all(|it| it["destination"] == destination.as_str()),
        "{records:?}"
    );
    assert!(records.iter().all(|it| it["sni"] == "c.example"));
    assert!(dns.queries().is_empty());
    let mut client = passed_on(&gateway, "c.example");
    gateway.apply(&documents(&[&whole, BLOCKED]));
    client.send("x");
    assert_eq!(client.read_exactly(1), b"x", "that is nothing to it");
    gateway.apply(&whole.replace("hostnames: ['*.example']", "hostnames: [b.example]"));
    assert!(client.is_closed(), "and that is its end");
}

/// One port behind a load balancer with PROXY protocol: the name decides between TLS passthrough and termination.
#[test]
fn tls_ends_here_or_goes_on_by_its_name() {
    let (dns, ca) = (DnsServer::with_a_example(), Ca::new());
    let upstream = Upstream::start_tls(UpstreamTls::of(&ca, ["a.example"]));
    dns.a("here.test", ["127.0.0.1"], 60);
    let plain = Upstream::start();
    let own = ca.issue(["here.test"]);
    let secret = tls_secret("own", &own);
    let ends = "
  - name: https
    protocol: HTTPS
    port: 8443
    hostname: here.test
    tls: {certificateRefs: [{name: own}]}
";
    let route = "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: here, namespace: kgateway-system}
spec:
  parentRefs: [{name: http, sectionName: https}]
  rules: [{backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: backend}]}]
";
    let balancer = &listener_policy(
        "balancer",
        "{proxyProtocol: {allowRequestsWithoutProxyProtocol: true}}",
    );
    let passes = passthrough_config(&dns, upstream.port());
    let both = passes.replacen("\n---\n", &format!("{ends}---\n"), 1);
    assert_ne!(both, passes);
    let gateway = Gateway::start(&documents(&[&both, &secret, route, balancer]));

    let mut here = Client::connect_tls(
        gateway.address(),
        &TlsClient::new(&ca, "here.test", &["http/1.1"]),
    );
    let authority = format!("here.test:{}", plain.port());
    assert_eq!(here.get("/status/204", &authority).status, 204);
    assert_eq!(here.peer_certificate(), own.certificate_der());
    let mut there = Client::connect_tls(
        gateway.address(),
        &TlsClient::new(&ca, "a.example", &["http/1.1"]),
    );
    assert_eq!(there.get("/status/204", "a.example").status, 204);
    drop((here, there));

    let mut told = gateway.connect();
    told.send("PROXY TCP4 192.0.2.1 198.51.100.1 1000 443\r\n");
    told.send(hello("nobody.test"));
    assert_eq!(told.read_to_end(), alert(UNRECOGNIZED_NAME));
    let records = gateway.wait_for_records(3);
    let of = |sni: &str| records.iter().find(|record| record["sni"] == sni).unwrap();
    assert_eq!(of("here.test")["listener"], "kgateway-system/http/https");
    assert_eq!(of("here.test")["protocol"], "HTTP/1.1");
    assert_eq!(of("a.example")["listener"], "kgateway-system/http/tls");
    assert_eq!(of("nobody.test")["client"], "192.0.2.1:1000");
}

//! TLS passthrough, routed by the server name that the client sends (SNI).

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::sync::Arc;
use std::time::Duration;

use egret_testkit::gateway::{LOOPBACK, documents, resolver_policy};
use egret_testkit::upstream::UpstreamTls;
use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{Ca, Client, ClosedPort, DnsServer, Gateway, TlsClient, Upstream};
use rustls::client::{EchGreaseConfig, EchMode};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::aws_lc_rs::hpke::ALL_SUPPORTED_SUITES;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

const UNRECOGNIZED_NAME: u8 = 112;
const MISSING_EXTENSION: u8 = 109;
const INTERNAL_ERROR: u8 = 80;
const DECODE_ERROR: u8 = 50;
const ACCESS_DENIED: u8 = 49;
const ILLEGAL_PARAMETER: u8 = 47;

/// A Gateway with TLS passthrough for names below `example` to one upstream port. `blocked.example` is denied.
fn passthrough_config(dns: &DnsServer, port: u16) -> String {
    documents(&[&routed(dns, &dynamic(port)), LOOPBACK, BLOCKED])
}

const BLOCKED: &str = "\
apiVersion: egret.dev/v1alpha1
kind: EgressPolicy
metadata: {name: blocked, namespace: kgateway-system}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: http}]
  rules: [{name: no, action: Deny, hosts: [blocked.example]}]
";

fn dynamic(port: u16) -> String {
    format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: backend, namespace: kgateway-system}}
spec: {{type: DynamicForwardProxy, dynamicForwardProxy: {{}}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {{name: any, namespace: kgateway-system}}
spec:
  parentRefs: [{{name: http}}]
  hostnames: ['*.example']
  rules: [{{name: all, backendRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: backend, port: {port}}}]}}]
"
    )
}

/// The Gateway with these routes, without a policy that allows loopback.
fn routed(dns: &DnsServer, routes: &str) -> String {
    let gateway = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: http, namespace: kgateway-system}
spec:
  gatewayClassName: kgateway
  listeners:
  - {name: tls, protocol: TLS, port: 8443, hostname: '*.example', tls: {mode: Passthrough}}
";
    documents(&[gateway, routes, &resolver_policy(dns.addr(), "")])
}

fn a_example() -> DnsServer {
    let dns = DnsServer::start();
    dns.a("a.example", ["127.0.0.1"], 60);
    dns
}

/// The ClientHello of a client for this name. A client for an IP address sends no SNI.
fn hello(name: &'static str) -> Vec<u8> {
    let config = ClientConfig::builder()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    said_by(config, name)
}

/// The ClientHello of a client that sends a GREASE Encrypted Client Hello extension.
fn hello_with_more(name: &'static str) -> Vec<u8> {
    let suite = ALL_SUPPORTED_SUITES[0];
    let (key, _) = suite.generate_key_pair().unwrap();
    let ech = EchMode::Grease(EchGreaseConfig::new(suite, key));
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_ech(ech)
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    said_by(config, name)
}

fn said_by(config: ClientConfig, name: &'static str) -> Vec<u8> {
    let name = ServerName::try_from(name).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// The alert that the gateway sends before it closes the connection.
fn answer(gateway: &Gateway, begin: &[u8]) -> Vec<u8> {
    let mut client = gateway.connect();
    client.send(begin);
    client.read_to_end()
}

fn alert(description: u8) -> Vec<u8> {
    vec![21, 3, 3, 0, 2, 2, description]
}

/// A server that sends every byte back until the client closes the connection.
fn echo() -> RawServer {
    RawServer::start(|connection| {
        while let Some(byte) = connection.read_exactly(1) {
            connection.send(byte);
        }
    })
}

/// Opens a passthrough connection, and checks that its first bytes reach the upstream.
fn passed_on(gateway: &Gateway, name: &'static str) -> Client {
    let mut client = gateway.connect();
    let hello = hello(name);
    client.send(&hello);
    assert_eq!(client.read_exactly(hello.len()), hello);
    client
}

#[test]
fn tls_goes_to_the_name_that_it_asks_for_and_ends_there() {
    let (dns, ca) = (a_example(), Ca::new());
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
    let (dns, server) = (a_example(), echo());
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
fn who_is_refused_is_told_by_an_alert() {
    let (dns, refused) = (DnsServer::start(), ClosedPort::start());
    dns.nxdomain("gone.example");
    dns.a("down.example", ["127.0.0.1"], 60);
    dns.a("inside.example", ["10.0.0.1"], 60);
    let gateway = Gateway::start(&passthrough_config(&dns, refused.addr().port()));
    for (at, (name, description, status, reason)) in [
        ("blocked.example", ACCESS_DENIED, 403, "egress_policy"),
        ("inside.example", ACCESS_DENIED, 403, "address_denied"),
        ("gone.example", INTERNAL_ERROR, 502, "dns_error"),
        ("down.example", INTERNAL_ERROR, 502, "connect_refused"),
        ("a.test", UNRECOGNIZED_NAME, 404, "no_listener"),
        ("example", UNRECOGNIZED_NAME, 404, "no_listener"),
        ("192.0.2.1", MISSING_EXTENSION, 400, "no_server_name"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(answer(&gateway, &hello(name)), alert(description), "{name}");
        let record = &gateway.wait_for_records(at + 1)[at];
        assert_eq!(record["status"], status, "{record}");
        assert_eq!(record["reason"], reason, "{record}");
        assert!(record["details"].is_string(), "{record}");
        let asked = record.get("sni").and_then(|sni| sni.as_str());
        assert_eq!(asked, Some(name).filter(|_| reason != "no_server_name"));
        let metric = format!("egret_refusals_total{{reason=\"{reason}\"}}");
        assert!(gateway.metric(&metric) > 0.0, "{reason}");
    }
    let denied = &gateway.wait_for_records(1)[0];
    assert_eq!(denied["policy"], "kgateway-system/blocked");
    assert_eq!(denied["rule"], "no");
    assert_eq!(dns.lookups_for("blocked.example"), 0, "nobody is asked");
}

/// With Encrypted Client Hello the outer name is checked, and the access log says that there may be an inner name.
#[test]
fn an_encrypted_hello_is_judged_by_the_name_outside() {
    let (dns, server) = (a_example(), echo());
    let gateway = Gateway::start(&passthrough_config(&dns, server.port()));
    let denied = hello_with_more("blocked.example");
    assert_eq!(answer(&gateway, &denied), alert(ACCESS_DENIED));
    let mut client = gateway.connect();
    let hello = hello_with_more("a.example");
    client.send(&hello);
    assert_eq!(client.read_exactly(hello.len()), hello);
    drop(client);
    for record in gateway.wait_for_records(2) {
        assert_eq!(record["ech"], true, "{record}");
    }
}

#[test]
fn without_a_route_the_name_is_not_known() {
    let dns = a_example();
    let other = dynamic(443).replace("'*.example'", "b.example");
    let gateway = Gateway::start(&documents(&[&routed(&dns, &other), LOOPBACK]));
    assert_eq!(
        answer(&gateway, &hello("a.example")),
        alert(UNRECOGNIZED_NAME)
    );
    assert_eq!(gateway.wait_for_records(1)[0]["reason"], "no_route");
}

#[test]
fn loopback_and_the_gateway_itself_are_out_of_reach() {
    let (dns, server) = (a_example(), echo());
    let mut gateway = Gateway::start(&routed(&dns, &dynamic(server.port())));
    let name = hello("a.example");
    assert_eq!(
        answer(&gateway, &name),
        alert(ACCESS_DENIED),
        "the built-in list"
    );
    for own in [gateway.address(), gateway.admin()] {
        gateway.apply(&passthrough_config(&dns, own.port()));
        assert_eq!(answer(&gateway, &name), alert(ACCESS_DENIED), "{own}");
    }
    let records = gateway.wait_for_records(3);
    assert!(
        records
            .iter()
            .all(|record| record["reason"] == "address_denied")
    );
    assert_eq!(server.connections(), 0);
}

#[test]
fn what_is_no_hello_is_closed_with_or_without_an_alert() {
    let dns = a_example();
    let gateway = Gateway::start(&passthrough_config(&dns, 443));
    let mut twice = hello("a.example");
    // A handshake message of another type.
    twice[5] = 2;
    let numeric = {
        let mut hello = hello("aaaaaaa.example");
        let at = hello
            .windows(15)
            .position(|it| it == b"aaaaaaa.example")
            .unwrap();
        hello[at..at + 15].copy_from_slice(b"192.168.100.300");
        hello
    };
    for (at, (begin, told, reason)) in [
        (
            b"GET / HTTP/1.1\r\nhost: a.example\r\n\r\n".to_vec(),
            vec![],
            "not_tls",
        ),
        (b"\x80\x2e\x01\0\x02".to_vec(), vec![], "not_tls"),
        (b"\x15\x03\x01\0\x02\x02\x28".to_vec(), vec![], "not_tls"),
        (twice, alert(DECODE_ERROR), "malformed_hello"),
        (numeric, alert(ILLEGAL_PARAMETER), "malformed_hello"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(answer(&gateway, &begin), told, "{reason}");
        assert_eq!(gateway.wait_for_records(at + 1)[at]["reason"], reason);
    }
    // A client that leaves during the handshake is not logged.
    let mut client = gateway.connect();
    client.send(&hello("a.example")[..20]);
    client.shutdown_write();
    assert!(client.is_closed());
    assert_eq!(gateway.wait_for_records(5).len(), 5);
}

#[test]
fn half_a_hello_is_not_waited_for_for_ever() {
    let dns = a_example();
    let limit = "apiVersion: gateway.kgateway.dev/v1alpha1
kind: ListenerPolicy
metadata: {name: short, namespace: kgateway-system}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: http}]
  default: {transportSocketConnectTimeout: 100ms}";
    let gateway = Gateway::start(&documents(&[&passthrough_config(&dns, 443), limit]));
    let mut silent = gateway.connect();
    let mut slow = gateway.connect();
    slow.send(&hello("a.example")[..20]);
    assert!(silent.is_closed() && slow.is_closed());
    let record = &gateway.wait_for_records(1)[0];
    assert_eq!(record["reason"], "handshake_timeout");
    assert_eq!(record["client"], slow.local_addr().to_string());
}

#[test]
fn static_backends_get_the_bytes_the_next_one_if_one_is_down() {
    let (dns, server, down) = (a_example(), echo(), ClosedPort::start());
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
        .replace(", port: 443", "");
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
    let (dns, ca) = (a_example(), Ca::new());
    let upstream = Upstream::start_tls(UpstreamTls::of(&ca, ["a.example"]));
    dns.a("here.test", ["127.0.0.1"], 60);
    let plain = Upstream::start();
    let own = ca.issue(["here.test"]);
    let text = |pem: String| pem.replace('\n', "\n    ");
    let secret = format!(
        "apiVersion: v1
kind: Secret
metadata: {{name: own, namespace: kgateway-system}}
type: kubernetes.io/tls
stringData:
  tls.crt: |
    {}
  tls.key: |
    {}",
        text(own.certificate_pem()),
        text(own.key_pem()),
    );
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
    let balancer = "apiVersion: gateway.kgateway.dev/v1alpha1
kind: ListenerPolicy
metadata: {name: balancer, namespace: kgateway-system}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: http}]
  default: {proxyProtocol: {allowRequestsWithoutProxyProtocol: true}}";
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

#[test]
fn a_change_that_denies_it_ends_it() {
    let (dns, server) = (a_example(), echo());
    dns.a("b.example", ["127.0.0.1"], 60);
    let whole = passthrough_config(&dns, server.port());
    let by_name = BLOCKED.replace("blocked", "a");
    let by_address = BLOCKED
        .replace(
            "rules: [{name: no, action: Deny, hosts: [blocked.example]}]",
            "addresses: {deny: [127.0.0.1/32]}",
        )
        .replace("name: blocked", "name: a");
    for (changed, other_lives) in [
        (documents(&[&whole, &by_name]), true),
        (documents(&[&whole, &by_address]), false),
        (whole.replace("'*.example'", "b.example"), true),
        (
            whole.replace(&format!("port: {}", server.port()), "port: 1"),
            false,
        ),
    ] {
        assert_ne!(changed, whole);
        let mut gateway = Gateway::start(&whole);
        let mut ended = passed_on(&gateway, "a.example");
        let mut other = passed_on(&gateway, "b.example");
        gateway.apply(&changed);
        assert!(ended.is_closed(), "{changed}");
        if other_lives {
            other.send("x");
            assert_eq!(other.read_exactly(1), b"x");
        } else {
            assert!(other.is_closed(), "{changed}");
        }
        let records = gateway.wait_for_records(1);
        assert_eq!(records[0]["reason"], "policy_changed");
    }
}

#[test]
fn a_client_that_leaves_while_it_waits_costs_nothing_more() {
    let dns = a_example();
    let held = dns.hold("a.example");
    let gateway = Gateway::start(&passthrough_config(&dns, 443));
    let mut client = gateway.connect();
    client.send(hello("a.example"));
    dns.wait_for_queries("a.example", 1);
    drop(client);
    let record = &gateway.wait_for_records(1)[0];
    assert_eq!(record["reason"], "client_closed", "{record}");
    gateway.wait_for_metric("egret_downstream_connections", 0.0);
    drop(held);
}

#[test]
fn stopping_waits_for_what_is_passed_on_and_not_for_who_has_not_begun() {
    let (dns, server) = (a_example(), echo());
    let mut gateway = Gateway::start(&passthrough_config(&dns, server.port()));
    let mut silent = gateway.connect();
    let mut client = passed_on(&gateway, "a.example");
    gateway.wait_for_metric("egret_downstream_connections", 2.0);
    let drained = gateway.begin_drain(Duration::from_secs(60));
    assert!(silent.is_closed());
    client.send("x");
    assert_eq!(client.read_exactly(1), b"x");
    drop(client);
    assert_eq!(gateway.block_on(drained).unwrap(), 0);
    assert_eq!(gateway.wait_for_records(1)[0]["reason"], "client_closed");
}

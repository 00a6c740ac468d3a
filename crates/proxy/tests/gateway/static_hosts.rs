//! Hosts of a static backend are treated alike in every form of request: if the first is denied, refuses the connection or
//! cannot be resolved, the next one serves the request, and the access log does not call that denied.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use egret_testkit::gateway::{LOOPBACK, documents, egress_policy, resolver_policy};
use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{ClosedPort, DnsServer, Gateway, Http2Client, Upstream};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use serde_json::Value;

/// Requests per case. The hosts take turns, so that some requests begin at the first host and some at the second.
const ROUNDS: usize = 4;

/// A policy that denies one of the hosts by its name.
const DENIED_NAME: &str = "rules: [{name: no, action: Deny, hosts: [denied.example]}]";

/// A first host that cannot serve, by the name of what is wrong with it.
fn unusable(closed: &ClosedPort) -> [(&'static str, String); 5] {
    let host = |host: &str, port: u16| format!("{{host: {host}, port: {port}}}");
    [
        ("denied by the built-in list", host("10.255.255.1", 80)),
        ("resolves to denied addresses", host("inside.example", 80)),
        ("denied by name", host("denied.example", 80)),
        ("refuses", host("127.0.0.1", closed.addr().port())),
        ("does not resolve", host("missing.example", 80)),
    ]
}

fn dns() -> DnsServer {
    let dns = DnsServer::start();
    dns.a("inside.example", ["10.255.255.2"], 60);
    dns.a("denied.example", ["127.0.0.1"], 60);
    dns.nxdomain("missing.example");
    dns
}

/// A Gateway with an HTTP and a TLS passthrough listener, whose routes lead to a backend with these two hosts.
fn config(dns: &DnsServer, first: &str, port: u16) -> String {
    let routes = format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: http, namespace: kgateway-system}}
spec:
  gatewayClassName: kgateway
  listeners:
  - {{name: http, protocol: HTTP, port: 8080}}
  - {{name: tls, protocol: TLS, port: 8443, tls: {{mode: Passthrough}}}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: two, namespace: kgateway-system}}
spec: {{type: Static, static: {{hosts: [{first}, {{host: 127.0.0.1, port: {port}}}]}}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: http, namespace: kgateway-system}}
spec:
  parentRefs: [{{name: http, sectionName: http}}]
  rules: [{{backendRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: two}}]}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {{name: tls, namespace: kgateway-system}}
spec:
  parentRefs: [{{name: http, sectionName: tls}}]
  hostnames: [c.example]
  rules: [{{backendRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: two}}]}}]
"
    );
    let denied = egress_policy("names", DENIED_NAME);
    documents(&[&routes, LOOPBACK, &denied, &resolver_policy(dns.addr(), "")])
}

/// Runs `request` several times for each kind of unusable first host, and checks that the second host served every one.
fn assert_served(port: u16, request: impl Fn(&Gateway)) {
    let (dns, closed) = (dns(), ClosedPort::start());
    for (what, first) in unusable(&closed) {
        let gateway = Gateway::start(&config(&dns, &first, port));
        for _ in 0..ROUNDS {
            request(&gateway);
        }
        for record in gateway.wait_for_records(ROUNDS) {
            assert_eq!(record["verdict"], "allow", "{what}: {record}");
            let destination = format!("127.0.0.1:{port}");
            assert_eq!(record["destination"], destination, "{what}: {record}");
            assert_ne!(record["reason"], "egress_policy", "{what}: {record}");
        }
        for reason in [
            "address_denied",
            "egress_policy",
            "connect_refused",
            "dns_error",
        ] {
            let name = format!("egret_refusals_total{{reason=\"{reason}\"}}");
            assert!(gateway.metric(&name).abs() < f64::EPSILON, "{what}: {name}");
        }
    }
}

#[test]
fn http1_goes_to_the_next_host() {
    let upstream = Upstream::start();
    assert_served(upstream.port(), |gateway| {
        let response = egret_testkit::client::get(gateway.address_of(8080), "/", "c.example");
        assert_eq!(response.status, 200, "{response:?}");
    });
}

#[test]
fn http2_goes_to_the_next_host() {
    let upstream = Upstream::start();
    assert_served(upstream.port(), |gateway| {
        let client = Http2Client::connect(gateway.address_of(8080));
        let response = client.get("http://c.example/");
        assert_eq!(response.status, 200, "{response:?}");
    });
}

#[test]
fn an_upgrade_goes_to_the_next_host() {
    let server = RawServer::start(|connection| {
        connection.read_head();
        connection.send(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        );
    });
    assert_served(server.port(), |gateway| {
        let mut client = egret_testkit::Client::connect(gateway.address_of(8080));
        client.send_request(
            "GET / HTTP/1.1\r\nhost: c.example\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        );
        assert_eq!(client.read_head().status, 101);
        assert!(client.is_closed());
    });
}

#[test]
fn tls_passthrough_goes_to_the_next_host() {
    let server = RawServer::echo();
    assert_served(server.port(), |gateway| {
        let mut client = egret_testkit::Client::connect(gateway.address_of(8443));
        let hello = client_hello("c.example");
        client.send(&hello);
        assert_eq!(client.read_exactly(hello.len()), hello);
    });
}

/// A change of the configuration judges an upgraded connection by the host that it was opened to, not by the first.
#[test]
fn an_upgrade_is_judged_by_the_host_that_agreed() {
    let (dns, closed) = (dns(), ClosedPort::start());
    for name in ["dead.example", "live.example"] {
        dns.a(name, ["127.0.0.1"], 60);
    }
    let server = RawServer::start(|connection| {
        connection.read_head();
        connection.send(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        );
        while let Some(byte) = connection.read_exactly(1) {
            connection.send(byte);
        }
    });
    let first = format!("{{host: dead.example, port: {}}}", closed.addr().port());
    let live = format!("{{host: live.example, port: {}}}", server.port());
    let config = config(&dns, &first, server.port());
    let config = config.replace(
        &format!("{{host: 127.0.0.1, port: {}}}", server.port()),
        &live,
    );
    let deny = |host: &str| {
        let rules = format!("rules: [{{name: no, action: Deny, hosts: [{host}]}}]");
        documents(&[&config, &egress_policy("later", &rules)])
    };
    let mut gateway = Gateway::start(&config);
    let mut client = egret_testkit::Client::connect(gateway.address_of(8080));
    // One of two requests begins at the host that is dead.
    for _ in 0..2 {
        client = egret_testkit::Client::connect(gateway.address_of(8080));
        client.send_request(
            "GET / HTTP/1.1\r\nhost: c.example\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        );
        assert_eq!(client.read_head().status, 101);
        gateway.apply(&deny("dead.example"));
        client.send("x");
        assert_eq!(client.read_exactly(1), b"x", "the other host is denied");
        gateway.apply(&config);
        client.send("y");
        assert_eq!(client.read_exactly(1), b"y");
        gateway.apply(&deny("live.example"));
        assert!(client.is_closed(), "its host is denied");
        gateway.apply(&config);
    }
    drop(client);
}

/// With no host left, the refusal and the verdict are those of the last host that was tried, in every form.
#[test]
fn hosts_that_are_all_denied_are_a_denial() {
    let (dns, closed) = (dns(), ClosedPort::start());
    let [(_, denied), ..] = unusable(&closed);
    let config = config(&dns, &denied, 80).replace("127.0.0.1", "10.255.255.3");
    let gateway = Gateway::start(&config);
    let response = egret_testkit::client::get(gateway.address_of(8080), "/", "c.example");
    assert_eq!(response.status, 403, "{response:?}");
    let mut client = egret_testkit::Client::connect(gateway.address_of(8443));
    client.send(client_hello("c.example"));
    // The alert access_denied (RFC 8446 6.2).
    assert_eq!(client.read_to_end(), [21, 3, 3, 0, 2, 2, 49]);
    let records: Vec<Value> = gateway.wait_for_records(2);
    for record in records {
        assert_eq!(record["verdict"], "deny", "{record}");
        assert_eq!(record["reason"], "address_denied", "{record}");
    }
}

/// The ClientHello of a client that sends this server name.
fn client_hello(name: &'static str) -> Vec<u8> {
    let config = ClientConfig::builder()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from(name).unwrap();
    let mut client = ClientConnection::new(config.into(), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

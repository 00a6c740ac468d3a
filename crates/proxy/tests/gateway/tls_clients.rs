//! TLS termination: certificates by name, versions, protocols, client certificates, and configuration changes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use egret_testkit::client::connect_request;
use egret_testkit::gateway::{LOOPBACK, documents, listener_policy, resolver_policy, tls_secret};
use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{Ca, Client, DnsServer, Gateway, Http2Client, TlsClient, Upstream};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

const H1: &[&str] = &["http/1.1"];

/// The servers that a gateway with TLS listeners needs, and helpers to configure and start it.
struct TestSetup {
    ca: Ca,
    dns: DnsServer,
    upstream: Upstream,
}

impl TestSetup {
    fn new() -> Self {
        let (dns, upstream) = (DnsServer::start(), Upstream::start());
        for name in ["a.example", "b.example"] {
            dns.a(name, ["127.0.0.1"], 60);
        }
        let ca = Ca::new();
        Self { ca, dns, upstream }
    }

    /// The configuration with these listeners, as lines of YAML, and with further documents such as Secrets.
    fn yaml(&self, listeners: &str, more: &[&str]) -> String {
        let gateway = format!(
            "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: http, namespace: kgateway-system}}
spec:
  gatewayClassName: kgateway
  listeners:
{listeners}"
        );
        let backend = include_str!("../../../../examples/quickstart/backend.yaml");
        let route = include_str!("../../../../examples/quickstart/httproute.yaml");
        let resolver = resolver_policy(self.dns.addr(), "");
        let basis = [&*gateway, backend, route, LOOPBACK, &resolver];
        documents(&[&basis[..], more].concat())
    }

    fn start(&self, listeners: &str, more: &[&str]) -> Gateway {
        Gateway::start(&self.yaml(listeners, more))
    }

    /// Starts a gateway with one listener for every name and a certificate for `gw.example`.
    fn simple(&self) -> Gateway {
        let identity = self.ca.issue(["gw.example"]);
        self.start(
            &listener("https", "", "gw"),
            &[&tls_secret("gw", &identity)],
        )
    }

    fn client(&self, gateway: &Gateway, name: &str) -> Client {
        Client::connect_tls(gateway.address(), &TlsClient::new(&self.ca, name, H1))
    }

    fn host(&self) -> String {
        format!("a.example:{}", self.upstream.port())
    }
}

/// An HTTPS listener with a hostname, unless that is empty.
fn listener(name: &str, hostname: &str, secret: &str) -> String {
    listener_with(name, hostname, secret, "")
}

/// An HTTPS listener as [`listener`], with further lines in its `tls` section.
fn listener_with(name: &str, hostname: &str, secret: &str, tls: &str) -> String {
    let hostname = match hostname {
        "" => String::new(),
        name => format!("    hostname: '{name}'\n"),
    };
    format!(
        "  - name: {name}
    port: 8443
    protocol: HTTPS
{hostname}    allowedRoutes: {{namespaces: {{from: All}}}}
    tls:
      certificateRefs: [{{name: {secret}}}]
{tls}"
    )
}

/// The error of a handshake that the gateway refuses.
fn refusal(gateway: &Gateway, tls: &TlsClient) -> io::Error {
    let tried = Client::try_connect_tls(gateway.address(), tls);
    // With TLS 1.3 the client completes the handshake before the server has verified the client's certificate.
    match tried {
        Err(error) => error,
        Ok(mut client) => {
            let _ = client.try_send("GET / HTTP/1.1\r\nhost: a.example\r\n\r\n");
            client.try_read_response().expect_err("a refusal")
        }
    }
}

#[test]
fn requests_come_over_tls_in_every_form() {
    let setup = TestSetup::new();
    let gateway = setup.simple();
    let host = setup.host();
    let mut client = setup.client(&gateway, "gw.example");
    assert_eq!(client.alpn(), Some("http/1.1"));
    assert_eq!(client.get("/", &host).status, 200);
    assert_eq!(client.get(&format!("http://{host}/"), &host).status, 200);
    assert_eq!(client.get("/", "169.254.169.254").status, 403);
    let tls = TlsClient::new(&setup.ca, "gw.example", &["h2", "http/1.1"]);
    let h2 = Http2Client::connect_tls(gateway.address(), &tls);
    assert_eq!(h2.get(&format!("https://{host}/")).status, 200);
    // A scheme that differs from that of the connection decides how the upstream is reached.
    assert_eq!(h2.get(&format!("http://{host}/")).status, 200);
    let records = gateway.wait_for_records(5);
    let protocols: Vec<_> = records.iter().map(|record| &record["protocol"]).collect();
    assert_eq!(protocols[4], "HTTP/2");
    assert!(
        records
            .iter()
            .take(2)
            .all(|record| record["scheme"] == "http")
    );
    let full = "egret_downstream_tls_handshakes_total{result=\"full\"}";
    gateway.wait_for_metric(full, 2.0);
}

#[test]
fn a_tunnel_within_tls() {
    let setup = TestSetup::new();
    let gateway = setup.simple();
    let server = RawServer::start(|connection| {
        while let Some(byte) = connection.read_exactly(1) {
            connection.send(byte);
        }
    });
    let mut client = setup.client(&gateway, "gw.example");
    let authority = format!("a.example:{}", server.port());
    let request = connect_request(&authority);
    assert_eq!(client.request(request).status, 200);
    client.send("through");
    assert_eq!(client.read_exactly(7), b"through");
}

#[test]
fn a_client_that_agrees_to_http2_and_sends_a_connect_of_http1_is_understood() {
    let setup = TestSetup::new();
    let gateway = setup.simple();
    let tls = TlsClient::new(&setup.ca, "gw.example", &["h2", "http/1.1"]);
    let host = setup.host();
    let mut client = Client::connect_tls(gateway.address(), &tls);
    assert_eq!(client.alpn(), Some("h2"));
    let connect = connect_request(&host);
    assert_eq!(client.request(connect).status, 200);
    assert_eq!(client.get("/", &host).status, 200);
    // Other HTTP/1.1 requests are not understood on a connection that selected `h2`.
    let mut client = Client::connect_tls(gateway.address(), &tls);
    client.send(format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n"));
    assert!(!client.read_to_end().starts_with(b"HTTP/1.1"));
}

#[test]
fn certificates_and_listeners_go_by_name() {
    let setup = TestSetup::new();
    let (one, wild, any) = (
        setup.ca.issue(["one.example"]),
        setup.ca.issue(["*.wild.example"]),
        setup.ca.issue(["gw.example"]),
    );
    let listeners = [
        listener("one", "one.example", "one"),
        listener("wild", "*.wild.example", "wild"),
        listener("any", "", "any"),
    ];
    let secrets = [
        tls_secret("one", &one),
        tls_secret("wild", &wild),
        tls_secret("any", &any),
    ];
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    let gateway = setup.start(&listeners.concat(), &secrets);
    for (name, expected) in [
        ("one.example", &one),
        ("x.wild.example", &wild),
        ("gw.example", &any),
    ] {
        let client = setup.client(&gateway, name);
        let seen = client.peer_certificate();
        assert_eq!(seen, expected.certificate_der(), "{name}");
    }
    // Requests for another listener are misdirected, because its certificate may not be the one that the client verified.
    let mut client = setup.client(&gateway, "gw.example");
    let response = client.get("/", "one.example");
    assert_eq!(response.status, 421, "{response:?}");
    assert_eq!(client.get("/", &setup.host()).status, 200);
    let record = &gateway.wait_for_records(1)[0];
    assert_eq!(record["reason"], "misdirected");
}

#[test]
fn who_asks_for_no_listener_is_told_so() {
    let setup = TestSetup::new();
    let identity = setup.ca.issue(["one.example"]);
    let one = listener("one", "one.example", "one");
    let gateway = setup.start(&one, &[&tls_secret("one", &identity)]);
    for (name, alert) in [
        ("two.example", "UnrecognisedName"),
        ("127.0.0.1", "MissingExtension"),
    ] {
        let error = refusal(&gateway, &TlsClient::new(&setup.ca, name, H1));
        assert!(error.to_string().contains(alert), "{name}: {error}");
    }
}

#[test]
fn several_certificates_of_a_listener_go_by_name_too() {
    let setup = TestSetup::new();
    let (one, two) = (
        setup.ca.issue(["one.example"]),
        setup.ca.issue(["two.example"]),
    );
    let both = listener("https", "", "one").replace("{name: one}", "{name: one}, {name: two}");
    let gateway = setup.start(&both, &[&tls_secret("one", &one), &tls_secret("two", &two)]);
    for (name, expected) in [("one.example", &one), ("two.example", &two)] {
        let client = setup.client(&gateway, name);
        assert_eq!(
            client.peer_certificate(),
            expected.certificate_der(),
            "{name}"
        );
    }
}

#[test]
fn old_versions_are_refused_where_configured() {
    let setup = TestSetup::new();
    let identity = setup.ca.issue(["gw.example"]);
    let secret = tls_secret("gw", &identity);
    let old = TlsClient::old(&setup.ca, "gw.example", H1);
    let gateway = setup.start(&listener("https", "", "gw"), &[&secret]);
    let mut client = Client::connect_tls(gateway.address(), &old);
    assert_eq!(client.get("/", &setup.host()).status, 200);
    let strict = "      options: {kgateway.dev/min-tls-version: '1.3'}\n";
    let gateway = setup.start(&listener_with("https", "", "gw", strict), &[&secret]);
    let error = refusal(&gateway, &old);
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
    let failed = "egret_downstream_tls_handshakes_total{result=\"failed\"}";
    gateway.wait_for_metric(failed, 1.0);
}

#[test]
fn protocols_are_those_configured() {
    let setup = TestSetup::new();
    let identity = setup.ca.issue(["gw.example"]);
    let secret = tls_secret("gw", &identity);
    let only = "      options: {kgateway.dev/alpn-protocols: http/1.1}\n";
    let gateway = setup.start(&listener_with("https", "", "gw", only), &[&secret]);
    let both = TlsClient::new(&setup.ca, "gw.example", &["h2", "http/1.1"]);
    let client = Client::connect_tls(gateway.address(), &both);
    assert_eq!(client.alpn(), Some("http/1.1"));
    // A client that offers only unsupported protocols is refused; a client without ALPN is served.
    let error = refusal(&gateway, &TlsClient::new(&setup.ca, "gw.example", &["h2"]));
    assert!(
        error.to_string().contains("NoApplicationProtocol"),
        "{error}"
    );
    let silent = TlsClient::new(&setup.ca, "gw.example", &[]);
    let mut client = Client::connect_tls(gateway.address(), &silent);
    assert_eq!(client.get("/", &setup.host()).status, 200);
}

#[test]
fn a_renewed_certificate_is_for_those_who_come() {
    let setup = TestSetup::new();
    let (old, new) = (
        setup.ca.issue(["gw.example"]),
        setup.ca.issue(["gw.example"]),
    );
    let yaml = |identity| setup.yaml(&listener("https", "", "gw"), &[&tls_secret("gw", identity)]);
    let mut gateway = Gateway::start(&yaml(&old));
    let mut early = setup.client(&gateway, "gw.example");
    assert_eq!(early.peer_certificate(), old.certificate_der());
    gateway.apply(&yaml(&new));
    let late = setup.client(&gateway, "gw.example");
    assert_eq!(late.peer_certificate(), new.certificate_der());
    // Open connections are not disturbed.
    assert_eq!(early.get("/", &setup.host()).status, 200);
}

#[test]
fn sessions_are_resumed() {
    let setup = TestSetup::new();
    let gateway = setup.simple();
    let tls = TlsClient::new(&setup.ca, "gw.example", H1);
    for resumed in [false, true] {
        let mut client = Client::connect_tls(gateway.address(), &tls);
        // The session ticket arrives with the first response.
        assert_eq!(client.get("/", &setup.host()).status, 200);
        assert_eq!(client.is_resumed(), resumed);
    }
    let resumed = "egret_downstream_tls_handshakes_total{result=\"resumed\"}";
    gateway.wait_for_metric(resumed, 1.0);
}

/// A ListenerPolicy that requires client certificates of this CA, and the ConfigMap with the CA.
fn validation(ca: &Ca, mode: &str) -> [String; 2] {
    let policy = format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: ListenerPolicy
metadata: {{name: clients, namespace: kgateway-system}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: http}}]
  default:
    clientCertificateValidation:
      mode: {mode}
      caCertificateRefs: [{{group: '', kind: ConfigMap, name: clients}}]
"
    );
    let ca = format!(
        "apiVersion: v1
kind: ConfigMap
metadata: {{name: clients, namespace: kgateway-system}}
data:
  ca.crt: {:?}
",
        ca.pem()
    );
    [policy, ca]
}

#[test]
fn clients_have_to_show_certificates_where_configured() {
    let setup = TestSetup::new();
    let clients = Ca::new();
    let identity = setup.ca.issue(["gw.example"]);
    let (known, stranger) = (clients.issue(["client"]), setup.ca.issue(["client"]));
    let anonymous = TlsClient::new(&setup.ca, "gw.example", H1);
    let known = TlsClient::showing(&setup.ca, "gw.example", H1, &known);
    let stranger = TlsClient::showing(&setup.ca, "gw.example", H1, &stranger);
    let start = |mode| {
        let [policy, ca] = validation(&clients, mode);
        let gateway = listener("https", "", "gw");
        setup.start(&gateway, &[&tls_secret("gw", &identity), &policy, &ca])
    };
    let is_served = |gateway: &Gateway, tls: &TlsClient| {
        let served = Client::try_connect_tls(gateway.address(), tls).and_then(|mut client| {
            client.try_send(format!("GET / HTTP/1.1\r\nhost: {}\r\n\r\n", setup.host()))?;
            client.try_read_response()
        });
        served.is_ok_and(|response| response.status == 200)
    };
    let required = start("Require");
    assert!(is_served(&required, &known));
    assert!(!is_served(&required, &anonymous));
    assert!(!is_served(&required, &stranger));
    let error = refusal(&required, &anonymous);
    assert!(error.to_string().contains("CertificateRequired"), "{error}");
    // One connection was served, and three were refused.
    let records = required.wait_for_records(4);
    let failed = records
        .iter()
        .filter(|record| record["reason"] == "client_tls");
    let failed: Vec<_> = failed.collect();
    assert_eq!(failed.len(), 3, "{records:?}");
    assert!(failed.iter().all(|record| record["sni"] == "gw.example"));
    let refusals = "egret_refusals_total{reason=\"client_tls\"}";
    assert_eq!(required.metric(refusals), 3.0);
    let optional = start("Optional");
    assert!(is_served(&optional, &known));
    assert!(is_served(&optional, &anonymous));
    assert!(!is_served(&optional, &stranger));
}

/// The hash of a certificate is enough to say who may come, whoever issued the certificate.
#[test]
fn clients_can_be_known_by_their_certificate_alone() {
    let setup = TestSetup::new();
    let identity = setup.ca.issue(["gw.example"]);
    let (known, stranger) = (Ca::new().issue(["client"]), Ca::new().issue(["client"]));
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &known.certificate_der());
    let hash: String = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let options = format!("      options: {{kgateway.dev/verify-certificate-hash: '{hash}'}}\n");
    let listener = listener_with("https", "", "gw", &options);
    let gateway = setup.start(&listener, &[&tls_secret("gw", &identity)]);
    let shows = |identity| TlsClient::showing(&setup.ca, "gw.example", H1, identity);
    let mut client = Client::connect_tls(gateway.address(), &shows(&known));
    assert_eq!(client.get("/", &setup.host()).status, 200);
    refusal(&gateway, &shows(&stranger));
    let error = refusal(&gateway, &TlsClient::new(&setup.ca, "gw.example", H1));
    assert!(error.to_string().contains("CertificateRequired"), "{error}");
}

/// A connection from before the change has presented no certificate, and must not be used after it.
#[test]
fn who_came_before_certificates_were_asked_for_has_to_come_again() {
    let setup = TestSetup::new();
    let clients = Ca::new();
    let identity = tls_secret("gw", &setup.ca.issue(["gw.example"]));
    let listener = listener("https", "", "gw");
    let mut gateway = setup.start(&listener, &[&identity]);
    let mut http1 = setup.client(&gateway, "gw.example");
    let tls = TlsClient::new(&setup.ca, "gw.example", &["h2"]);
    let http2 = Http2Client::connect_tls(gateway.address(), &tls);
    let uri = format!("https://{}/", setup.host());
    assert_eq!(http1.get("/", &setup.host()).status, 200);
    assert_eq!(http2.get(&uri).status, 200);
    let silent = RawServer::silent();
    let authority = format!("a.example:{}", silent.port());
    let mut tunnel = setup.client(&gateway, "gw.example");
    let request = connect_request(&authority);
    assert_eq!(tunnel.request(request).status, 200);
    let [policy, ca] = validation(&clients, "Require");
    gateway.apply(&setup.yaml(&listener, &[&identity, &policy, &ca]));
    let response = http1.get("/", &setup.host());
    assert_eq!(response.status, 421, "{response:?}");
    assert_eq!(response.header("connection"), Some("close"));
    assert_eq!(http2.get(&uri).status, 421);
    http2.until_closed();
    assert!(tunnel.is_closed());
    // A change that does not affect client certificates keeps connections open.
    let known = TlsClient::showing(&setup.ca, "gw.example", H1, &clients.issue(["client"]));
    let mut known = Client::connect_tls(gateway.address(), &known);
    let other = policy.replace("default:", "default:\n    httpSettings: {idleTimeout: 77s}");
    gateway.apply(&setup.yaml(&listener, &[&identity, &other, &ca]));
    assert_eq!(known.get("/", &setup.host()).status, 200);
}

#[test]
fn a_client_that_never_finishes_its_handshake_is_closed() {
    let setup = TestSetup::new();
    let identity = setup.ca.issue(["gw.example"]);
    let policy = &listener_policy("limits", "{transportSocketConnectTimeout: 200ms}");
    let gateway = setup.start(
        &listener("https", "", "gw"),
        &[&tls_secret("gw", &identity), policy],
    );
    let mut silent = Client::connect(gateway.address());
    assert!(silent.is_closed());
    let mut half = Client::connect(gateway.address());
    half.send([0x16, 3, 1, 2, 0, 1, 0]);
    half.read_to_end();
}

#[test]
fn what_is_no_tls_is_told_so() {
    let setup = TestSetup::new();
    let gateway = setup.simple();
    let mut plain = Client::connect(gateway.address());
    plain.send("GET / HTTP/1.1\r\nhost: a.example\r\n\r\n");
    let response = plain.read_response();
    assert_eq!(response.status, 400);
    assert!(
        response
            .reason
            .starts_with("Bad Request: this port speaks TLS"),
        "{response:?}"
    );
    assert!(plain.is_closed());
}

#[test]
fn stopping_does_not_wait_for_a_handshake() {
    let setup = TestSetup::new();
    let identity = setup.ca.issue(["gw.example"]);
    let policy = &listener_policy("limits", "{transportSocketConnectTimeout: 300s}");
    let mut gateway = setup.start(
        &listener("https", "", "gw"),
        &[&tls_secret("gw", &identity), policy],
    );
    let config = ClientConfig::builder()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from("gw.example").expect("a name");
    let mut says = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut hello = Vec::new();
    says.write_tls(&mut hello).expect("a hello");
    let mut half = Client::connect(gateway.address());
    half.send(hello);
    // The gateway answers the ClientHello, and the client sends nothing more.
    half.read_exactly(5);
    let drained = gateway.begin_drain(Duration::from_secs(300));
    half.read_to_end();
    let open = gateway.block_on(drained).expect("a proxy that stops");
    assert_eq!(open, 0);
}

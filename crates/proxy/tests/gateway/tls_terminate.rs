//! TLS that is terminated for a TLSRoute: what it carries is relayed to the backend of the server name (SNI).

use egret_testkit::gateway::{
    LOOPBACK, documents, egress_policy, listener_policy, resolver_policy, tls_secret,
};
use egret_testkit::upstream::UpstreamTls;
use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{Ca, Client, ClosedPort, DnsServer, Gateway, TlsClient, Upstream};

const GATEWAY: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: http, namespace: kgateway-system}
spec:
  gatewayClassName: kgateway
  listeners:
  - {name: terminate, protocol: TLS, port: 8443, hostname: '*.example', tls: {mode: Terminate, certificateRefs: [{name: gw}]}}
";

/// A listener for the names below `through.example` whose TLS is passed through, and one of HTTPS.
const MIXED: &str = "  - {name: through, protocol: TLS, port: 8443, hostname: '*.through.example', tls: {mode: Passthrough}}
  - {name: https, protocol: HTTPS, port: 8443, hostname: web.example, tls: {certificateRefs: [{name: gw}]}}
";

const WEB: &str = "\
apiVersion: gateway.kgateway.dev/v1alpha1
kind: DirectResponse
metadata: {name: hello, namespace: kgateway-system}
spec: {status: 200, body: hello}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: kgateway-system}
spec:
  parentRefs: [{name: http, sectionName: https}]
  rules:
  - filters:
    - {type: ExtensionRef, extensionRef: {group: gateway.kgateway.dev, kind: DirectResponse, name: hello}}
";

struct TestSetup {
    ca: Ca,
    dns: DnsServer,
}

impl TestSetup {
    fn new() -> Self {
        let dns = DnsServer::with_a_example();
        dns.a("a.through.example", ["127.0.0.1"], 60);
        dns.a("blocked.example", ["127.0.0.1"], 60);
        Self { ca: Ca::new(), dns }
    }

    /// The Gateway with a TLSRoute for every name, to a Backend with this spec and, if it takes one, this port.
    fn yaml(&self, backend: &str, port: Option<u16>) -> String {
        let port = port.map_or_else(String::new, |port| format!(", port: {port}"));
        let route = format!(
            "apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: backend, namespace: kgateway-system}}
spec: {backend}
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {{name: any, namespace: kgateway-system}}
spec:
  parentRefs: [{{name: http}}]
  hostnames: ['*.example']
  rules: [{{name: all, backendRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: backend{port}}}]}}]
"
        );
        let identity = self
            .ca
            .issue(["a.example", "blocked.example", "web.example"]);
        documents(&[
            GATEWAY,
            &route,
            LOOPBACK,
            &resolver_policy(self.dns.addr(), ""),
            &tls_secret("gw", &identity),
        ])
    }

    /// As [`TestSetup::yaml`], to the names that clients ask for at this port.
    fn dynamic(&self, port: u16) -> String {
        self.yaml("{dynamicForwardProxy: {}}", Some(port))
    }

    /// A ConfigMap with the CA of clients.
    fn clients_ca(&self) -> String {
        format!(
            "apiVersion: v1
kind: ConfigMap
metadata: {{name: clients, namespace: kgateway-system}}
data: {{ca.crt: {:?}}}
",
            self.ca.pem()
        )
    }

    fn tls(&self, name: &str) -> TlsClient {
        TlsClient::new(&self.ca, name, &["h2", "http/1.1"])
    }

    fn connect(&self, gateway: &Gateway, name: &str) -> Client {
        Client::connect_tls(gateway.address(), &self.tls(name))
    }
}

fn echoed(client: &mut Client, bytes: &str) {
    client.send(bytes);
    assert_eq!(client.read_exactly(bytes.len()), bytes.as_bytes());
}

#[test]
fn what_the_tls_carries_reaches_the_backend_and_ends_with_it() {
    let (setup, server, down) = (TestSetup::new(), RawServer::echo(), ClosedPort::start());
    let hosts = format!(
        "{{type: Static, static: {{hosts: [{{host: 127.0.0.1, port: {}}}, {{host: 127.0.0.1, port: {}}}]}}}}",
        down.addr().port(),
        server.port()
    );
    for yaml in [setup.yaml(&hosts, None), setup.dynamic(server.port())] {
        let gateway = Gateway::start(&yaml);
        let mut client = setup.connect(&gateway, "a.example");
        // It is unknown what the backend understands.
        assert_eq!(client.alpn(), None);
        echoed(&mut client, "anything");
        client.shutdown_write();
        assert!(client.is_closed());
        assert_eq!(server.received().last().unwrap(), b"anything");
        let record = &gateway.wait_for_records(1)[0];
        for (field, expected) in [
            ("sni", "a.example"),
            ("protocol", "TLS"),
            ("listener", "kgateway-system/http/terminate"),
            ("route", "kgateway-system/any/all"),
            ("verdict", "allow"),
            ("upstream", &server.addr().to_string()),
        ] {
            assert_eq!(record[field], expected, "{field}: {record}");
        }
        assert_eq!(record["bytes_received"], 8, "{record}");
        assert_eq!(record["bytes_sent"], 8, "{record}");
        assert!(record.get("status").is_none(), "{record}");
        gateway.wait_for_metric("egret_tunnels_opened_total{kind=\"terminate\"}", 1.0);
        gateway.wait_for_metric("egret_tunnels", 0.0);
    }
}

#[test]
fn one_port_has_listeners_that_terminate_and_one_that_does_not() {
    let setup = TestSetup::new();
    let (plain, secure) = (
        RawServer::echo(),
        Upstream::start_tls(UpstreamTls::of(&setup.ca, ["a.through.example"])),
    );
    let mixed = format!("{GATEWAY}{MIXED}");
    let through = format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {{name: through, namespace: kgateway-system}}
spec:
  parentRefs: [{{name: http, sectionName: through}}]
  hostnames: [a.through.example]
  rules: [{{backendRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: backend, port: {}}}]}}]
",
        secure.port()
    );
    let yaml = setup.dynamic(plain.port()).replace(GATEWAY, &mixed);
    let gateway = Gateway::start(&documents(&[&yaml, &through, WEB]));
    echoed(&mut setup.connect(&gateway, "a.example"), "terminated");
    let http1 = TlsClient::new(&setup.ca, "a.through.example", &["http/1.1"]);
    let mut passed = Client::connect_tls(gateway.address(), &http1);
    assert_eq!(passed.get("/", "a.through.example").status, 200);
    assert_eq!(
        secure.handshakes()[0].sni.as_deref(),
        Some("a.through.example")
    );
    let http1 = TlsClient::new(&setup.ca, "web.example", &["http/1.1"]);
    let mut web = Client::connect_tls(gateway.address(), &http1);
    assert_eq!(web.get("/", "web.example").body, b"hello");
    // The connections of the other listeners carry no HTTP.
    assert_ne!(web.get("/", "a.example").status, 200);
}

#[test]
fn it_is_encrypted_anew_where_the_backend_is_reached_over_tls() {
    let setup = TestSetup::new();
    let upstream = Upstream::start_tls(UpstreamTls::of(&setup.ca, ["a.example"]));
    let yaml = setup.yaml(
        "{dynamicForwardProxy: {enableTls: true}}",
        Some(upstream.port()),
    );
    let gateway = Gateway::start_trusting(&yaml, [&setup.ca]);
    let mut client = setup.connect(&gateway, "a.example");
    assert_eq!(client.get("/bytes/100000", "a.example").body.len(), 100_000);
    let seen = &upstream.handshakes()[0];
    assert_eq!(seen.sni.as_deref(), Some("a.example"));
    // What the server would agree on is not for the gateway to say.
    assert_eq!(seen.alpn, None);
    drop(client);
    // A certificate that is not trusted ends it before anything is sent.
    let gateway = Gateway::start_trusting(&yaml, [&Ca::new()]);
    let mut client = setup.connect(&gateway, "a.example");
    assert!(client.is_closed());
    let record = &gateway.wait_for_records(1)[0];
    assert_eq!(record["reason"], "tls_certificate", "{record}");
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn policies_decide_before_anything_leaves() {
    let (setup, server) = (TestSetup::new(), RawServer::echo());
    let deny = egress_policy(
        "blocked",
        "rules: [{name: no, action: Deny, hosts: [blocked.example]}]",
    );
    let yaml = documents(&[&setup.dynamic(server.port()), &deny]);
    let gateway = Gateway::start(&yaml);
    let mut client = setup.connect(&gateway, "blocked.example");
    assert!(client.is_closed());
    let record = &gateway.wait_for_records(1)[0];
    assert_eq!(record["reason"], "egress_policy", "{record}");
    assert_eq!(record["status"], 403, "{record}");
    assert_eq!(setup.dns.queries_for("blocked.example"), 0);
    // Nor is an address dialled that is not allowed.
    let guarded = setup.dynamic(server.port()).replace(LOOPBACK, "");
    let gateway = Gateway::start(&guarded);
    let mut client = setup.connect(&gateway, "a.example");
    assert!(client.is_closed());
    let record = &gateway.wait_for_records(1)[0];
    assert_eq!(record["reason"], "address_denied", "{record}");
    assert_eq!(server.connections(), 0);
    // A client without a server name is told before the handshake.
    let nameless = Client::try_connect_tls(gateway.address(), &setup.tls("127.0.0.1"));
    let told = nameless.err().unwrap().to_string();
    assert!(told.contains("MissingExtension"), "{told}");
}

#[test]
fn a_change_that_denies_it_ends_it() {
    let (setup, server) = (TestSetup::new(), RawServer::echo());
    let whole = setup.dynamic(server.port());
    let deny = egress_policy("a", "rules: [{name: no, action: Deny, hosts: [a.example]}]");
    let certificates = listener_policy(
        "clients",
        "{clientCertificateValidation: {mode: Require, caCertificateRefs: [{group: '', kind: ConfigMap, name: clients}]}}",
    );
    let ca = setup.clients_ca();
    for changed in [
        documents(&[&whole, &deny]),
        whole.replace("mode: Terminate", "mode: Passthrough"),
        documents(&[&whole, &certificates, &ca]),
    ] {
        let mut gateway = Gateway::start(&whole);
        let mut client = setup.connect(&gateway, "a.example");
        echoed(&mut client, "x");
        // What does not concern it does not end it.
        gateway.apply(&documents(&[&whole, &egress_policy("other", "rules: []")]));
        echoed(&mut client, "y");
        gateway.apply(&changed);
        assert!(client.is_closed(), "{changed}");
        let record = &gateway.wait_for_records(1)[0];
        assert_eq!(record["reason"], "policy_changed", "{record}");
    }
}

#[test]
fn clients_can_be_asked_for_certificates_and_known_by_them() {
    let (setup, server) = (TestSetup::new(), RawServer::echo());
    let frontend = "  tls:
    frontend:
      default: {validation: {caCertificateRefs: [{group: '', kind: ConfigMap, name: clients}]}}
  listeners:
";
    let ca = setup.clients_ca();
    let yaml = setup.dynamic(server.port());
    let yaml = yaml.replace("  listeners:\n", frontend);
    let only = egress_policy(
        "only",
        "defaultAction: Deny\n  rules: [{name: one, action: Allow, clients: [{certificate: one.example}]}]",
    );
    let gateway = Gateway::start(&documents(&[&yaml, &ca, &only]));
    let known = setup.ca.issue(["one.example"]);
    let known = TlsClient::showing(&setup.ca, "a.example", &[], &known);
    let mut client = Client::connect_tls(gateway.address(), &known);
    echoed(&mut client, "known");
    let other = setup.ca.issue(["other.example"]);
    let other = TlsClient::showing(&setup.ca, "a.example", &[], &other);
    let mut client = Client::connect_tls(gateway.address(), &other);
    assert!(client.is_closed());
    let mut client = setup.connect(&gateway, "a.example");
    // With TLS 1.3 a client learns after the handshake that its certificate is missed.
    let refusal = client.try_read_response().err().unwrap().to_string();
    assert!(refusal.contains("CertificateRequired"), "{refusal}");
    assert_eq!(server.connections(), 1);
}

/// The key of the certificate is on the curve P-256.
#[test]
fn a_listener_signs_with_the_algorithms_of_its_options_alone() {
    let (setup, server) = (TestSetup::new(), RawServer::echo());
    for (algorithms, is_served) in [
        ("signature-algorithms: ecdsa_secp256r1_sha256", true),
        ("signature-algorithms: 'ed25519,rsa_pss_rsae_sha256'", false),
        ("ecdh-curves: 'P-384'", true),
        ("cipher-suites: ECDHE-RSA-AES128-GCM-SHA256", true),
        (
            "max-tls-version: '1.2', kgateway.dev/cipher-suites: ECDHE-RSA-AES128-GCM-SHA256",
            false,
        ),
    ] {
        let options = format!("options: {{kgateway.dev/{algorithms}}}, mode: Terminate");
        let yaml = setup
            .dynamic(server.port())
            .replace("mode: Terminate", &options);
        let gateway = Gateway::start(&yaml);
        let client = Client::try_connect_tls(gateway.address(), &setup.tls("a.example"));
        assert_eq!(client.is_ok(), is_served, "{algorithms}");
    }
}

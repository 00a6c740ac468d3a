//! Rules of EgressPolicies for clients by their certificate, in every form of request over TLS.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use egret_testkit::client::connect_request;
use egret_testkit::gateway::{
    LOOPBACK, documents, egress_policy, listener_policy, resolver_policy, tls_secret,
};
use egret_testkit::{
    Ca, Client, DnsServer, Gateway, Http2Client, IssuedCertificate, TlsClient, Upstream,
};

/// Allows a.example to the client whose certificate is for api.example, and to the one whose subject is `CN=batch`.
const RULES: &str = "defaultAction: Deny
  rules:
  - {name: api, action: Allow, hosts: [a.example], clients: [{certificate: API.example}]}
  - {name: batch, action: Allow, hosts: [a.example], clients: [{certificate: CN=batch}]}";

struct TestSetup {
    ca: Ca,
    clients: Ca,
    upstream: Upstream,
    dns: DnsServer,
    identity: IssuedCertificate,
}

impl TestSetup {
    fn new() -> Self {
        let ca = Ca::new();
        let identity = ca.issue(["gw.example"]);
        Self {
            ca,
            identity,
            clients: Ca::new(),
            upstream: Upstream::start(),
            dns: DnsServer::with_a_example(),
        }
    }

    /// A configuration that asks for client certificates and validates those that are shown, under these rules.
    fn yaml(&self, rules: &str) -> String {
        let policy = listener_policy(
            "clients",
            "{clientCertificateValidation: {mode: Optional, caCertificateRefs: [{group: '', kind: ConfigMap, name: clients}]}}",
        );
        documents(&[&self.base(""), &policy, &egress_policy("rules", rules)])
    }

    /// A configuration that accepts every client certificate without validation.
    fn yaml_of_insecure(&self, rules: &str) -> String {
        let frontend = "  tls:
    frontend:
      default:
        validation:
          mode: AllowInsecureFallback
          caCertificateRefs: [{group: '', kind: ConfigMap, name: clients}]
";
        documents(&[&self.base(frontend), &egress_policy("rules", rules)])
    }

    /// A gateway with these lines in its spec.
    fn base(&self, lines: &str) -> String {
        let gateway = format!(
            "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: http, namespace: kgateway-system}}
spec:
  gatewayClassName: kgateway
{lines}  listeners:
  - name: https
    port: 8443
    protocol: HTTPS
    allowedRoutes: {{namespaces: {{from: All}}}}
    tls: {{certificateRefs: [{{name: gw}}]}}
"
        );
        let ca = format!(
            "apiVersion: v1
kind: ConfigMap
metadata: {{name: clients, namespace: kgateway-system}}
data:
  ca.crt: {:?}
",
            self.clients.pem()
        );
        documents(&[
            &gateway,
            &tls_secret("gw", &self.identity),
            include_str!("../../../../examples/quickstart/backend.yaml"),
            include_str!("../../../../examples/quickstart/httproute.yaml"),
            LOOPBACK,
            &resolver_policy(self.dns.addr(), ""),
            &ca,
        ])
    }

    fn authority(&self) -> String {
        format!("a.example:{}", self.upstream.port())
    }

    fn tls(&self, alpn: &str, certificate: Option<&IssuedCertificate>) -> TlsClient {
        match certificate {
            Some(shown) => TlsClient::showing(&self.ca, "gw.example", &[alpn], shown),
            None => TlsClient::new(&self.ca, "gw.example", &[alpn]),
        }
    }

    /// The statuses of a request in each form, from the client with this certificate.
    fn ask(&self, gateway: &Gateway, certificate: Option<&IssuedCertificate>) -> [u16; 5] {
        let (at, address) = (self.authority(), gateway.address());
        let http1 = self.tls("http/1.1", certificate);
        let mut client = Client::connect_tls(address, &http1);
        let host_routed = client.get("/", &at).status;
        let absolute = client.get(&format!("http://{at}/"), &at).status;
        // This connection resumes the session of the first, and has its certificate from there.
        let mut client = Client::connect_tls(address, &http1);
        let connect = client.request(connect_request(&at)).status;
        let client = Http2Client::connect_tls(address, &self.tls("h2", certificate));
        let http2 = client.get(&format!("https://{at}/")).status;
        let mut stream = client.open_tunnel(&at);
        let http2_connect = stream.head().unwrap().status;
        [host_routed, absolute, connect, http2, http2_connect]
    }
}

#[test]
fn a_rule_is_for_the_certificates_that_were_validated() {
    let setup = TestSetup::new();
    let api = setup.clients.issue(["api.example"]);
    let batch = setup.clients.issue_named("batch");
    let other = setup.clients.issue(["other.example"]);
    let gateway = Gateway::start(&setup.yaml(RULES));
    assert_eq!(setup.ask(&gateway, Some(&api)), [200; 5]);
    assert_eq!(setup.ask(&gateway, Some(&batch)), [200; 5]);
    assert_eq!(setup.ask(&gateway, Some(&other)), [403; 5]);
    assert_eq!(setup.ask(&gateway, None), [403; 5]);
    let mut records = gateway.wait_for_records(20);
    records.retain(|record| record["status"] == 200);
    let rules: Vec<_> = records
        .iter()
        .map(|record| record["rule"].as_str())
        .collect();
    let expected = [[Some("api"); 5], [Some("batch"); 5]].concat();
    assert_eq!(rules, expected);
    let resumed = "egret_downstream_tls_handshakes_total{result=\"resumed\"}";
    assert!(gateway.metric(resumed) >= 1.0);
}

/// A certificate that nobody validated can be made by anybody.
#[test]
fn a_certificate_that_is_not_validated_proves_nothing() {
    let setup = TestSetup::new();
    let own = Ca::new().issue(["api.example"]);
    let gateway = Gateway::start(&setup.yaml_of_insecure(RULES));
    assert_eq!(setup.ask(&gateway, Some(&own)), [403; 5]);
    let real = setup.clients.issue(["api.example"]);
    assert_eq!(setup.ask(&gateway, Some(&real)), [403; 5]);
}

#[test]
fn an_open_tunnel_is_judged_again_by_its_certificate() {
    let setup = TestSetup::new();
    let mut gateway = Gateway::start(&setup.yaml(RULES));
    let open = |name: &str| {
        let certificate = setup.clients.issue([name]);
        let tls = setup.tls("http/1.1", Some(&certificate));
        let mut client = Client::connect_tls(gateway.address(), &tls);
        let response = client.request(connect_request(&setup.authority()));
        assert_eq!(response.status, 200);
        client
    };
    let mut tunnel = open("api.example");
    gateway.wait_for_metric("egret_tunnels", 1.0);
    let added = RULES.replace("API.example}", "API.example}, {source: 10.0.0.0/8}");
    gateway.apply(&setup.yaml(&added));
    assert_eq!(tunnel.get("/", &setup.authority()).status, 200);
    gateway.apply(&setup.yaml(&RULES.replace("API", "other")));
    assert!(tunnel.is_closed());
    assert_eq!(gateway.wait_for_records(1)[0]["reason"], "policy_changed");
}

#[test]
fn the_end_of_certificates_is_a_metric() {
    let mut setup = TestSetup::new();
    // The last day of 2030, in seconds of Unix time.
    let end = 1_924_905_600.0;
    setup.identity = setup.ca.issue_for(["gw.example"], Some((2020, 2030)));
    let gateway = Gateway::start(&setup.yaml(RULES));
    let metric = |used: &str| {
        let listener = "kgateway-system/http/https";
        gateway.metric(&format!(
            "egret_tls_certificate_expiry_seconds{{listener=\"{listener}\",use=\"{used}\"}}"
        ))
    };
    assert_eq!(metric("server"), end);
    // The CAs of tests live for ever.
    assert!(metric("client_ca") > end);
}

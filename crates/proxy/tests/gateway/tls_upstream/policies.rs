//! BackendTLSPolicies, and the certificate that a Gateway shows to backends.

use egret_testkit::gateway::{documents, quickstart_config};
use egret_testkit::upstream::UpstreamTls;
use egret_testkit::{Ca, Gateway, IssuedCertificate, Response, Upstream};

use super::{DYNAMIC, UNTRUSTED, assert_refused, dns, secret};

/// A gateway whose only backend is this upstream, with a BackendTLSPolicy that trusts this CA and has these fields.
/// `gateway_tls` is `spec.tls` of the Gateway.
struct BackendTls<'a> {
    upstream: &'a Upstream,
    trusted: &'a Ca,
    validation: &'a str,
    gateway_tls: &'a str,
    secret: &'a str,
}

impl BackendTls<'_> {
    fn ask(&self) -> Response {
        let Self {
            upstream,
            trusted,
            validation,
            gateway_tls,
            secret,
        } = self;
        let fixed = format!(
            "type: Static\n  static: {{hosts: [{{host: 127.0.0.1, port: {}}}]}}",
            upstream.port()
        );
        let class = "  gatewayClassName: kgateway\n";
        let dns = dns();
        let yaml = quickstart_config(dns.addr()).replace(DYNAMIC, &fixed);
        let yaml = yaml.replace(class, &format!("{class}  tls: {gateway_tls}\n"));
        let policy = format!(
            "apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {{name: backend, namespace: httpbin}}
spec:
  targetRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: dfp-backend}}]
  validation:
    caCertificateRefs: [{{group: '', kind: ConfigMap, name: ca}}]
    {validation}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: ca, namespace: httpbin}}
data: {{ca.crt: {:?}}}
",
            trusted.pem()
        );
        Gateway::start(&documents(&[&yaml, &policy, secret])).get("a.example", "/")
    }
}

#[test]
fn a_backend_tls_policy_says_whom_to_trust_and_expect() {
    let (ca, other) = (Ca::new(), Ca::new());
    let upstream = Upstream::start_tls(UpstreamTls::of(&ca, ["backend.example"]));
    let ask = |hostname: &str, trusted: &Ca| {
        let backend = BackendTls {
            upstream: &upstream,
            trusted,
            validation: &format!("hostname: {hostname}"),
            gateway_tls: "{}",
            secret: "",
        };
        backend.ask()
    };
    assert_eq!(ask("backend.example", &ca).status, 200);
    let seen = upstream.handshakes().pop().and_then(|seen| seen.sni);
    assert_eq!(seen.as_deref(), Some("backend.example"));
    let refused = ask("backend.example", &other);
    assert_refused(&refused, "tls_certificate_error", UNTRUSTED);
    let refused = ask("front.example", &ca);
    let told = refused.header("proxy-status").unwrap_or_default();
    assert!(told.contains("tls_certificate_error"), "{told}");
}

#[test]
fn one_of_several_names_is_enough_and_may_be_a_uri() {
    const URI: &str = "spiffe://mesh.example/Backend";
    let (ca, other) = (Ca::new(), Ca::new());
    let ask = |trusted: &Ca, issued: IssuedCertificate, names: &str| {
        let upstream = Upstream::start_tls(UpstreamTls::new(issued));
        let backend = BackendTls {
            upstream: &upstream,
            trusted,
            validation: &format!("hostname: backend.example\n    subjectAltNames: [{names}]"),
            gateway_tls: "{}",
            secret: "",
        };
        let response = backend.ask();
        let sni = upstream.handshakes().pop().and_then(|seen| seen.sni);
        assert!(sni.is_none_or(|sni| sni == "backend.example"));
        response
    };
    let uri = |uri: &str| format!("{{type: URI, uri: '{uri}'}}");
    let name = |name: &str| format!("{{type: Hostname, hostname: {name}}}");
    let issue = || ca.issue_with_uri(["a.example"], URI);
    let both = [name("b.example"), uri("spiffe://other.example/x"), uri(URI)].join(", ");
    for names in [
        &*uri(URI),
        &both,
        &[uri("a://b"), name("a.example")].join(", "),
    ] {
        assert_eq!(ask(&ca, issue(), names).status, 200, "{names}");
    }
    let wrong = "the upstream's certificate is of another name";
    for names in [
        // What is said instead of the hostname is not said beside it.
        name("b.example"),
        uri("spiffe://mesh.example/Backend/"),
        uri("spiffe://mesh.example/backend"),
    ] {
        let refused = ask(&ca, ca.issue_with_uri(["backend.example"], URI), &names);
        let told = refused.header("proxy-status").unwrap_or_default();
        assert!(told.contains(wrong), "{names}: {told}");
    }
    // A name alone proves nothing.
    let refused = ask(&other, issue(), &uri(URI));
    assert_refused(&refused, "tls_certificate_error", UNTRUSTED);
    // A name of another type with the same text is another name.
    let refused = ask(
        &ca,
        ca.issue(["mesh.example"]),
        &uri("spiffe://mesh.example"),
    );
    assert_eq!(refused.status, 502);
}

#[test]
fn a_gateway_shows_its_certificate_to_backends_that_ask_for_one() {
    let (ca, clients) = (Ca::new(), Ca::new());
    let upstream =
        Upstream::start_tls(UpstreamTls::of(&ca, ["backend.example"]).requiring(&clients));
    let ours = clients.issue(["egret.example"]);
    let entries: &[(&str, &str)] = &[
        ("tls.crt", &ours.certificate_pem()),
        ("tls.key", &ours.key_pem()),
    ];
    let secret = secret(entries).replace("httpbin", "kgateway-system");
    let ask = |gateway_tls: &str| {
        let backend = BackendTls {
            upstream: &upstream,
            trusted: &ca,
            validation: "hostname: backend.example",
            gateway_tls,
            secret: &secret,
        };
        backend.ask()
    };
    let response = ask("{backend: {clientCertificateRef: {name: tls}}}");
    assert_eq!(response.status, 200, "{response:?}");
    assert!(upstream.handshakes()[0].client_certificate);
    for without in ["{}", "{backend: {clientCertificateRef: {name: gone}}}"] {
        let required = "the upstream requires a client certificate";
        assert_refused(&ask(without), "tls_protocol_error", required);
    }
}

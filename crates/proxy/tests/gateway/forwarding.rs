//! Proxies before the gateway: whose word about clients is taken, and what upstreams are told of it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use egret_testkit::gateway::{
    LOOPBACK, documents, egress_policy, listener_policy, quickstart_config, tls_secret,
};
use egret_testkit::{Ca, Client, DnsServer, Gateway, TlsClient, Upstream};

/// A gateway whose requests to `fixed.example` go to a static backend, and the others where they say.
struct TestSetup {
    gateway: Gateway,
    upstream: Upstream,
    dns: DnsServer,
}

fn routes(port: u16) -> String {
    format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: fixed, namespace: kgateway-system}}
spec: {{type: Static, static: {{hosts: [{{host: 127.0.0.1, port: {port}}}]}}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: fixed, namespace: kgateway-system}}
spec:
  parentRefs: [{{name: http}}]
  hostnames: [fixed.example]
  rules:
  - matches: [{{headers: [{{name: x-early, value: 'yes'}}]}}]
    filters:
    - {{type: ResponseHeaderModifier, responseHeaderModifier: {{set: [{{name: x-rule, value: early}}]}}}}
    backendRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: fixed}}]
  - backendRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: fixed}}]
"
    )
}

impl TestSetup {
    fn new(settings: &str, more: &[&str]) -> Self {
        let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
        let policy = listener_policy("edge", &format!("{{httpSettings: {{{settings}}}}}"));
        let (base, routes) = (quickstart_config(dns.addr()), routes(upstream.port()));
        let basis = [&*base, &routes, &policy];
        let gateway = Gateway::start(&documents(&[&basis[..], more].concat()));
        Self {
            gateway,
            upstream,
            dns,
        }
    }

    /// What the upstream gets in this field of a request with these fields.
    fn sent(&self, host: &str, fields: &str, name: &str) -> Option<String> {
        let mut client = self.gateway.connect();
        let response = client.request(format!("GET / HTTP/1.1\r\nhost: {host}\r\n{fields}\r\n"));
        assert_eq!(response.status, 200, "{response:?}");
        let seen = self.upstream.requests().pop().unwrap();
        seen.header(name).map(str::to_owned)
    }

    /// The client of the last of so many exchanges.
    fn client(&self, count: usize) -> String {
        let record = self.gateway.wait_for_records(count).pop().unwrap();
        record["client"].as_str().unwrap().to_owned()
    }
}

const FOR: &str = "x-forwarded-for: 9.9.9.9, 8.8.8.8\r\nx-forwarded-proto: https\r\n";

#[test]
fn whose_word_is_taken() {
    for (settings, client, told, scheme) in [
        (
            "generateRequestId: true",
            "127.0.0.1:",
            Some("127.0.0.1"),
            "http",
        ),
        (
            "useRemoteAddress: true",
            "127.0.0.1:",
            Some("9.9.9.9, 8.8.8.8,127.0.0.1"),
            "http",
        ),
        (
            "xffNumTrustedHops: 1",
            "8.8.8.8:0",
            Some("9.9.9.9, 8.8.8.8,127.0.0.1"),
            "https",
        ),
        (
            "xffNumTrustedHops: 2, skipXFFAppend: true",
            "9.9.9.9:0",
            Some("9.9.9.9, 8.8.8.8"),
            "https",
        ),
        (
            "xffNumTrustedHops: 3",
            "127.0.0.1:",
            Some("9.9.9.9, 8.8.8.8,127.0.0.1"),
            "https",
        ),
        (
            "useRemoteAddress: false",
            "8.8.8.8:0",
            Some("9.9.9.9, 8.8.8.8"),
            "https",
        ),
        (
            "useRemoteAddress: false, xffNumTrustedHops: 1",
            "9.9.9.9:0",
            Some("9.9.9.9, 8.8.8.8"),
            "https",
        ),
        (
            "useRemoteAddress: false, xffTrustedCIDRs: [127.0.0.0/8, 8.8.8.8]",
            "9.9.9.9:0",
            Some("9.9.9.9, 8.8.8.8"),
            "https",
        ),
        (
            "useRemoteAddress: false, xffTrustedCIDRs: [10.0.0.0/8], skipXFFAppend: false",
            "127.0.0.1:",
            Some("9.9.9.9, 8.8.8.8,127.0.0.1"),
            "http",
        ),
    ] {
        let setup = TestSetup::new(settings, &[]);
        let sent = |name| setup.sent("fixed.example", FOR, name);
        assert_eq!(sent("x-forwarded-for").as_deref(), told, "{settings}");
        assert_eq!(
            sent("x-forwarded-proto").as_deref(),
            Some(scheme),
            "{settings}"
        );
        let logged = setup.client(2);
        assert!(logged.starts_with(client), "{settings}: {logged}");
        // A dynamic destination is told nothing.
        let host = format!("a.example:{}", setup.upstream.port());
        assert_eq!(setup.sent(&host, FOR, "x-forwarded-for"), None);
        assert_eq!(setup.sent(&host, FOR, "x-forwarded-proto"), None);
        let _ = &setup.dns;
    }
}

#[test]
fn rules_are_asked_about_the_client_that_is_meant() {
    let rules = "rules: [{name: no, action: Deny, clients: [{source: 9.9.9.0/24}]}]";
    let policy = egress_policy("clients", rules);
    let setup = TestSetup::new("xffNumTrustedHops: 1", &[&policy]);
    let status = |fields: &str| {
        let mut client = setup.gateway.connect();
        let request = format!("GET / HTTP/1.1\r\nhost: fixed.example\r\n{fields}\r\n");
        client.request(request).status
    };
    assert_eq!(status("x-forwarded-for: 9.9.9.9\r\n"), 403);
    assert_eq!(status("x-forwarded-for: 9.9.9.9, 8.8.8.8\r\n"), 200);
    assert_eq!(status(""), 200);
}

#[test]
fn headers_are_changed_before_rules_are_asked() {
    let setup = TestSetup::new(
        "earlyRequestHeaderModifier: {set: [{name: x-early, value: 'yes'}], remove: [x-gone]}",
        &[],
    );
    let answer = setup.gateway.get("fixed.example", "/");
    assert_eq!(answer.header("x-rule"), Some("early"));
    let host = format!("a.example:{}", setup.upstream.port());
    assert_eq!(setup.sent(&host, "x-gone: 1\r\n", "x-gone"), None);
    assert_eq!(setup.sent(&host, "", "x-early").as_deref(), Some("yes"));
}

/// What the upstream gets of the certificate of a client that proves one, and of one that does not.
fn told(mode: &str, proves: bool) -> Option<String> {
    let (ca, clients) = (Ca::new(), Ca::new());
    let upstream = Upstream::start();
    let identity = ca.issue_with_uri(["fixed.example"], "spiffe://own/gw");
    let server = tls_secret("gw", &identity);
    let authority = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: clients, namespace: kgateway-system}}\ndata:\n  ca.crt: {:?}\n",
        clients.pem()
    );
    let gateway = "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: http, namespace: kgateway-system}
spec:
  gatewayClassName: kgateway
  listeners:
  - {name: https, protocol: HTTPS, port: 8443, tls: {certificateRefs: [{name: gw}]}}
";
    let policy = listener_policy(
        "edge",
        &format!(
            "{{clientCertificateValidation: {{mode: Optional, caCertificateRefs: [{{group: '', kind: ConfigMap, name: clients}}]}}, \
             httpSettings: {{forwardClientCertDetails: {mode}}}}}"
        ),
    );
    let gateway = Gateway::start(&documents(&[
        gateway,
        &routes(upstream.port()),
        LOOPBACK,
        &server,
        &authority,
        &policy,
    ]));
    let own = clients.issue_with_uri(["client.example"], "spiffe://prod/a");
    let tls = if proves {
        TlsClient::showing(&ca, "fixed.example", &["http/1.1"], &own)
    } else {
        TlsClient::new(&ca, "fixed.example", &["http/1.1"])
    };
    let mut client = Client::connect_tls(gateway.address(), &tls);
    let forged = "x-forwarded-client-cert: Hash=ff\r\n";
    let response = client.request(format!(
        "GET / HTTP/1.1\r\nhost: fixed.example\r\n{forged}\r\n"
    ));
    assert_eq!(response.status, 200, "{response:?}");
    let seen = upstream.requests().pop().unwrap();
    seen.header("x-forwarded-client-cert").map(str::to_owned)
}

#[test]
fn upstreams_are_told_of_certificates_as_the_policy_says() {
    assert_eq!(told("{mode: Sanitize}", true), None);
    assert_eq!(
        told("{mode: AlwaysForwardOnly}", false).as_deref(),
        Some("Hash=ff")
    );
    assert_eq!(
        told("{mode: ForwardOnly}", true).as_deref(),
        Some("Hash=ff")
    );
    for mode in ["ForwardOnly", "AppendForward", "SanitizeSet"] {
        assert_eq!(told(&format!("{{mode: {mode}}}"), false), None, "{mode}");
    }
    let appended = told(
        "{mode: AppendForward, details: {dns: true, uri: true}}",
        true,
    )
    .unwrap();
    let (first, own) = appended.split_once(',').unwrap();
    assert_eq!(first, "Hash=ff");
    assert!(own.starts_with("By=spiffe://own/gw;Hash="), "{own}");
    assert!(
        own.ends_with(";URI=spiffe://prod/a;DNS=client.example"),
        "{own}"
    );
    let set = told("{details: {subject: true}}", true).unwrap();
    assert!(set.contains("Hash=") && !set.contains("Hash=ff"), "{set}");
    assert!(set.contains(";Subject=\""), "{set}");
}

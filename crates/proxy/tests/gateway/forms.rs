//! The same policies give the same verdict to every form of request, and the access log names the same rule.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use egret_testkit::client::connect_request;
use egret_testkit::gateway::{documents, resolver_policy, tls_secret};
use egret_testkit::upstream::{Http2Options, UpstreamTls};
use egret_testkit::{Ca, Client, DnsServer, Gateway, Http2Client, TlsClient, Upstream};
use http::Request;
use serde_json::Value;

/// The hosts that every form of request is tried with, and the expected records.
const CASES: &[VerdictCase] = &[
    VerdictCase::new("a.example", "allow", Some("partners"), None),
    VerdictCase::new("b.example", "deny", Some("not-b"), Some("egress_policy")),
    VerdictCase::new(
        "x.wild.example",
        "deny",
        Some("not-wild"),
        Some("egress_policy"),
    ),
    VerdictCase::new("other.example", "deny", None, Some("egress_policy")),
    // The name is allowed, and its address is that of a private network.
    VerdictCase::new("inside.example", "deny", None, Some("address_denied")),
    // The exceptions are those of other rules.
    VerdictCase::new("outside.example", "deny", None, Some("address_denied")),
    // Rules for some clients.
    VerdictCase::new("near.example", "allow", Some("near"), None),
    VerdictCase::new("far.example", "deny", None, Some("egress_policy")),
    VerdictCase::new("users.example", "deny", None, Some("egress_policy")),
    VerdictCase::new(
        "moved.example",
        "allow",
        Some("partners"),
        Some("dns_error"),
    ),
];

struct VerdictCase {
    host: &'static str,
    verdict: &'static str,
    rule: Option<&'static str>,
    reason: Option<&'static str>,
}

impl VerdictCase {
    const fn new(
        host: &'static str,
        verdict: &'static str,
        rule: Option<&'static str>,
        reason: Option<&'static str>,
    ) -> Self {
        Self {
            host,
            verdict,
            rule,
            reason,
        }
    }
}

const POLICY: &str = "\
apiVersion: egret.dev/v1alpha1
kind: EgressPolicy
metadata: {name: partners, namespace: kgateway-system}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: http}]
  defaultAction: Deny
  rules:
  - {name: not-b, action: Deny, hosts: [b.example]}
  - {name: not-wild, action: Deny, hosts: ['*.wild.example']}
  - name: partners
    action: Allow
    hosts: [a.example, inside.example, moved.example]
    addresses: [127.0.0.1]
  - name: near
    action: Allow
    hosts: [near.example]
    clients: [{source: 127.0.0.0/8}]
    addresses: [127.0.0.0/8]
  - {name: far, action: Allow, hosts: [far.example], clients: [{source: 10.0.0.0/8}]}
  - {name: users, action: Allow, hosts: [users.example], clients: [{user: '*'}, {certificate: a.example}]}
  - {name: outside, action: Allow, hosts: [outside.example]}
";

struct TestSetup {
    ca: Ca,
    dns: DnsServer,
    plain: Upstream,
    secure: Upstream,
    grpc: Upstream,
    gateway: Gateway,
}

impl TestSetup {
    fn new() -> Self {
        let (ca, dns) = (Ca::new(), DnsServer::start());
        // Of two addresses the one that the rule makes an exception for is used.
        dns.a("a.example", ["10.9.9.9", "127.0.0.1"], 60);
        for name in ["near.example", "outside.example"] {
            dns.a(name, ["127.0.0.1"], 60);
        }
        dns.a("inside.example", ["10.1.2.3"], 60);
        dns.nxdomain("moved.example");
        let plain = Upstream::start();
        let secure = Upstream::start_tls(UpstreamTls::of(&ca, ["a.example", "near.example"]));
        let grpc = Upstream::start_http2(Http2Options::default());
        let identity = ca.issue(["gw.example"]);
        let yaml = yaml(&dns, secure.port(), &identity);
        Self {
            gateway: Gateway::start(&yaml),
            ca,
            dns,
            plain,
            secure,
            grpc,
        }
    }

    fn tls(&self, alpn: &[&str]) -> TlsClient {
        TlsClient::new(&self.ca, "gw.example", alpn)
    }

    fn over_tls(&self) -> Client {
        let address = self.gateway.address_of(8443);
        Client::connect_tls(address, &self.tls(&["http/1.1"]))
    }

    fn clear(&self) -> Client {
        Client::connect(self.gateway.address_of(8080))
    }

    fn http2(&self) -> Http2Client {
        Http2Client::connect(self.gateway.address_of(8080))
    }

    fn http2_over_tls(&self) -> Http2Client {
        Http2Client::connect_tls(self.gateway.address_of(8443), &self.tls(&["h2"]))
    }
}

fn yaml(dns: &DnsServer, passed_on_to: u16, identity: &egret_testkit::IssuedCertificate) -> String {
    let gateway = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: http, namespace: kgateway-system}
spec:
  gatewayClassName: kgateway
  listeners:
  - {name: http, port: 8080, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}
  - name: https
    port: 8443
    protocol: HTTPS
    allowedRoutes: {namespaces: {from: All}}
    tls: {certificateRefs: [{name: gw}]}
  - name: tls
    port: 9443
    protocol: TLS
    allowedRoutes: {namespaces: {from: All}}
    tls: {mode: Passthrough}
";
    let secret = tls_secret("gw", identity);
    let tls_route = format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {{name: passthrough, namespace: httpbin}}
spec:
  parentRefs: [{{name: http, namespace: kgateway-system, sectionName: tls}}]
  hostnames: ['*.example']
  rules:
  - backendRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: dfp-backend, port: {passed_on_to}}}]
"
    );
    let grpc_route = "\
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: grpc, namespace: httpbin}
spec:
  parentRefs: [{name: http, namespace: kgateway-system, sectionName: http}]
  rules:
  - matches: [{method: {service: echo.Echo}}]
    backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: dfp-backend}]
";
    documents(&[
        gateway,
        &secret,
        include_str!("../../../../examples/quickstart/backend.yaml"),
        include_str!("../../../../examples/quickstart/httproute.yaml"),
        &tls_route,
        grpc_route,
        &resolver_policy(dns.addr(), ""),
        POLICY,
    ])
}

/// Sends a request for a host in one form, and returns whether it was served.
type RequestForm = fn(&TestSetup, &str) -> bool;

const FORMS: &[(&str, RequestForm)] = &[
    ("host-routed", |setup, host| {
        let authority = format!("{host}:{}", setup.plain.port());
        setup.clear().get("/", &authority).status == 200
    }),
    ("absolute", |setup, host| {
        let authority = format!("{host}:{}", setup.plain.port());
        let target = format!("http://{authority}/");
        setup.clear().get(&target, &authority).status == 200
    }),
    ("connect", |setup, host| connect(setup.clear(), setup, host)),
    ("websocket", |setup, host| {
        let authority = format!("{host}:{}", setup.plain.port());
        let request = format!(
            "GET /upgrade HTTP/1.1\r\nhost: {authority}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
        );
        setup.clear().request(request).status == 101
    }),
    ("websocket, absolute", |setup, host| {
        let authority = format!("{host}:{}", setup.plain.port());
        let request = format!(
            "GET ws://{authority}/upgrade HTTP/1.1\r\nhost: {authority}\r\nconnection: upgrade\r\n\
             upgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             sec-websocket-version: 13\r\n\r\n"
        );
        setup.clear().request(request).status == 101
    }),
    ("host-routed over TLS", |setup, host| {
        let authority = format!("{host}:{}", setup.plain.port());
        setup.over_tls().get("/", &authority).status == 200
    }),
    ("absolute over TLS", |setup, host| {
        let authority = format!("{host}:{}", setup.plain.port());
        let target = format!("http://{authority}/");
        setup.over_tls().get(&target, &authority).status == 200
    }),
    ("connect over TLS", |setup, host| {
        connect(setup.over_tls(), setup, host)
    }),
    ("HTTP/2", |setup, host| {
        let uri = format!("http://{host}:{}/", setup.plain.port());
        setup.http2().get(&uri).status == 200
    }),
    ("HTTP/2 over TLS", |setup, host| {
        let uri = format!("https://{host}:{}/", setup.plain.port());
        setup.http2_over_tls().get(&uri).status == 200
    }),
    ("HTTP/2 over TLS, of another scheme", |setup, host| {
        let uri = format!("http://{host}:{}/", setup.plain.port());
        setup.http2_over_tls().get(&uri).status == 200
    }),
    ("connect of HTTP/2", |setup, host| {
        let authority = format!("{host}:{}", setup.plain.port());
        setup.http2().open_tunnel(&authority).head().unwrap().status == 200
    }),
    ("connect of HTTP/2 over TLS", |setup, host| {
        let authority = format!("{host}:{}", setup.plain.port());
        let client = setup.http2_over_tls();
        let mut tunnel = client.open_tunnel(&authority);
        tunnel.head().unwrap().status == 200
    }),
    ("websocket of HTTP/2", |setup, host| {
        let uri = format!("http://{host}:{}/upgrade", setup.plain.port());
        let client = setup.http2();
        let mut socket = client.open_extended(&uri, "websocket", &[]);
        socket.head().unwrap().status == 200
    }),
    ("gRPC", |setup, host| {
        let uri = format!("http://{host}:{}/echo.Echo/Say", setup.grpc.port());
        let request = Request::post(uri)
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        let response = setup
            .http2()
            .request(request.body(()).unwrap(), b"\0\0\0\0\0");
        let response = response.unwrap();
        response.status == 200 && response.header("grpc-status").is_none()
    }),
    ("TLS passed on", |setup, host| {
        let tls = TlsClient::new(&setup.ca, host, &["http/1.1"]);
        Client::try_connect_tls(setup.gateway.address_of(9443), &tls).is_ok()
    }),
];

fn connect(mut client: Client, setup: &TestSetup, host: &str) -> bool {
    let authority = format!("{host}:{}", setup.plain.port());
    let request = connect_request(&authority);
    client.request(request).status == 200
}

#[test]
fn every_form_has_the_same_verdict_and_the_same_rule() {
    let setup = TestSetup::new();
    let mut seen = 0;
    for (form, ask) in FORMS {
        for case in CASES {
            let served = ask(&setup, case.host);
            seen += 1;
            let expected = case.verdict == "allow" && case.reason.is_none();
            assert_eq!(served, expected, "{form}: {}", case.host);
            let records = setup.gateway.wait_for_records(seen);
            assert_eq!(records.len(), seen, "{form}: {}", case.host);
            check(form, case, &records[seen - 1]);
            agrees(&setup, form, case.host, &records[seen - 1]);
        }
    }
    // Denied names are not resolved, whatever the form of the request.
    for denied in [
        "b.example",
        "x.wild.example",
        "other.example",
        "far.example",
        "users.example",
    ] {
        assert_eq!(setup.dns.lookups_for(denied), 0, "{denied}");
    }
    assert!(!setup.secure.handshakes().is_empty());
}

fn check(form: &str, case: &VerdictCase, record: &Value) {
    let text = |name: &str| record[name].as_str();
    let destination = text("destination").unwrap_or_default();
    assert!(destination.starts_with(case.host), "{form}: {record}");
    assert_eq!(text("verdict"), Some(case.verdict), "{form}: {record}");
    assert_eq!(text("rule"), case.rule, "{form}: {record}");
    if let Some(reason) = case.reason {
        assert_eq!(text("reason"), Some(reason), "{form}: {record}");
    }
    let policy = match case.reason {
        // The built-in list of addresses is not part of a policy.
        Some("address_denied") => None,
        _ => Some("kgateway-system/partners"),
    };
    assert_eq!(text("policy"), policy, "{form}: {record}");
}

/// What is said of a request without sending it is what became of it when it was sent.
fn agrees(setup: &TestSetup, form: &str, host: &str, record: &Value) {
    let told = setup.gateway.ask(&question(form, host, record));
    let told: Value = serde_json::from_slice(&told.body).unwrap();
    let [told] = &told.as_array().unwrap()[..] else {
        panic!("{form}: {host}: {told}");
    };
    let is_refused = told["outcome"] == "refused";
    let mut same = vec!["listener", "route", "destination", "verdict", "rule"];
    // Names are not resolved.
    let was_refused = record.get("id").is_some() && record["reason"] != "dns_error";
    assert_eq!(is_refused, was_refused, "{form}: {record} {told}");
    if is_refused {
        same.extend(["reason", "details"]);
    }
    // The status of gRPC is in a field.
    if is_refused && form != "gRPC" {
        same.push("status");
    }
    for name in same {
        assert_eq!(told[name], record[name], "{form}: {name}: {record} {told}");
    }
    let policy = told["policy"]
        .as_str()
        .map(|it| it.trim_start_matches("EgressPolicy "));
    assert_eq!(policy, record["policy"].as_str(), "{form}: {told}");
}

fn question(form: &str, host: &str, record: &Value) -> String {
    let via = match form {
        "TLS passed on" => "sni",
        _ if form.contains("connect") => "connect",
        _ if form.contains("absolute") || form.contains("scheme") => "absolute",
        _ => "host",
    };
    let is_tls = form.contains("over TLS") && via == "host";
    let scheme = if is_tls { "https" } else { "http" };
    let port = record["destination"]
        .as_str()
        .unwrap()
        .rsplit_once(':')
        .unwrap()
        .1;
    let path = record["path"].as_str().unwrap_or_default();
    let method = record["method"].as_str().unwrap_or("GET");
    let addresses = match host {
        "a.example" => "&address=10.9.9.9&address=127.0.0.1",
        "near.example" | "outside.example" => "&address=127.0.0.1",
        "inside.example" => "&address=10.1.2.3",
        _ => "",
    };
    format!(
        "/explain?url={scheme}://{host}:{port}{path}&via={via}&method={method}&listener={}{addresses}",
        record["listener"].as_str().unwrap()
    )
}

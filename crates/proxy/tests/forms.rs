//! Every form of request gets the same verdict from the same policies, and the log names the same rule.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use egret_testkit::gateway::{LOOPBACK, documents, resolver};
use egret_testkit::upstream::{Http2, Tls};
use egret_testkit::{Ca, Client, DnsServer, Gateway, Http2Client, TlsClient, Upstream};
use http::Request;
use serde_json::Value;

/// What every form is asked about: a host, and what is to come of it.
const CASES: &[Case] = &[
    Case::new("a.example", "allow", Some("partners"), None),
    Case::new("b.example", "deny", Some("not-b"), Some("egress_policy")),
    Case::new(
        "x.wild.example",
        "deny",
        Some("not-wild"),
        Some("egress_policy"),
    ),
    Case::new("other.example", "deny", None, Some("egress_policy")),
    // Its name may be asked for; its address is that of a private network.
    Case::new("inside.example", "deny", None, Some("address_denied")),
    Case::new(
        "moved.example",
        "allow",
        Some("partners"),
        Some("dns_error"),
    ),
];

struct Case {
    host: &'static str,
    verdict: &'static str,
    rule: Option<&'static str>,
    reason: Option<&'static str>,
}

impl Case {
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
  - {name: partners, action: Allow, hosts: [a.example, inside.example, moved.example]}
";

struct Lab {
    ca: Ca,
    dns: DnsServer,
    plain: Upstream,
    secure: Upstream,
    grpc: Upstream,
    gateway: Gateway,
}

impl Lab {
    fn new() -> Self {
        let (ca, dns) = (Ca::new(), DnsServer::start());
        dns.a("a.example", ["127.0.0.1"], 60);
        dns.a("inside.example", ["10.1.2.3"], 60);
        dns.nxdomain("moved.example");
        let plain = Upstream::start();
        let secure = Upstream::start_tls(Tls::of(&ca, ["a.example"]));
        let grpc = Upstream::start_http2(Http2::default());
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

fn yaml(dns: &DnsServer, passed_on_to: u16, identity: &egret_testkit::Issued) -> String {
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
    let secret = format!(
        "apiVersion: v1
kind: Secret
type: kubernetes.io/tls
metadata: {{name: gw, namespace: kgateway-system}}
stringData:
  tls.crt: {:?}
  tls.key: {:?}
",
        identity.certificate_pem(),
        identity.key_pem()
    );
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
        include_str!("../../../examples/quickstart/backend.yaml"),
        include_str!("../../../examples/quickstart/httproute.yaml"),
        &tls_route,
        grpc_route,
        LOOPBACK,
        &resolver(dns.addr(), ""),
        POLICY,
    ])
}

/// A way to ask for a host. Says whether it was served.
type Form = fn(&Lab, &str) -> bool;

const FORMS: &[(&str, Form)] = &[
    ("host-routed", |lab, host| {
        let authority = format!("{host}:{}", lab.plain.port());
        lab.clear().get("/", &authority).status == 200
    }),
    ("absolute", |lab, host| {
        let authority = format!("{host}:{}", lab.plain.port());
        let target = format!("http://{authority}/");
        lab.clear().get(&target, &authority).status == 200
    }),
    ("connect", |lab, host| connect(lab.clear(), lab, host)),
    ("websocket", |lab, host| {
        let authority = format!("{host}:{}", lab.plain.port());
        let request = format!(
            "GET /upgrade HTTP/1.1\r\nhost: {authority}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
        );
        lab.clear().request(request).status == 101
    }),
    ("host-routed over TLS", |lab, host| {
        let authority = format!("{host}:{}", lab.plain.port());
        lab.over_tls().get("/", &authority).status == 200
    }),
    ("absolute over TLS", |lab, host| {
        let authority = format!("{host}:{}", lab.plain.port());
        let target = format!("http://{authority}/");
        lab.over_tls().get(&target, &authority).status == 200
    }),
    ("connect over TLS", |lab, host| {
        connect(lab.over_tls(), lab, host)
    }),
    ("HTTP/2", |lab, host| {
        let uri = format!("http://{host}:{}/", lab.plain.port());
        lab.http2().get(&uri).status == 200
    }),
    ("HTTP/2 over TLS", |lab, host| {
        let uri = format!("https://{host}:{}/", lab.plain.port());
        lab.http2_over_tls().get(&uri).status == 200
    }),
    ("HTTP/2 over TLS, of another scheme", |lab, host| {
        let uri = format!("http://{host}:{}/", lab.plain.port());
        lab.http2_over_tls().get(&uri).status == 200
    }),
    ("connect of HTTP/2", |lab, host| {
        let authority = format!("{host}:{}", lab.plain.port());
        lab.http2().open_tunnel(&authority).head().unwrap().status == 200
    }),
    ("connect of HTTP/2 over TLS", |lab, host| {
        let authority = format!("{host}:{}", lab.plain.port());
        let client = lab.http2_over_tls();
        let mut tunnel = client.open_tunnel(&authority);
        tunnel.head().unwrap().status == 200
    }),
    ("websocket of HTTP/2", |lab, host| {
        let uri = format!("http://{host}:{}/upgrade", lab.plain.port());
        let client = lab.http2();
        let mut socket = client.open_extended(&uri, "websocket", &[]);
        socket.head().unwrap().status == 200
    }),
    ("gRPC", |lab, host| {
        let uri = format!("http://{host}:{}/echo.Echo/Say", lab.grpc.port());
        let request = Request::post(uri)
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        let response = lab
            .http2()
            .request(request.body(()).unwrap(), b"\0\0\0\0\0");
        let response = response.unwrap();
        response.status == 200 && response.header("grpc-status").is_none()
    }),
    ("TLS passed on", |lab, host| {
        let tls = TlsClient::new(&lab.ca, host, &["http/1.1"]);
        Client::try_connect_tls(lab.gateway.address_of(9443), &tls).is_ok()
    }),
];

fn connect(mut client: Client, lab: &Lab, host: &str) -> bool {
    let authority = format!("{host}:{}", lab.plain.port());
    let request = format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n\r\n");
    client.request(request).status == 200
}

#[test]
fn every_form_has_the_same_verdict_and_the_same_rule() {
    let lab = Lab::new();
    let mut seen = 0;
    for (form, ask) in FORMS {
        for case in CASES {
            let served = ask(&lab, case.host);
            seen += 1;
            let expected = case.verdict == "allow" && case.reason.is_none();
            assert_eq!(served, expected, "{form}: {}", case.host);
            let records = lab.gateway.wait_for_records(seen);
            assert_eq!(records.len(), seen, "{form}: {}", case.host);
            check(form, case, &records[seen - 1]);
        }
    }
    // Names that are denied are not asked for, in any form.
    for denied in ["b.example", "x.wild.example", "other.example"] {
        assert_eq!(lab.dns.lookups_for(denied), 0, "{denied}");
    }
    assert!(!lab.secure.handshakes().is_empty());
}

fn check(form: &str, case: &Case, record: &Value) {
    let text = |name: &str| record[name].as_str();
    let destination = text("destination").unwrap_or_default();
    assert!(destination.starts_with(case.host), "{form}: {record}");
    assert_eq!(text("verdict"), Some(case.verdict), "{form}: {record}");
    assert_eq!(text("rule"), case.rule, "{form}: {record}");
    if let Some(reason) = case.reason {
        assert_eq!(text("reason"), Some(reason), "{form}: {record}");
    }
    let policy = match case.reason {
        // The built-in list, which no policy wrote.
        Some("address_denied") => None,
        _ => Some("kgateway-system/partners"),
    };
    assert_eq!(text("policy"), policy, "{form}: {record}");
}

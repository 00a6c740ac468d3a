//! Cross-origin requests: the `CORS` filter of an HTTPRoute, and `cors` of a TrafficPolicy.

use egret_testkit::gateway::{documents, egress_policy, quickstart_config, traffic_policy};
use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{Client, DnsServer, Gateway, Http2Client, Response};
use http::Request;

/// A route with the filter, to the Backend of the quickstart.
const ROUTE: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: cors, namespace: httpbin}
spec:
  parentRefs: [{name: http, namespace: kgateway-system}]
  hostnames: [a.example]
  rules:
  - filters:
    - type: CORS
      cors:
        allowOrigins: ['https://www.foo.com', 'https://*.bar.com']
        allowMethods: [GET, OPTIONS]
        allowHeaders: [x-header-1, x-header-2]
        exposeHeaders: [x-header-3, x-header-4]
        allowCredentials: true
        maxAge: 3600
    matches: [{path: {type: PathPrefix, value: /cors-1}}]
    backendRefs: [{name: dfp-backend, group: gateway.kgateway.dev, kind: Backend}]
  - filters:
    - type: CORS
      cors: {allowOrigins: ['*'], allowMethods: ['*'], allowHeaders: ['*'], exposeHeaders: ['*']}
    matches: [{path: {type: PathPrefix, value: /any}}]
    backendRefs: [{name: dfp-backend, group: gateway.kgateway.dev, kind: Backend}]
  - filters:
    - type: CORS
      cors: {allowOrigins: ['*']}
    - type: RequestRedirect
      requestRedirect: {statusCode: 301}
    matches: [{path: {type: PathPrefix, value: /moved}}]
";

struct TestSetup {
    dns: DnsServer,
    server: RawServer,
}

impl TestSetup {
    /// An upstream that says something about sharing itself, and a name for it.
    fn new() -> Self {
        let dns = DnsServer::start();
        dns.a("a.example", ["127.0.0.1"], 60);
        let server = RawServer::answer_each(
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\naccess-control-allow-origin: upstream\r\n\
             access-control-allow-headers: upstream\r\n\r\n",
        );
        Self { dns, server }
    }

    fn start(&self, more: &[&str]) -> Gateway {
        let config = quickstart_config(self.dns.addr());
        let all: Vec<&str> = [&*config].into_iter().chain(more.iter().copied()).collect();
        Gateway::start(&documents(&all))
    }

    fn host(&self) -> String {
        format!("a.example:{}", self.server.port())
    }

    fn request(&self, client: &mut Client, method: &str, path: &str, fields: &str) -> Response {
        let host = self.host();
        client.request(format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\n{fields}\r\n"
        ))
    }
}

/// The fields of sharing that a response has, in order and without their common beginning.
fn shared(response: &Response) -> Vec<(&str, &str)> {
    let fields = response.headers.0.iter();
    let ours = fields
        .filter_map(|(name, value)| Some((name.strip_prefix("access-control-")?, value.as_str())));
    ours.collect()
}

const FROM_FOO: &str = "origin: https://www.foo.com\r\n";
const WANTS_GET: &str = "access-control-request-method: GET\r\n";

#[test]
fn a_preflight_request_is_answered_here() {
    let setup = TestSetup::new();
    let gateway = setup.start(&[ROUTE]);
    let mut client = gateway.connect();
    for origin in [
        "https://www.foo.com",
        "https://www.bar.com",
        "https://x.www.bar.com",
    ] {
        let fields = format!(
            "origin: {origin}\r\n{WANTS_GET}access-control-request-headers: x-header-1\r\n"
        );
        let response = setup.request(&mut client, "OPTIONS", "/cors-1", &fields);
        assert_eq!((response.status, response.text()), (200, ""));
        assert_eq!(response.header("content-length"), Some("0"));
        let expected = [
            ("allow-origin", origin),
            ("allow-credentials", "true"),
            ("allow-methods", "GET, OPTIONS"),
            ("allow-headers", "x-header-1, x-header-2"),
            ("max-age", "3600"),
            ("expose-headers", "x-header-3, x-header-4"),
        ];
        assert_eq!(shared(&response), expected);
    }
    let http2 = Http2Client::connect(gateway.address());
    let request = Request::options(format!("http://{}/any", setup.host()))
        .header("origin", "null")
        .header("access-control-request-method", "PUT")
        .body(())
        .unwrap();
    let response = http2.request(request, b"").unwrap();
    assert_eq!(response.status, 200);
    let expected = [
        ("allow-origin", "null"),
        ("allow-methods", "PUT"),
        ("max-age", "5"),
        ("expose-headers", "*"),
    ];
    assert_eq!(shared(&response), expected);
    assert_eq!(setup.server.connections(), 0);
    let records = gateway.wait_for_records(4);
    assert!(records.iter().all(|record| record["status"] == 200));
    assert_eq!(setup.dns.lookups_for("a.example"), 0);
}

#[test]
fn a_preflight_request_of_another_origin_is_told_nothing() {
    let setup = TestSetup::new();
    let gateway = setup.start(&[ROUTE]);
    let mut client = gateway.connect();
    let upstreams = [("allow-origin", "upstream"), ("allow-headers", "upstream")];
    let foreign = format!("origin: https://foobar.com\r\n{WANTS_GET}");
    let response = setup.request(&mut client, "OPTIONS", "/cors-1", &foreign);
    assert_eq!((response.status, shared(&response)), (200, vec![]));
    for (method, fields) in [("GET", &*foreign), ("GET", ""), ("OPTIONS", WANTS_GET)] {
        let response = setup.request(&mut client, method, "/cors-1", fields);
        assert_eq!(response.status, 200, "{method} {fields}");
        assert_eq!(shared(&response), upstreams, "{method} {fields}");
    }
}

#[test]
fn the_gateway_decides_who_may_read_a_response() {
    let setup = TestSetup::new();
    let gateway = setup.start(&[ROUTE]);
    let mut client = gateway.connect();
    let both = format!("{FROM_FOO}{WANTS_GET}");
    for (method, fields) in [("GET", FROM_FOO), ("GET", &both), ("OPTIONS", FROM_FOO)] {
        let response = setup.request(&mut client, method, "/cors-1", fields);
        assert_eq!(response.status, 200);
        let mut fields = shared(&response);
        fields.sort_unstable();
        let expected = [
            ("allow-credentials", "true"),
            ("allow-headers", "upstream"),
            ("allow-origin", "https://www.foo.com"),
            ("expose-headers", "x-header-3, x-header-4"),
        ];
        assert_eq!(fields, expected);
    }
    let response = setup.request(&mut client, "GET", "/moved", FROM_FOO);
    assert_eq!(response.status, 301);
    assert_eq!(shared(&response), [("allow-origin", "https://www.foo.com")]);
}

#[test]
fn a_policy_shares_refusals_too_and_asks_preflight_requests_for_no_credentials() {
    let setup = TestSetup::new();
    let policy = traffic_policy(
        "shared",
        "cors: {allowOrigins: ['https://www.foo.com'], allowMethods: [GET]}
  apiKeyAuth: {secretRef: {name: keys}}",
    );
    let keys = "apiVersion: v1\nkind: Secret\nmetadata: {name: keys, namespace: kgateway-system}\nstringData: {ann: key}\n";
    let denied = egress_policy(
        "denied",
        "rules: [{name: no, action: Deny, hosts: [a.example]}]",
    );
    let gateway = setup.start(&[&policy, keys, &denied]);
    let mut client = gateway.connect();
    let preflight = format!("{FROM_FOO}{WANTS_GET}");
    let response = setup.request(&mut client, "OPTIONS", "/", &preflight);
    assert_eq!(response.status, 200);
    let expected = [
        ("allow-origin", "https://www.foo.com"),
        ("allow-methods", "GET"),
        ("max-age", "5"),
    ];
    assert_eq!(shared(&response), expected);
    for (fields, status) in [
        (FROM_FOO.to_owned(), 401),
        (format!("{FROM_FOO}api-key: key\r\n"), 403),
    ] {
        let response = setup.request(&mut client, "GET", "/", &fields);
        assert_eq!(response.status, status, "{response:?}");
        assert_eq!(shared(&response), [("allow-origin", "https://www.foo.com")]);
    }
}

//! `internalRedirect` of a TrafficPolicy: redirects are followed in place of the client, under the policies of every request.

use bytes::Bytes;
use egret_testkit::gateway::{documents, egress_policy, quickstart_config, traffic_policy};
use egret_testkit::upstream::RecordedRequest;
use egret_testkit::{ClosedPort, DnsServer, Gateway, Response, Upstream};
use http::header::LOCATION;

const ALL: &str = "{redirectResponseCodes: [301, 302, 303, 307, 308], maxRedirects: 2}";
const NOTE: &str = "the new place";

/// Answers `/r/NNN?LOCATION` with that status and that `Location`, and everything else by its path.
fn redirecting(request: &RecordedRequest) -> Option<http::Response<Bytes>> {
    let (status, location) = request.target.strip_prefix("/r/")?.split_once('?')?;
    let response = http::Response::builder()
        .status(status.parse::<u16>().ok()?)
        .header(LOCATION, location)
        .header("x-token", "from-redirect");
    response.body(NOTE.into()).ok()
}

/// A gateway that follows redirects, and an upstream that has the names `a.example` and `b.example`.
struct Redirects {
    gateway: Gateway,
    upstream: Upstream,
    dns: DnsServer,
}

impl Redirects {
    fn new(policy: &str, more: &[&str]) -> Self {
        let dns = DnsServer::with_a_example();
        dns.a("b.example", ["127.0.0.1"], 60);
        dns.a("inside.example", ["10.255.255.1"], 60);
        let redirects = traffic_policy("redirects", &format!("internalRedirect: {policy}"));
        let config = quickstart_config(dns.addr());
        let parts: Vec<&str> = [&*config, &redirects]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        Self {
            gateway: Gateway::start(&documents(&parts)),
            upstream: Upstream::start().answering(redirecting),
            dns,
        }
    }

    fn port(&self) -> u16 {
        self.upstream.port()
    }

    /// A request to `a.example`.
    fn send(&self, method: &str, target: &str, fields: &str, body: &str) -> Response {
        let port = self.port();
        let length = match body.len() {
            0 => String::new(),
            length => format!("content-length: {length}\r\n"),
        };
        let head =
            format!("{method} {target} HTTP/1.1\r\nhost: a.example:{port}\r\n{fields}{length}");
        self.gateway.connect().request(format!("{head}\r\n{body}"))
    }

    fn get(&self, target: &str) -> Response {
        self.send("GET", target, "", "")
    }

    fn count(&self, result: &str) -> f64 {
        let name = format!("egret_internal_redirects_total{{result=\"{result}\"}}");
        self.gateway.metric(&name)
    }
}

#[test]
fn the_client_sees_only_the_end() {
    let test = Redirects::new(ALL, &[]);
    let port = test.port();
    let response = test.get(&format!("/r/302?http://b.example:{port}/r/308?/x?y=z"));
    assert_eq!(response.status, 200);
    assert_eq!(response.json()["path"], "/x?y=z");
    assert_eq!(response.header("location"), None);
    let requests = test.upstream.requests();
    let hosts = requests.iter().map(|request| request.header("host"));
    let (a, b) = (format!("a.example:{port}"), format!("b.example:{port}"));
    assert_eq!(hosts.collect::<Vec<_>>(), [Some(&*a), Some(&*b), Some(&*b)]);
    let record = &test.gateway.wait_for_records(1)[0];
    assert_eq!(record["destination"], *b);
    assert_eq!(record["status"], 200);
    let redirects = serde_json::json!([
        {"status": 302, "destination": a, "location": format!("http://{b}/r/308")},
        {"status": 308, "destination": b, "location": format!("http://{b}/x")},
    ]);
    assert_eq!(record["redirects"], redirects);
    assert_eq!(test.count("followed"), 2.0);
}

#[test]
fn credentials_are_for_the_origin_that_the_client_asked() {
    let test = Redirects::new(ALL, &[]);
    let port = test.port();
    let secrets = "authorization: Basic c2VjcmV0\r\ncookie: a=b\r\nx-other: 1\r\n";
    let elsewhere = format!("/r/302?http://b.example:{port}/x");
    assert_eq!(test.send("GET", &elsewhere, secrets, "").status, 200);
    let back = format!("/r/302?http://b.example:{port}/r/302?http://a.example:{port}/x");
    assert_eq!(test.send("GET", &back, secrets, "").status, 200);
    let requests = test.upstream.requests();
    let told = requests.iter().map(|request| {
        assert_eq!(request.header("x-other"), Some("1"));
        (
            request.header("authorization").is_some(),
            request.header("cookie").is_some(),
        )
    });
    let (all, none) = ((true, true), (false, false));
    assert_eq!(told.collect::<Vec<_>>(), [all, none, all, none, all]);
}

#[test]
fn a_body_is_sent_again_unless_the_method_becomes_get() {
    let test = Redirects::new(ALL, &[]);
    for (status, method, body) in [
        (301, "POST", "the body"),
        (302, "POST", "the body"),
        (303, "GET", ""),
        (307, "POST", "the body"),
        (308, "POST", "the body"),
    ] {
        let fields = "content-type: text/plain\r\n";
        let response = test.send("POST", &format!("/r/{status}?/x"), fields, "the body");
        assert_eq!(response.status, 200, "{status}");
        let request = test.upstream.requests().pop().expect("a request");
        assert_eq!(request.method, method, "{status}");
        assert_eq!(request.body, body.as_bytes(), "{status}");
        let has_body = !body.is_empty();
        assert_eq!(request.header("content-type").is_some(), has_body);
        assert_eq!(request.header("content-length").is_some(), has_body);
    }
    let head = test.send("HEAD", "/r/303?/x", "", "");
    assert_eq!(head.status, 200);
    let request = test.upstream.requests().pop().expect("a request");
    assert_eq!(request.method, "HEAD");
}

#[test]
fn a_body_that_is_gone_is_not_made_up() {
    let config = "apiVersion: gateway.kgateway.dev/v1alpha1
kind: BackendConfigPolicy
metadata: {name: small, namespace: httpbin}
spec:
  targetRefs: [{group: gateway.kgateway.dev, kind: Backend, name: dfp-backend}]
  perConnectionBufferLimitBytes: 10
";
    let test = Redirects::new(ALL, &[config]);
    let long = "x".repeat(4000);
    let response = test.send("POST", "/r/307?/x", "", &long);
    assert_eq!(response.status, 307);
    assert_eq!(response.header("location"), Some("/x"));
    let details = test.gateway.wait_for_records(1)[0]["details"].to_string();
    assert!(details.contains("too large to be sent again"), "{details}");
    assert_eq!(test.send("POST", "/r/303?/x", "", &long).status, 200);
}

#[test]
fn what_a_policy_denies_is_not_followed() {
    let names = "rules: [{name: no-b, action: Deny, hosts: [b.example], reason: OPS-7}, {name: get-only, action: Deny, paths: [/closed]}]";
    let test = Redirects::new(ALL, &[&egress_policy("names", names)]);
    let port = test.port();
    let denied = [
        (format!("http://b.example:{port}/x?key=1"), "no-b"),
        ("/closed/x".to_owned(), "get-only"),
        (format!("http://inside.example:{port}/x"), "private"),
        (format!("http://10.255.255.1:{port}/x"), "private"),
    ];
    for (count, (location, rule)) in denied.into_iter().enumerate() {
        let response = test.get(&format!("/r/302?{location}"));
        assert_eq!(response.status, 302, "{location}");
        assert_eq!(response.header("location"), Some(&*location));
        assert_eq!(response.text(), NOTE, "{location}");
        let record = &test.gateway.wait_for_records(count + 1)[count];
        let details = record["details"].to_string();
        assert!(details.contains("is not followed"), "{details}");
        assert!(details.contains(rule), "{details}");
        assert!(!details.contains("key=1"), "{details}");
        assert_eq!(record["verdict"], "allow", "{record}");
        assert_eq!(record["destination"], format!("a.example:{port}"));
        assert_eq!(record["upstream"], test.upstream.addr().to_string());
        assert!(record["redirects"].is_null() && record["reason"].is_null());
    }
    assert_eq!(test.dns.lookups_for("b.example"), 0);
    assert_eq!(test.count("denied"), 4.0);
    assert_eq!(test.upstream.requests().len(), 4);
}

#[test]
fn loops_and_detours_end() {
    let test = Redirects::new(ALL, &[]);
    let around = test.get("/r/302?/r/302?/r/302?/x");
    assert_eq!(around.status, 302);
    assert_eq!(around.header("location"), Some("/x"));
    assert_eq!(test.upstream.requests().len(), 3);
    for location in [
        "https://a.example/",
        "ftp://a.example/",
        "http://user@a.example/",
    ] {
        let response = test.get(&format!("/r/302?{location}"));
        assert_eq!(response.header("location"), Some(location));
    }
    assert_eq!(test.count("passed_on"), 4.0);
    let unlisted = Redirects::new("{}", &[]);
    assert_eq!(unlisted.get("/r/301?/x").status, 301);
    assert_eq!(unlisted.get("/r/302?/x").status, 200);
    assert_eq!(unlisted.get("/r/302?/r/302?/x").status, 302);
}

#[test]
fn an_upstream_that_fails_is_told_as_ever() {
    let (test, closed) = (Redirects::new(ALL, &[]), ClosedPort::start());
    let response = test.get(&format!("/r/302?http://{}/x", closed.addr()));
    assert_eq!(response.status, 502);
    let record = &test.gateway.wait_for_records(1)[0];
    assert_eq!(record["reason"], "connect_refused");
    assert_eq!(record["redirects"][0]["status"], 302);
}

#[test]
fn fields_of_the_redirect_are_sent_on_where_a_policy_says_so() {
    let test = Redirects::new("{responseHeadersToCopy: [x-token, x-gone]}", &[]);
    let fields = "x-token: mine\r\nx-gone: mine\r\n";
    assert_eq!(test.send("GET", "/r/302?/x", fields, "").status, 200);
    let request = test.upstream.requests().pop().expect("a request");
    assert_eq!(request.header("x-token"), Some("from-redirect"));
    assert_eq!(request.header("x-gone"), None);
}

#[test]
fn one_connection_is_enough() {
    let config = "apiVersion: gateway.kgateway.dev/v1alpha1
kind: BackendConfigPolicy
metadata: {name: one, namespace: httpbin}
spec:
  targetRefs: [{group: gateway.kgateway.dev, kind: Backend, name: dfp-backend}]
  circuitBreakers: {maxConnections: 1, maxPendingRequests: 1}
";
    let test = Redirects::new(ALL, &[config]);
    assert_eq!(test.get("/r/302?/r/302?/x").status, 200);
    assert_eq!(test.upstream.connections(), 1);
}

/// A rule of its own for `b.example`, with this policy on it.
fn route_b(rule: &str, policy: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: b, namespace: kgateway-system}}
spec:
  parentRefs: [{{name: http}}]
  hostnames: [b.example]
  rules:
  - {rule}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: b, namespace: kgateway-system}}
spec: {{dynamicForwardProxy: {{}}}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata: {{name: b, namespace: kgateway-system}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: b}}]
  {policy}
"
    )
}

const TO_B: &str = "backendRefs: [{name: b, group: gateway.kgateway.dev, kind: Backend}]";

#[test]
fn the_route_and_the_policies_are_those_of_the_new_request() {
    let modifiers = "headerModifiers: {request: {set: [{name: x-of-b, value: '1'}]}, response: {set: [{name: x-by-b, value: '1'}]}}";
    let test = Redirects::new(ALL, &[&route_b(TO_B, modifiers)]);
    let port = test.port();
    let response = test.get(&format!("/r/302?http://b.example:{port}/x"));
    assert_eq!(response.header("x-by-b"), Some("1"));
    let requests = test.upstream.requests();
    let set = requests.iter().map(|request| request.header("x-of-b"));
    assert_eq!(set.collect::<Vec<_>>(), [None, Some("1")]);
    let record = &test.gateway.wait_for_records(1)[0];
    assert_eq!(record["route"], "kgateway-system/b/0");
    assert_eq!(test.get("/r/404?/x").header("x-by-b"), None);

    let redirect = "filters: [{type: RequestRedirect, requestRedirect: {hostname: c.example, statusCode: 301}}]";
    let test = Redirects::new(ALL, &[&route_b(redirect, "retry: {statusCodes: [503]}")]);
    let response = test.get(&format!("/r/302?http://b.example:{}/x", test.port()));
    assert_eq!(response.status, 301);
    let location = response.header("location").expect("a location");
    assert!(location.starts_with("http://c.example"), "{location}");
}

#[test]
fn nobody_authenticates_twice() {
    let users = "basicAuth: {users: ['ci:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=']}";
    let test = Redirects::new(ALL, &[&traffic_policy("users", users)]);
    let port = test.port();
    let fields = "authorization: Basic Y2k6c2VjcmV0\r\n";
    let target = format!("/r/302?http://b.example:{port}/x");
    assert_eq!(test.send("GET", &target, fields, "").status, 200);
    for request in test.upstream.requests() {
        assert_eq!(request.header("authorization"), None);
    }
    assert_eq!(test.gateway.wait_for_records(1)[0]["user"], "ci");

    let service = "apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: auth, namespace: kgateway-system}
spec: {static: {hosts: [{host: 127.0.0.1, port: 9}]}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: GatewayExtension
metadata: {name: auth, namespace: kgateway-system}
spec:
  extAuth: {grpcService: {backendRef: {group: gateway.kgateway.dev, kind: Backend, name: auth}}}
";
    let asks = route_b(TO_B, "extAuth: {extensionRef: {name: auth}}");
    let test = Redirects::new(ALL, &[service, &asks]);
    let response = test.get(&format!("/r/302?http://b.example:{}/x", test.port()));
    assert_eq!(response.status, 302);
    let details = test.gateway.wait_for_records(1)[0]["details"].to_string();
    assert!(details.contains("not asked about redirects"), "{details}");
}

#[test]
fn limits_count_every_request() {
    let limit =
        "limits: [{name: two, tokenBucket: {maxTokens: 2, tokensPerFill: 1, fillInterval: 1h}}]";
    let test = Redirects::new(ALL, &[&egress_policy("limits", limit)]);
    let response = test.get("/r/302?/r/302?/x");
    assert_eq!(response.status, 302);
    assert_eq!(response.header("location"), Some("/x"));
    let details = test.gateway.wait_for_records(1)[0]["details"].to_string();
    assert!(details.contains("two"), "{details}");
    assert_eq!(test.upstream.requests().len(), 2);
}

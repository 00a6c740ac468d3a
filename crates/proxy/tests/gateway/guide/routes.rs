//! Routes, rewrites and forwarded header fields.

use egret_testkit::gateway::{QUICKSTART, documents, egress_policy, quickstart_config};
use egret_testkit::{DnsServer, Gateway, Upstream};

#[test]
fn routes_choose_by_host_path_and_header_and_rewrites_decide_the_destination() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("real.example", ["127.0.0.1"], 60);
    let routes = format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: fixed, namespace: httpbin}}
spec: {{type: Static, static: {{hosts: [{{host: real.example, port: {}}}]}}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: named, namespace: httpbin}}
spec:
  parentRefs: [{{name: http, namespace: kgateway-system}}]
  hostnames: [fixed.example]
  rules:
  - matches: [{{path: {{type: PathPrefix, value: /old}}}}]
    filters:
    - type: URLRewrite
      urlRewrite: {{path: {{type: ReplacePrefixMatch, replacePrefixMatch: /new}}}}
    - type: RequestHeaderModifier
      requestHeaderModifier: {{set: [{{name: x-set, value: 'yes'}}], remove: [x-gone]}}
    - type: ResponseHeaderModifier
      responseHeaderModifier: {{add: [{{name: x-added, value: 'yes'}}]}}
    backendRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: fixed}}]
  - matches: [{{headers: [{{name: x-go, value: away}}]}}]
    filters: [{{type: RequestRedirect, requestRedirect: {{scheme: https, statusCode: 301}}}}]
",
        upstream.port()
    );
    let gateway = Gateway::start(&documents(&[&quickstart_config(dns.addr()), &routes]));
    let mut client = gateway.connect();

    let response = client.request(
        "GET /old/a?q HTTP/1.1\r\nhost: fixed.example:8080\r\nx-gone: 1\r\nx-forwarded-for: 192.0.2.9\r\n\
         x-forwarded-host: forged.example\r\nconnection: close, x-set\r\n\r\n",
    );
    assert_eq!(
        (response.status, response.header("x-added")),
        (200, Some("yes"))
    );
    let request = &upstream.requests()[0];
    assert_eq!(request.target, "/new/a?q");
    assert_eq!(
        (request.header("x-set"), request.header("x-gone")),
        (Some("yes"), None)
    );
    assert_eq!(request.header("host"), Some("fixed.example:8080"));
    // This upstream receives the client's address, and only as the gateway states it.
    assert_eq!(request.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(
        request.header("x-forwarded-host"),
        Some("fixed.example:8080")
    );

    // The matched prefix is what is replaced.
    let mut client = gateway.connect();
    let request = "GET /x/..//old/a?q HTTP/1.1\r\nhost: fixed.example:8080\r\n\r\n";
    assert_eq!(client.request(request).status, 200);
    assert_eq!(upstream.requests().pop().unwrap().target, "/new/a?q");

    let response = client.request("GET /x HTTP/1.1\r\nhost: fixed.example\r\nx-go: away\r\n\r\n");
    assert_eq!(response.status, 301);
    assert_eq!(response.header("location"), Some("https://fixed.example/x"));
    let response = client.get("/x", "fixed.example");
    assert_eq!((response.status, upstream.requests().len()), (404, 2));
}

#[test]
fn answers_of_our_own_are_filtered_too() {
    let routes = "apiVersion: gateway.kgateway.dev/v1alpha1
kind: DirectResponse
metadata: {name: gone, namespace: httpbin}
spec: {status: 410, body: gone}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: named, namespace: httpbin}
spec:
  parentRefs: [{name: http, namespace: kgateway-system}]
  hostnames: [own.example]
  rules:
  - matches: [{path: {type: PathPrefix, value: /gone}}]
    filters:
    - {type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: content-type, value: text/x-set}]}}
    - {type: ExtensionRef, extensionRef: {group: gateway.kgateway.dev, kind: DirectResponse, name: gone}}
  - filters:
    - {type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: x-added, value: 'yes'}]}}
    - {type: RequestRedirect, requestRedirect: {scheme: https}}
";
    let gateway = Gateway::start(&documents(&[QUICKSTART, routes]));
    let mut client = gateway.connect();
    let response = client.get("/gone", "own.example");
    assert_eq!((response.status, response.text()), (410, "gone"));
    assert_eq!(response.header("content-type"), Some("text/x-set"));
    let response = client.get("/", "own.example");
    assert_eq!(response.header("location"), Some("https://own.example/"));
    assert_eq!(response.header("x-added"), Some("yes"));
}

#[test]
fn strangers_are_told_nothing_about_the_client() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let request = format!(
        "GET / HTTP/1.1\r\nhost: a.example:{}\r\nx-forwarded-for: 10.1.2.3\r\nforwarded: for=10.1.2.3\r\n\
         proxy-authorization: Basic c2VjcmV0\r\nauthorization: Bearer kept\r\nproxy-connection: keep-alive\r\n\
         connection: x-hop, authorization\r\nx-hop: 1\r\n\r\n",
        upstream.port()
    );
    assert_eq!(gateway.connect().request(&request).status, 200);
    let request = &upstream.requests()[0];
    let mut names: Vec<_> = request
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["authorization", "host", "via"]);
}

#[test]
fn what_comes_back_is_a_loop() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let host = format!("a.example:{}", upstream.port());
    let mut client = gateway.connect();
    assert_eq!(client.get("/", &host).status, 200);
    let via = upstream.requests()[0].header("via").unwrap().to_owned();
    let again = format!("GET / HTTP/1.1\r\nhost: {host}\r\nvia: 1.1 other, {via}\r\n\r\n");
    let response = client.request(&again);
    assert_eq!(response.status, 508);
    assert!(
        response
            .header("proxy-status")
            .unwrap()
            .contains("error=proxy_loop_detected")
    );
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn the_guides_resources_alone_are_accepted_and_serve() {
    let gateway = Gateway::start(QUICKSTART);
    let report = gateway.ask("/report").json();
    assert_eq!(report["problems"], serde_json::json!([]));
    // A route matches: the request is refused because of its destination.
    assert_eq!(gateway.get("127.0.0.1", "/").status, 403);
}

#[test]
fn a_backend_ref_rewrites_in_place_of_its_rule_and_policies_see_what_is_sent() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("real.example", ["127.0.0.1"], 60);
    let rewrite = |host: &str, prefix: &str| {
        format!(
            "filters: [{{type: URLRewrite, urlRewrite: {{{host} path: {{type: ReplacePrefixMatch, replacePrefixMatch: {prefix}}}}}}}]"
        )
    };
    let rule = |prefix: &str, of_rule: &str, of_backend: &str| {
        format!(
            "  - matches: [{{path: {{type: PathPrefix, value: {prefix}}}}}]
    {of_rule}
    backendRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: dfp-backend, {of_backend}}}]
"
        )
    };
    let host = "hostname: real.example,";
    // The rule gives the host, and the backend reference another path.
    let both = rule("/both", &rewrite(host, "/rule"), &rewrite("", "/backend"));
    let alone = rule("/alone", "name: alone", &rewrite(host, "/new"));
    let denied = rule("/denied", "name: denied", &rewrite(host, "/secret"));
    let route = format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: rewritten, namespace: httpbin}}
spec:
  parentRefs: [{{name: http, namespace: kgateway-system}}]
  hostnames: [front.example]
  rules:
{both}{alone}{denied}"
    );
    let policy = egress_policy(
        "secret",
        "rules: [{name: no, action: Deny, paths: [/secret]}]",
    );
    let dynamic = "type: DynamicForwardProxy\n  dynamicForwardProxy: {}";
    let fixed = format!(
        "type: Static\n  static: {{hosts: [{{host: 127.0.0.1, port: {}}}]}}",
        upstream.port()
    );
    let config = quickstart_config(dns.addr()).replace(dynamic, &fixed);
    let gateway = Gateway::start(&documents(&[&config, &route, &policy]));
    for (path, sent) in [("/both/x?y", "/backend/x?y"), ("/alone/x", "/new/x")] {
        assert_eq!(gateway.get("front.example", path).status, 200, "{path}");
        let request = upstream.requests().pop().unwrap();
        assert_eq!(request.target, sent);
        assert_eq!(request.header("host"), Some("real.example"));
    }
    assert_eq!(gateway.get("front.example", "/denied/x").status, 403);
    assert_eq!(upstream.requests().len(), 2);
}

//! Fields of requests and responses.

use egret_testkit::gateway::{listener_policy, traffic_policy};

use super::{HOST, SampleApp};

/// The route of the guide, with the filters of its rule.
fn route(filters: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: httpbin-headers
  namespace: httpbin
spec:
  parentRefs:
  - name: http
    namespace: kgateway-system
  hostnames:
    - headers.example
  rules:
    - backendRefs:
        - name: httpbin
          port: 8000
{filters}"
    )
}

/// The same change as a filter of the route, and as a policy of the Gateway.
fn both_ways(side: &str, change: &str) -> [Vec<String>; 2] {
    let kind = match side {
        "request" => "RequestHeaderModifier",
        _ => "ResponseHeaderModifier",
    };
    let filter = format!(
        "      filters:
        - type: {kind}
          {side}HeaderModifier:
            {change}
"
    );
    let policy = format!(
        "headerModifiers:
    {side}:
      {change}"
    );
    [
        vec![route(&filter)],
        vec![route(""), traffic_policy("httpbin-headers", &policy)],
    ]
}

#[test]
fn fields_of_requests_are_added_set_and_removed() {
    for (change, fields, name, expected) in [
        (
            "add: [{name: my-header, value: hello}]",
            "",
            "my-header",
            &["hello"][..],
        ),
        (
            "add: [{name: my-header, value: hello}]",
            "my-header: foo\r\n",
            "my-header",
            &["foo", "hello"],
        ),
        (
            "set: [{name: my-header, value: hello}]",
            "",
            "my-header",
            &["hello"],
        ),
        (
            "set: [{name: my-header, value: hello}]",
            "my-header: foo\r\n",
            "my-header",
            &["hello"],
        ),
        (
            "remove: [User-Agent]",
            "user-agent: curl/8\r\n",
            "user-agent",
            &[],
        ),
    ] {
        for objects in both_ways("request", change) {
            let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
            let app = SampleApp::start(&objects);
            let response = app.ask("GET /headers", "headers.example:8080", fields);
            assert_eq!(response.status, 200);
            let seen = app.served();
            let values: Vec<_> = seen.headers.get_all(name).iter().collect();
            assert_eq!(values, expected, "{change} {fields}");
        }
    }
}

#[test]
fn fields_of_responses_are_added_set_and_removed() {
    for (change, expected) in [
        (
            "add: [{name: my-response, value: hello}]",
            &["foo", "hello"][..],
        ),
        ("set: [{name: my-response, value: hello}]", &["hello"]),
        ("remove: [my-response]", &[]),
    ] {
        for objects in both_ways("response", change) {
            let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
            let app = SampleApp::start(&objects);
            let target = "GET /headers?my-response=foo";
            let response = app.ask(target, "headers.example:8080", "");
            let values: Vec<_> = response.headers.all("my-response").collect();
            assert_eq!(values, expected, "{change}");
        }
    }
}

#[test]
fn a_reserved_field_is_removed_before_anything_reads_it() {
    let mut app = SampleApp::start(&[]);
    let fields = "x-user-id: reserved-user\r\n";
    assert_eq!(app.get("/headers", fields).status, 200);
    assert_eq!(app.served().header("x-user-id"), Some("reserved-user"));
    app.apply(&[&listener_policy(
        "remove-header",
        "
    httpSettings:
      earlyRequestHeaderModifier:
        remove:
          - x-user-id",
    )]);
    assert_eq!(app.get("/headers", fields).status, 200);
    assert_eq!(app.served().header("x-user-id"), None);
}

#[test]
fn the_port_of_the_host_is_taken_away() {
    for (mode, host, expected) in [
        (None, "www.example.com:9999", "www.example.com:9999"),
        (Some("AnyPort"), "www.example.com:9999", "www.example.com"),
        (Some("AnyPort"), HOST, "www.example.com"),
        (Some("MatchingPort"), HOST, "www.example.com"),
        (
            Some("MatchingPort"),
            "www.example.com:9999",
            "www.example.com:9999",
        ),
    ] {
        let policy = mode.map(|mode| {
            let settings = format!("{{httpSettings: {{stripHostPortMode: {mode}}}}}");
            listener_policy("strip-host-port", &settings)
        });
        let objects: Vec<&str> = policy.iter().map(String::as_str).collect();
        let app = SampleApp::start(&objects);
        assert_eq!(app.ask("GET /headers", host, "").status, 200, "{mode:?}");
        let seen = app.served();
        assert_eq!(seen.authority(), Some(expected), "{mode:?} {host}");
    }
}

#[test]
fn a_request_with_too_many_fields_is_refused() {
    let settings = "{httpSettings: {maxHeadersCount: 5}}";
    let app = SampleApp::start(&[&listener_policy("max-headers-count", settings)]);
    let curl = "user-agent: curl/8.7.1\r\naccept: */*\r\n";
    assert_eq!(app.get("/headers", curl).status, 200);
    let more = format!("{curl}x-custom-1: a\r\nx-custom-2: b\r\nx-custom-3: c\r\n");
    assert_eq!(app.get("/headers", &more).status, 431);
}

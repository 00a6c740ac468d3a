//! The how-to guides of kgateway about transformations: each policy as it is written there, and the answer that its guide shows.

use std::collections::BTreeMap;

use egret_testkit::gateway::{documents, quickstart_config};
use egret_testkit::{DnsServer, Gateway, Response, Upstream};
use serde_json::json;

/// The policy of a guide, which is attached to the route `httpbin`, with this `transformation`.
fn policy(transformation: &str) -> String {
    format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata:
  name: transformation
  namespace: httpbin
spec:
  targetRefs:
  - group: gateway.networking.k8s.io
    kind: HTTPRoute
    name: httpbin
  transformation:
{transformation}"
    )
}

/// What httpbin answers to a request.
fn httpbin(request: &egret_testkit::upstream::RecordedRequest) -> http::Response<bytes::Bytes> {
    let (path, query) = request
        .target
        .split_once('?')
        .unwrap_or((&request.target, ""));
    let mut response = http::Response::builder().header("content-type", "application/json");
    let body = match path {
        "/response-headers" => {
            for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
                response = response.header(name, value);
            }
            json!({})
        }
        "/json" => json!({"slideshow": {
            "author": "Yours Truly",
            "slides": [
                {"title": "Wake up to WonderWidgets!", "type": "all"},
                {"title": "Overview", "type": "all"},
            ],
            "title": "Sample Slide Show",
        }}),
        "/post" if request.method == "POST" => json!({"url": request.target}),
        "/get" if request.method == "GET" => {
            let headers = request.headers.iter();
            let headers = headers.map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
            json!({"url": request.target, "headers": headers.collect::<BTreeMap<_, _>>()})
        }
        _ => {
            response = response.status(405);
            json!({})
        }
    };
    response.body(bytes::Bytes::from(body.to_string())).unwrap()
}

/// The answer to a request under a policy.
fn answer(transformation: &str, target: &str, fields: &str) -> Response {
    let dns = DnsServer::with_a_example();
    let upstream = Upstream::start().answering(|request| Some(httpbin(request)));
    let config = quickstart_config(dns.addr()).replace("name: dfp-httproute", "name: httpbin");
    let gateway = Gateway::start(&documents(&[&config, &policy(transformation)]));
    let port = upstream.port();
    gateway.connect().request(format!(
        "GET {target} HTTP/1.1\r\nhost: a.example:{port}\r\n{fields}\r\n"
    ))
}

#[test]
fn inject_response_headers() {
    let response = answer(
        r#"    response:
      set:
      - name: x-gateway-response
        value: '{{ request_header("x-gateway-request") }}' 
      - name: x-podname
        value: '{{ env("POD_NAME") }}'
      - name: x-season
        value: 'summer'
      - name: x-response-raw
        value: '{{ raw_string("hello") }}'
      - name: x-replace
        value: '{{ replace_with_random(request_header("baz"), "pattern-to-replace") }}'
"#,
        "/response-headers",
        "x-gateway-request: my custom request header\r\nbaz: pattern-to-replace\r\n",
    );
    assert_eq!(response.status, 200);
    let header = |name| response.header(name);
    assert_eq!(
        header("x-gateway-response"),
        Some("my custom request header")
    );
    assert_eq!(header("x-season"), Some("summer"));
    assert_eq!(header("x-response-raw"), Some("hello"));
    assert_eq!(header("x-replace").unwrap().len(), 22);
}

#[test]
fn change_the_response_status() {
    let transformation = r#"    response:
      set:
      - name: ":status"
        value: '{% if header("foo") == "bar" %}401{% else %}403{% endif %}'
"#;
    let bar = answer(transformation, "/response-headers?foo=bar", "");
    assert_eq!((bar.status, bar.header("foo")), (401, Some("bar")));
    let baz = answer(transformation, "/response-headers?foo=baz", "");
    assert_eq!((baz.status, baz.header("foo")), (403, Some("baz")));
}

#[test]
fn decode_base64_headers() {
    let response = answer(
        r#"    response:
      add:
      - name: x-base64-decoded
        value: '{{ substring(base64_decode(request_header("x-base64-encoded")), 11) }}'
"#,
        "/response-headers",
        "x-base64-encoded: dHJhbnNmb3JtYXRpb24gdGVzdA==\r\n",
    );
    assert_eq!(response.header("x-base64-decoded"), Some("ion test"));
}

#[test]
fn set_up_redirect_urls() {
    let response = answer(
        r#"    request:  
      add:
      - name: x-forwarded-uri
        value: 'https://{{ request_header(":authority") }}{{ request_header(":path") }}'
"#,
        "/get",
        "",
    );
    let headers = &response.json()["headers"];
    let host = headers["host"].as_str().unwrap();
    assert_eq!(headers["x-forwarded-uri"], format!("https://{host}/get"));
}

#[test]
fn update_request_paths_and_methods() {
    let transformation = r#"    request:
      set:
      - name: ":path"
        value: '{% if request_header("foo") == "bar" %}/post{% else %}{{ header(":path") }}{% endif %}'
      - name: ":method"
        value: '{% if request_header("foo") == "bar" %}POST{% else %}{{ request_header(":method")}}{% endif %}'
"#;
    let bar = answer(transformation, "/get", "foo: bar\r\n");
    assert_eq!((bar.status, &bar.json()["url"]), (200, &json!("/post")));
    let other = answer(transformation, "/get", "");
    assert_eq!((other.status, &other.json()["url"]), (200, &json!("/get")));
}

#[test]
fn update_the_response_body() {
    let fields = answer(
        r#"    response:
      body: 
        parseAs: AsJson
        value: '{"author": "{{ slideshow.author }}", "title": "{{ slideshow.title }}", "slides": "{{ slideshow.slides }}}'
"#,
        "/json",
        "",
    );
    let text = fields.text();
    let begin = r#"{"author": "Yours Truly", "title": "Sample Slide Show", "slides": "["#;
    assert!(text.starts_with(begin), "{text}");
    let random = answer(
        r#"    response:
      body: 
        parseAs: AsJson
        value: '{{ replace_with_random(body(), "all") }}'
"#,
        "/json",
        "",
    );
    let slides = &random.json()["slideshow"]["slides"];
    assert_eq!(slides[0]["type"].as_str().unwrap().len(), 22, "{slides}");
    assert_eq!(slides[0]["type"], slides[1]["type"]);
}

#[test]
fn a_body_from_the_request_and_a_static_one() {
    let path = answer(
        r#"    response: 
      body: 
        value: 'This is the value of the :path pseudo header: {{request_header(":path")}}.'
"#,
        "/json",
        "",
    );
    assert_eq!(
        path.text(),
        "This is the value of the :path pseudo header: /json."
    );
    let fixed = answer(
        r"    response:
      body:
        value: 'This is my static body'
        parseAs: AsString
",
        "/json",
        "",
    );
    assert_eq!(fixed.text(), "This is my static body");
    // The guide of the templates: what reads a JSON body without one is refused.
    let unread = answer(
        r"    response:
      set:
      - name: x-author
        value: '{{ slideshow.author }}'
      body:
        parseAs: None
",
        "/json",
        "",
    );
    assert_eq!(unread.status, 400);
}

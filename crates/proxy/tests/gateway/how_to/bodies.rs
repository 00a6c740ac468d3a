//! Direct responses, limits of bodies, and compression.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use egret_testkit::Upstream;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::{HOST, SampleApp, on_route};

#[test]
fn a_path_is_answered_by_the_gateway_itself() {
    let app = SampleApp::start(&["apiVersion: gateway.kgateway.dev/v1alpha1
kind: DirectResponse
metadata:
  name: direct-response
  namespace: httpbin
spec:
  status: 510
  body: \"User-agent: *\\nDisallow: /direct-response\\n\"
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: httpbin-direct-response
  namespace: httpbin
spec:
  hostnames:
  - direct-response.com
  parentRefs:
  - name: http
    namespace: kgateway-system
  rules:
  - matches:
    - path:
        type: PathPrefix
        value: /
    backendRefs:
    - name: httpbin
      port: 8000
  - matches:
    - path:
        type: Exact
        value: /direct-response
    filters:
    - type: ExtensionRef
      extensionRef:
        name: direct-response
        group: gateway.kgateway.dev
        kind: DirectResponse
"]);
    let ask = |path: &str| app.ask(&format!("GET {path}"), "direct-response.com:8080", "");
    assert_eq!(ask("/status/200").status, 200);
    let direct = ask("/direct-response");
    assert_eq!(direct.status, 510);
    assert_eq!(direct.header("content-length"), Some("41"));
    assert_eq!(direct.header("content-type"), Some("text/plain"));
    assert_eq!(direct.text(), "User-agent: *\nDisallow: /direct-response\n");
    assert_eq!(app.app.requests().len(), 1);
}

/// What makes the gateway read the whole response.
const WHOLE: &str = "transformation:
    response:
      body:
        parseAs: AsString
        value: '{{ body() }}'";

fn post(app: &SampleApp, length: usize) -> u16 {
    let body = "x".repeat(length);
    let fields = format!("content-type: text/plain\r\ncontent-length: {length}\r\n");
    let head = format!("POST /anything HTTP/1.1\r\nhost: {HOST}\r\n{fields}\r\n{body}");
    app.send(head).status
}

#[test]
fn a_body_beyond_the_limit_of_the_route_is_refused() {
    let whole = on_route("transformation-buffer-body", WHOLE);
    let limit = on_route(
        "transformation-buffer-limit",
        "buffer:
    maxRequestSize: '1024'",
    );
    let app = SampleApp::start(&[&whole, &limit]);
    assert_eq!(post(&app, 1024), 200);
    assert_eq!(post(&app, 2747), 413);
}

fn route(name: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: httpbin-{name}
  namespace: httpbin
spec:
  parentRefs:
  - name: http
    namespace: kgateway-system
  hostnames:
    - {name}.example
  rules:
    - backendRefs:
        - name: httpbin
          port: 8000
"
    )
}

fn on(name: &str, spec: &str) -> String {
    on_route("compression", spec).replace("name: httpbin\n", &format!("name: httpbin-{name}\n"))
}

#[test]
fn responses_are_compressed_for_clients_that_ask_for_it() {
    let page = "<html>".to_owned() + &"Herman Melville ".repeat(200);
    let text = page.clone();
    let html = Upstream::start().answering(move |_| {
        let response = http::Response::builder().header("content-type", "text/html; charset=utf-8");
        response.body(Bytes::from(text.clone())).ok()
    });
    let gzip = "compression:
    responseCompression: {}";
    let mut app = SampleApp::with(html, &[&route("compression"), &on("compression", gzip)]);
    let ask = |app: &SampleApp, accepted: &str| {
        let fields = match accepted {
            "" => String::new(),
            accepted => format!("accept-encoding: {accepted}\r\n"),
        };
        app.ask("GET /html", "compression.example:8080", &fields)
    };
    let compressed = ask(&app, "gzip");
    assert_eq!(compressed.status, 200);
    for (name, value) in [
        ("content-type", Some("text/html; charset=utf-8")),
        ("content-encoding", Some("gzip")),
        ("transfer-encoding", Some("chunked")),
        ("content-length", None),
    ] {
        assert_eq!(compressed.header(name), value, "{name}");
    }
    let mut unpacked = String::new();
    let mut decoder = GzDecoder::new(&*compressed.body);
    decoder.read_to_string(&mut unpacked).unwrap();
    assert_eq!(unpacked, page);
    let plain = ask(&app, "");
    assert_eq!(plain.header("content-encoding"), None);
    assert_eq!(
        plain.header("content-length"),
        Some(&*page.len().to_string())
    );
    let both = "compression:
    responseCompression:
      libraries:
        - Brotli
        - Gzip";
    app.apply(&[&route("compression"), &on("compression", both)]);
    for (accepted, coding) in [
        ("br", Some("br")),
        ("gzip", Some("gzip")),
        ("zstd", None),
        ("*", Some("br")),
    ] {
        let response = ask(&app, accepted);
        assert_eq!(response.header("content-encoding"), coding, "{accepted}");
    }
}

#[test]
fn the_application_gets_what_was_compressed() {
    let spec = "compression:
    requestDecompression: {}";
    let app = SampleApp::start(&[&route("decompression"), &on("decompression", spec)]);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(b"Hello, world!").unwrap();
    let body = encoder.finish().unwrap();
    let mut request = format!(
        "POST /post HTTP/1.1\r\nhost: decompression.example:8080\r\ncontent-type: text/plain\r\n\
         content-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend(body);
    assert_eq!(app.send(request).status, 200);
    let seen = app.served();
    assert_eq!(seen.body, b"Hello, world!");
    assert_eq!(seen.header("content-type"), Some("text/plain"));
    assert_eq!(seen.header("content-encoding"), None);
}

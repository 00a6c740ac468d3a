//! Timeouts, retries, faults and mirrored requests.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use egret_testkit::Upstream;
use egret_testkit::gateway::{documents, traffic_policy};

use super::{SampleApp, endpoints, on_route};

/// The route of the guide about retries, with the further lines of its rule.
fn retry_route(rule: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: retry
  namespace: httpbin
spec:
  hostnames:
  - retry.example
  parentRefs:
  - group: gateway.networking.k8s.io
    kind: Gateway
    name: http
    namespace: kgateway-system
  rules:
  - matches:
    - path:
        type: PathPrefix
        value: /
    backendRefs:
    - group: \"\"
      kind: Service
      name: httpbin
      port: 8000
{rule}"
    )
}

/// The guide waits a second before each attempt; the test does not.
const RETRY: &str = "retry:
    attempts: 3
    backoffBaseInterval: 1ms
    retryOn:
    - 5xx
    - unavailable";

#[test]
fn a_request_that_fails_is_sent_again() {
    let native = retry_route(
        "    retry:
      attempts: 3
      backoff: 1ms
      codes: [500, 503]
    timeouts:
      request: \"20s\"
",
    );
    let named = retry_route("    name: timeout\n");
    let of_rule = on_route("retry", &format!("{RETRY}\n  timeouts:\n    request: 20s"))
        .replace("name: httpbin\n", "name: retry\n    sectionName: timeout\n");
    let of_listener = traffic_policy("retry", RETRY).replace(
        "kind: Gateway, name: http",
        "kind: Gateway, name: http, sectionName: http",
    );
    for objects in [
        vec![native],
        vec![named, of_rule],
        vec![retry_route(""), of_listener],
    ] {
        let asked = AtomicUsize::new(0);
        let flaky = Upstream::start().answering(move |request| {
            let is_asleep = request.target == "/asleep";
            let nth = asked.fetch_add(1, Ordering::Relaxed);
            let status = if is_asleep || nth < 3 { 503 } else { 200 };
            let response = http::Response::builder().status(status);
            response.body(Bytes::from("reviews")).ok()
        });
        let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
        let app = SampleApp::with(flaky, &objects);
        let ask = |path: &str| app.ask(&format!("GET {path}"), "retry.example:8080", "");
        assert_eq!(ask("/reviews/1").status, 200, "{objects:?}");
        assert_eq!(app.app.requests().len(), 4, "{objects:?}");
        assert_eq!(ask("/asleep").status, 503, "{objects:?}");
        assert_eq!(app.app.requests().len(), 8, "{objects:?}");
    }
}

#[test]
fn a_rule_ends_requests_after_its_time() {
    let route = |timeouts: [&str; 2]| {
        let [headers, anything] = timeouts;
        format!(
            "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: httpbin-timeout
  namespace: httpbin
spec:
  hostnames:
  - timeout.example
  parentRefs:
  - group: gateway.networking.k8s.io
    kind: Gateway
    name: http
    namespace: kgateway-system
  rules:
  - matches:
    - path:
        type: PathPrefix
        value: /hang
    backendRefs:
    - group: \"\"
      kind: Service
      name: httpbin
      port: 8000
{headers}  - matches:
    - path:
        type: PathPrefix
        value: /delay
    backendRefs:
    - group: \"\"
      kind: Service
      name: httpbin
      port: 8000
{anything}"
        )
    };
    let native = route(["    timeouts:\n      request: \"100ms\"\n", ""]);
    let named = route(["    name: timeout\n", "    name: no-timeout\n"]);
    let policy = on_route("timeout", "timeouts:\n    request: 100ms").replace(
        "name: httpbin\n",
        "name: httpbin-timeout\n    sectionName: timeout\n",
    );
    for objects in [native, documents(&[&named, &policy])] {
        let app = SampleApp::start(&[&objects]);
        let ask = |path: &str| app.ask(&format!("GET {path}"), "timeout.example:8080", "");
        assert_eq!(ask("/hang").status, 504, "{objects}");
        assert_eq!(ask("/delay/200").status, 200, "{objects}");
    }
}

#[test]
fn requests_are_failed_on_purpose() {
    let abort = "faultInjection:
    abort:
      httpStatus: 503
      percentage: 100";
    let mut app = SampleApp::start(&[&on_route("httpbin-fault", abort)]);
    let aborted = |app: &SampleApp| {
        let response = app.get("/status/200", "");
        (response.status, response.text().to_owned())
    };
    let expected = (503, "fault filter abort".to_owned());
    assert_eq!(aborted(&app), expected);
    let gateway = traffic_policy("fault-gateway", abort);
    app.apply(&[&gateway]);
    assert_eq!(aborted(&app), expected);
    // A fault protects nobody, and a route may be without it.
    let exempt = on_route("fault-disable", "faultInjection:\n    disable: {}");
    app.apply(&[&gateway, &exempt]);
    assert_eq!(aborted(&app).0, 200);
}

#[test]
fn a_part_of_the_requests_waits_and_responses_are_slow() {
    let delay = "faultInjection:
    delay:
      fixedDelay: 50ms
      percentage: 50";
    let app = SampleApp::start(&[&on_route("httpbin-fault", delay)]);
    for _ in 0..40 {
        assert_eq!(app.get("/status/200", "").status, 200);
    }
    let records = app.gateway.wait_for_records(40);
    let waited = |record: &&serde_json::Value| record["first_byte_ms"].as_f64().unwrap() >= 50.0;
    let waited = records.iter().filter(waited).count();
    // Of 40 drawn by halves, this many are drawn but for once in ten million times.
    assert!((4..=40).contains(&waited), "{waited}");
    let slow = "faultInjection:
    responseRateLimit:
      kbitsPerSecond: 64
      percentage: 100";
    let app = SampleApp::start(&[&on_route("httpbin-fault", slow)]);
    let response = app.get("/bytes/2000", "");
    assert_eq!((response.status, response.body.len()), (200, 2000));
    let record = &app.gateway.wait_for_records(1)[0];
    assert!(record["total_ms"].as_f64().unwrap() >= 150.0, "{record}");
}

#[test]
fn a_second_service_gets_copies() {
    let shadow = Upstream::start();
    let objects = "apiVersion: v1
kind: Service
metadata:
  name: httpbin2
  namespace: httpbin
spec:
  ports:
    - name: http
      port: 8000
      targetPort: 8080
    - name: tcp
      port: 9000
  selector:
    app: httpbin
    version: v2
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: httpbin-mirror
  namespace: httpbin
spec:
  parentRefs:
  - name: http
    namespace: kgateway-system
  hostnames:
  - mirror.example
  rules:
  - matches:
    - path:
        type: PathPrefix
        value: /
    filters:
    - type: RequestMirror
      requestMirror:
        backendRef:
          kind: Service
          name: httpbin2
          port: 8000
    backendRefs:
    - name: httpbin
      port: 8000
";
    let at = endpoints("httpbin", "httpbin2", shadow.addr());
    let app = SampleApp::start(&[objects, &at]);
    for _ in 0..5 {
        let response = app.ask("GET /headers", "mirror.example:8080", "");
        assert_eq!(response.status, 200);
    }
    assert_eq!(app.app.requests().len(), 5);
    shadow.wait_for_complete_requests(5);
    assert_eq!(
        shadow.requests()[0].authority(),
        Some("mirror.example-shadow:8080")
    );
}

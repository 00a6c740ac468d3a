//! Local and global rate limits.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use egret_testkit::Response;
use egret_testkit::gateway::traffic_policy;
use egret_testkit::grpc::{self, GrpcAnswer};
use egret_testkit::protobuf::{Written, messages, texts};

use super::{HOST, SampleApp, children_decide, endpoints};

const BUCKET: &str = "rateLimit:
    local:
      tokenBucket:
        maxTokens: 1
        tokensPerFill: 1
        fillInterval: 100s";

/// What the guide shows of a request beyond the limit.
fn assert_limited(response: &Response) {
    assert_eq!(response.status, 429, "{response:?}");
    assert_eq!(response.text(), "local_rate_limited");
    assert_eq!(response.header("x-ratelimit-limit"), Some("1"));
    assert_eq!(response.header("x-ratelimit-remaining"), Some("0"));
    let reset: u32 = response
        .header("x-ratelimit-reset")
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=100).contains(&reset), "{reset}");
}

#[test]
fn a_route_is_limited_by_a_policy_that_it_names() {
    let app = SampleApp::start(&["apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata:
  name: local-ratelimit
  namespace: httpbin
spec:
  rateLimit:
    local:
      tokenBucket:
        maxTokens: 1
        tokensPerFill: 1
        fillInterval: 100s
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: httpbin-ratelimit
  namespace: httpbin
spec:
  parentRefs:
  - name: http
    namespace: kgateway-system
  hostnames:
  - ratelimit.example
  rules:
  - matches:
    - path:
        type: PathPrefix
        value: /
    filters:
    - type: ExtensionRef
      extensionRef:
        name: local-ratelimit
        group: gateway.kgateway.dev
        kind: TrafficPolicy
    backendRefs:
    - name: httpbin
      port: 8000
"]);
    let ask = || app.ask("GET /status/200", "ratelimit.example:8080", "");
    assert_eq!(ask().status, 200);
    assert_limited(&ask());
    for _ in 0..2 {
        assert_eq!(app.get("/status/200", "").status, 200);
    }
}

const EXEMPT_ROUTE: &str = "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: httpbin-anything
  namespace: httpbin
spec:
  parentRefs:
  - name: http
    namespace: kgateway-system
  hostnames:
  - www.example.com
  rules:
  - matches:
    - path:
        type: PathPrefix
        value: /anything
    backendRefs:
    - name: httpbin
      port: 8000
";

const EXEMPT: &str = "apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata:
  name: disable-ratelimit
  namespace: httpbin
spec:
  targetRefs:
  - group: gateway.networking.k8s.io
    kind: HTTPRoute
    name: httpbin-anything
  rateLimit:
    local: {}
";

/// The guide lets any route switch off what its Gateway limits; here the Gateway has to say that routes may.
#[test]
fn a_gateway_is_limited_and_a_route_exempt_if_the_gateway_lets_it() {
    let limited = traffic_policy("local-ratelimit", BUCKET);
    let mut app = SampleApp::start(&[&limited, EXEMPT_ROUTE]);
    assert_eq!(app.get("/anything", "").status, 200);
    assert_limited(&app.get("/anything", ""));
    assert_limited(&app.get("/status/200", ""));
    app.apply(&[&limited, EXEMPT_ROUTE, EXEMPT]);
    assert_limited(&app.get("/anything", ""));
    let trusted = children_decide(&app.app, &[&limited, EXEMPT_ROUTE, EXEMPT]);
    app.gateway.apply(&trusted);
    for _ in 0..2 {
        assert_eq!(app.get("/anything", "").status, 200);
    }
    assert_limited(&app.get("/status/200", ""));
}

const GLOBAL: &str = "apiVersion: gateway.kgateway.dev/v1alpha1
kind: GatewayExtension
metadata:
  namespace: kgateway-system
  name: global-ratelimit
spec:
  type: RateLimit
  rateLimit:
    grpcService:
      backendRef:
        name: ratelimit
        namespace: kgateway-test-extensions
        port: 8081
    domain: \"api-gateway\"
    timeout: \"60s\"
    failOpen: false
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata:
  name: global-ratelimit
  namespace: kgateway-test-extensions
spec:
  from:
  - group: gateway.kgateway.dev
    kind: GatewayExtension
    namespace: kgateway-system
  to:
  - group: \"\"
    kind: Service
---
apiVersion: v1
kind: Service
metadata:
  name: ratelimit
  namespace: kgateway-test-extensions
spec:
  ports:
  - name: http
    port: 8081
    targetPort: 8081
    appProtocol: kubernetes.io/h2c
  selector:
    app: ratelimit
";

/// How many requests with a descriptor the service of the guide lets through in a minute; all others are not limited.
fn allowed(descriptor: &str) -> Option<u32> {
    match descriptor.split('=').next()? {
        "remote_address" | "X-User-ID" => Some(1),
        _ => match descriptor {
            "path=/path1" => Some(1),
            "path=/path2" | "service=premium-api" => Some(2),
            _ => None,
        },
    }
}

/// The first descriptor of a question, as `key=value` pairs.
fn descriptor(message: &[u8]) -> String {
    let first = messages(message, &[2]).remove(0);
    let entries = messages(&first, &[1]);
    let entry = |entry: &Vec<u8>| {
        [1, 2]
            .map(|field| texts(entry, &[field]).concat())
            .join("=")
    };
    entries.iter().map(entry).collect::<Vec<_>>().join(",")
}

#[test]
fn a_service_counts_by_the_descriptors_of_each_policy() {
    for (entry, path, fields, passed) in [
        ("type: RemoteAddress", "/", "", 1),
        ("type: Path", "/path1", "", 1),
        ("type: Path", "/path2", "", 2),
        ("type: Path", "/other", "", 4),
        (
            "type: Header\n          header: \"X-User-ID\"",
            "/",
            "x-user-id: user1\r\n",
            1,
        ),
        (
            "type: Generic\n          generic:\n            key: service\n            value: premium-api",
            "/",
            "",
            2,
        ),
    ] {
        let counts = Mutex::new(BTreeMap::<String, u32>::new());
        let service = grpc::start(move |message| {
            assert_eq!(texts(message, &[1]), ["api-gateway"]);
            let descriptor = descriptor(message);
            let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
            let count = counts.entry(descriptor.clone()).or_default();
            *count += 1;
            let is_over = allowed(&descriptor).is_some_and(|allowed| *count > allowed);
            GrpcAnswer::Message(Written::default().number(1, if is_over { 2 } else { 1 }))
        });
        let policy = traffic_policy(
            "global",
            &format!(
                "rateLimit:
    global:
      descriptors:
      - entries:
        - {entry}
      extensionRef:
        name: global-ratelimit"
            ),
        );
        let at = endpoints("kgateway-test-extensions", "ratelimit", service.addr());
        let app = SampleApp::start(&[GLOBAL, &at, &policy]);
        let asked = (0..4).map(|_| app.ask(&format!("GET {path}"), HOST, fields).status);
        let statuses: Vec<u16> = asked.collect();
        let expected: Vec<u16> = (0..4)
            .map(|at| if at < passed { 200 } else { 429 })
            .collect();
        assert_eq!(statuses, expected, "{entry} {path}");
    }
}

//! Which of several routes a request falls under.

use egret_testkit::Upstream;

use super::{SampleApp, endpoints};

/// A second application, and a route to each.
fn routes(weights: [&str; 2]) -> String {
    let [httpbin, hello] = weights;
    format!(
        "apiVersion: v1
kind: Service
metadata:
  name: hello-world
  namespace: httpbin
spec:
  selector:
    app: hello-world
  ports:
  - name: http
    port: 80
    targetPort: 80
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: httpbin-anything
  namespace: httpbin
{httpbin}spec:
  parentRefs:
    - name: http
      namespace: kgateway-system
  hostnames:
    - \"www.example.com\"
  rules:
    - matches:
      - path:
          type: PathPrefix
          value: /anything
      backendRefs:
        - name: httpbin
          port: 8000
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: hello-world-a
  namespace: httpbin
{hello}spec:
  parentRefs:
    - name: http
      namespace: kgateway-system
  hostnames:
    - \"www.example.com\"
  rules:
    - matches:
      - path:
          type: PathPrefix
          value: /anything/a
      backendRefs:
        - name: hello-world
          port: 80
"
    )
}

#[test]
fn the_heavier_route_goes_before_the_more_specific_one() {
    let hello = Upstream::start().named("hello");
    let at = endpoints("httpbin", "hello-world", hello.addr());
    let weight =
        |weight: i32| format!("  annotations: {{kgateway.dev/route-weight: \"{weight}\"}}\n");
    let mut app = SampleApp::start(&[&routes(["", ""]), &at]);
    for path in ["/anything/a", "/anything"] {
        assert_eq!(app.get(path, "").status, 200);
    }
    assert_eq!((app.app.requests().len(), hello.requests().len()), (1, 1));
    app.apply(&[&routes([&weight(10), &weight(1)]), &at]);
    assert_eq!(app.get("/anything/a", "").status, 200);
    assert_eq!((app.app.requests().len(), hello.requests().len()), (2, 1));
}

//! The how-to guides of kgateway about what an egress gateway does: the objects of each guide with its fields and values, and
//! the answer that it shows. What Egret answers otherwise on purpose is tested here too, and stands in docs/compatibility.md.
//!
//! | guide | tests |
//! |---|---|
//! | backends: static, HTTP and HTTPS | `backends: a_static_backend_is_called_by_its_own_name` |
//! | security: backend TLS, in the cluster and outside | `backends: a_service_is_reached_over_tls`, `backends: a_static_backend_is_called_by_its_own_name` |
//! | security: local rate limits, of a route, of a gateway, switched off for a route | `limits` |
//! | security: global rate limits | `limits: a_service_counts_by_the_descriptors_of_each_policy`; with envoyproxy/ratelimit in `conformance/policies` |
//! | security: external authorization over gRPC and over HTTP | `ext_auth`; with another service in `conformance/policies` |
//! | security: basic authentication, API keys | `credentials` |
//! | security: JWT, claims as headers, RBAC by claims | `tokens`; remote keys in `super::jwt_auth::keys` and in `conformance/policies` |
//! | security: ACL, CSRF, CORS | `access` |
//! | security: access logs | `logs`; to a service and over OpenTelemetry in `super::collected_logs` |
//! | observability: traces | `super::tracing` |
//! | observability: metrics | `super::admin::metrics`; they have names of their own |
//! | resiliency: timeouts, retries, faults, mirroring | `resiliency` |
//! | resiliency: circuit breakers, outlier detection, connections, keepalive | `super::limits`, `super::addresses`, `super::backend_settings`, `super::http2_upstream` |
//! | listeners: HTTPS, mTLS, SNI, TLS passthrough | `super::tls_clients`, `super::tls_terminate`, `super::passthrough` |
//! | transformations | `super::transformation::how_to` |
//! | external processing | `super::ext_proc::how_to` |
//! | local replies | `super::local_replies` |
//! | direct responses, buffering, compression | `bodies`; `perConnectionBufferLimitBytes` of a ListenerPolicy has no effect, which the report says |
//! | headers: of requests and responses, early, without port, counted | `headers` |
//! | weighted routes | `routes` |
//! | HTTP/2 to the gateway | `super::http2` |
//! | PROXY protocol | `access: the_most_specific_range_decides`, `super::proxy_protocol` |
//! | route delegation, OAuth2 | not supported: the report refuses them |

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::net::SocketAddr;

use egret_testkit::gateway::documents;
use egret_testkit::upstream::RecordedRequest;
use egret_testkit::{Ca, Gateway, Response, Upstream};

mod access;
mod backends;
mod bodies;
mod credentials;
mod ext_auth;
mod headers;
mod limits;
mod logs;
mod resiliency;
mod routes;
mod tokens;

/// The Gateway, the Service and the HTTPRoute that all guides begin with.
const SAMPLE: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: http
  namespace: kgateway-system
spec:
  gatewayClassName: kgateway
  listeners:
  - protocol: HTTP
    port: 8080
    name: http
    allowedRoutes:
      namespaces:
        from: All
---
apiVersion: v1
kind: Service
metadata:
  name: httpbin
  namespace: httpbin
spec:
  ports:
  - name: http
    port: 8000
    targetPort: 8080
  selector:
    app: httpbin
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: httpbin
  namespace: httpbin
spec:
  parentRefs:
  - name: http
    namespace: kgateway-system
  hostnames:
  - www.example.com
  rules:
  - backendRefs:
    - name: httpbin
      port: 8000
";

/// The host that the guides ask for.
const HOST: &str = "www.example.com:8080";

/// The sample application behind its gateway.
struct SampleApp {
    gateway: Gateway,
    app: Upstream,
}

impl SampleApp {
    /// With the objects of a guide.
    fn start(objects: &[&str]) -> Self {
        Self::with(Upstream::start(), objects)
    }

    /// With an application that answers in its own way.
    fn with(app: Upstream, objects: &[&str]) -> Self {
        let gateway = Gateway::start(&sample(&app, objects));
        Self { gateway, app }
    }

    fn trusting(app: Upstream, ca: &Ca, objects: &[&str]) -> Self {
        let gateway = Gateway::start_trusting(&sample(&app, objects), [ca]);
        Self { gateway, app }
    }

    /// Replaces the objects of the guide.
    fn apply(&mut self, objects: &[&str]) {
        let objects = sample(&self.app, objects);
        self.gateway.apply(&objects);
    }

    /// A request with these fields beside the host.
    fn ask(&self, start: &str, host: &str, fields: &str) -> Response {
        self.send(format!("{start} HTTP/1.1\r\nhost: {host}\r\n{fields}\r\n"))
    }

    /// A request to the host of the guides.
    fn get(&self, path: &str, fields: &str) -> Response {
        self.ask(&format!("GET {path}"), HOST, fields)
    }

    fn send(&self, request: impl AsRef<[u8]>) -> Response {
        self.gateway.connect().request(request)
    }

    /// The last request that reached the application.
    fn served(&self) -> RecordedRequest {
        self.app.requests().pop().unwrap()
    }
}

fn sample(app: &Upstream, objects: &[&str]) -> String {
    let endpoints = endpoints("httpbin", "httpbin", app.addr());
    documents(&[&[SAMPLE, &*endpoints], objects].concat())
}

/// The one endpoint of the port `http` of a Service.
fn endpoints(namespace: &str, service: &str, at: SocketAddr) -> String {
    let (ip, port) = (at.ip(), at.port());
    format!(
        "apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: {service}-1
  namespace: {namespace}
  labels: {{kubernetes.io/service-name: {service}}}
addressType: IPv4
ports: [{{name: http, port: {port}}}]
endpoints: [{{addresses: [{ip}], conditions: {{ready: true}}}}]
"
    )
}

/// A TrafficPolicy on the route of the sample application. `spec` are lines of its spec, indented by two.
fn on_route(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata:
  name: {name}
  namespace: httpbin
spec:
  targetRefs:
  - group: gateway.networking.k8s.io
    kind: HTTPRoute
    name: httpbin
  {spec}
"
    )
}

/// The sample with the annotation of its Gateway by which routes may switch off what the Gateway asks.
fn children_decide(app: &Upstream, objects: &[&str]) -> String {
    let annotated = "  name: http
  namespace: kgateway-system
  annotations: {kgateway.dev/inherited-policy-priority: ShallowMergePreferChild}
spec:
  gatewayClassName";
    sample(app, objects).replacen(
        "  name: http\n  namespace: kgateway-system\nspec:\n  gatewayClassName",
        annotated,
        1,
    )
}

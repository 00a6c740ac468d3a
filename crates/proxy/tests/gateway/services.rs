//! Services as backends: their endpoints, and which of them get a request.

use std::net::SocketAddr;

use egret_testkit::gateway::documents;

mod changes;
mod egress;
mod requests;
mod sessions;

/// A Gateway with an HTTP and a TLS passthrough listener, whose routes lead to port 80 of the Service `shop`. No policy
/// opens loopback addresses, where the endpoints are.
const ROUTES: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: http, namespace: kgateway-system}
spec:
  gatewayClassName: kgateway
  listeners:
  - {name: http, protocol: HTTP, port: 8080}
  - {name: tls, protocol: TLS, port: 8443, tls: {mode: Passthrough}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: http, namespace: kgateway-system}
spec:
  parentRefs: [{name: http, sectionName: http}]
  hostnames: [shop.example]
  rules: [{backendRefs: [{name: shop, port: 80}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: tls, namespace: kgateway-system}
spec:
  parentRefs: [{name: http, sectionName: tls}]
  hostnames: [shop.example]
  rules: [{backendRefs: [{name: shop, port: 80}]}]
";

/// The destination as logs and policies call it.
const DESTINATION: &str = "shop.kgateway-system.svc.cluster.local:80";

/// The Service `shop`, and a slice for each endpoint: they have ports of their own.
fn service(port: &str, endpoints: &[SocketAddr]) -> String {
    let mut parts = vec![format!(
        "apiVersion: v1
kind: Service
metadata: {{name: shop, namespace: kgateway-system}}
spec: {{ports: [{{name: http, port: 80{port}}}]}}
"
    )];
    parts.extend(endpoints.iter().enumerate().map(|(index, endpoint)| {
        let (ip, port) = (endpoint.ip(), endpoint.port());
        format!(
            "apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: shop-{index}
  namespace: kgateway-system
  labels: {{kubernetes.io/service-name: shop}}
addressType: IPv4
ports: [{{name: http, port: {port}}}]
endpoints: [{{addresses: [{ip}]}}]
"
        )
    }));
    documents(&parts.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The routes, and the Service with these endpoints.
fn shop(endpoints: &[SocketAddr]) -> String {
    documents(&[ROUTES, &service("", endpoints)])
}

/// A request for a WebSocket, which a fake upstream turns into an echo.
const UPGRADE: &str = "GET /upgrade HTTP/1.1\r\nhost: shop.example\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";

//! What the proxy serves: the quickstart, with a listener over TLS, and one name denied.

use std::net::SocketAddr;

use egret_testkit::Issued;
use egret_testkit::gateway::{LOOPBACK, documents, resolver};
use serde_json::json;

use super::lab::ADDRESS;

const BACKEND: &str = include_str!("../../examples/quickstart/backend.yaml");
const ROUTE: &str = include_str!("../../examples/quickstart/httproute.yaml");

const NAMES: &str = "\
apiVersion: egret.dev/v1alpha1
kind: EgressPolicy
metadata: {name: names, namespace: kgateway-system}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: http}]
  rules: [{name: not-there, action: Deny, hosts: [denied.example]}]
";

/// Listeners on these ports, in clear, over TLS and over TLS for HTTP/1.1; names are asked of `dns`.
pub(crate) fn of(ports: [u16; 3], identity: &Issued, dns: SocketAddr) -> String {
    let [clear, tls, http1] = ports;
    let gateway = format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: http, namespace: kgateway-system}}
spec:
  gatewayClassName: kgateway
  addresses: [{{type: IPAddress, value: {ADDRESS}}}]
  listeners:
  - {{name: http, protocol: HTTP, port: {clear}, allowedRoutes: &all {{namespaces: {{from: All}}}}}}
  - name: tls
    protocol: HTTPS
    port: {tls}
    allowedRoutes: *all
    tls: {{certificateRefs: [{{name: tls}}]}}
  - name: tls-http1
    protocol: HTTPS
    port: {http1}
    allowedRoutes: *all
    tls: {{certificateRefs: [{{name: tls}}], options: {{kgateway.dev/alpn-protocols: http/1.1}}}}"
    );
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "tls", "namespace": "kgateway-system"},
        "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": identity.certificate_pem(), "tls.key": identity.key_pem()},
    });
    let resolver = resolver(dns, "");
    documents(&[
        &gateway,
        &secret.to_string(),
        BACKEND,
        ROUTE,
        LOOPBACK,
        NAMES,
        &resolver,
    ])
}

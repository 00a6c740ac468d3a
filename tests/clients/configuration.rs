//! The configuration of the gateway: the quickstart with TLS and passthrough listeners, and with one denied name.

use std::net::SocketAddr;

use egret_testkit::IssuedCertificate;
use egret_testkit::gateway::{LOOPBACK, documents, resolver_policy};
use serde_json::json;

use super::setup::ADDRESS;

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

/// The parts of the configuration that differ between tests.
pub(crate) struct ProxyConfig<'a> {
    /// The ports of the listeners: in clear, over TLS, over TLS with HTTP/1.1 only, and TLS passthrough.
    pub(crate) ports: [u16; 4],
    /// The upstream port for TLS passthrough.
    pub(crate) passed_on_to: u16,
    pub(crate) identity: &'a IssuedCertificate,
    /// The DNS server.
    pub(crate) dns: SocketAddr,
}

impl ProxyConfig<'_> {
    /// The whole configuration as YAML.
    pub(crate) fn text(&self) -> String {
        let resolver = resolver_policy(self.dns, "");
        documents(&[
            &self.gateway(),
            &self.secret(),
            BACKEND,
            ROUTE,
            &self.tls_route(),
            LOOPBACK,
            NAMES,
            &resolver,
        ])
    }

    fn gateway(&self) -> String {
        let [clear, tls, http1, passthrough] = self.ports;
        format!(
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
    tls: {{certificateRefs: [{{name: tls}}], options: {{kgateway.dev/alpn-protocols: http/1.1}}}}
  - {{name: passthrough, protocol: TLS, port: {passthrough}, allowedRoutes: *all, tls: {{mode: Passthrough}}}}"
        )
    }

    fn secret(&self) -> String {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "tls", "namespace": "kgateway-system"},
            "type": "kubernetes.io/tls",
            "stringData": {
                "tls.crt": self.identity.certificate_pem(),
                "tls.key": self.identity.key_pem(),
            },
        })
        .to_string()
    }

    fn tls_route(&self) -> String {
        format!(
            "apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {{name: any, namespace: httpbin}}
spec:
  parentRefs: [{{name: http, namespace: kgateway-system, sectionName: passthrough}}]
  hostnames: ['*.example']
  rules:
  - backendRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: dfp-backend, port: {}}}]",
            self.passed_on_to
        )
    }
}

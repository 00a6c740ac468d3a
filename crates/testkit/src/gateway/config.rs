//! Configurations that most tests use: the quickstart, and policies that are attached to it.

use std::net::SocketAddr;

use crate::ca::IssuedCertificate;

/// The Gateway, Backend and HTTPRoute of `examples/quickstart`, which allow requests to any public destination.
pub const QUICKSTART: &str = concat!(
    include_str!("quickstart/gateway.yaml"),
    "---\n",
    include_str!("quickstart/backend.yaml"),
    "---\n",
    include_str!("quickstart/httproute.yaml"),
);

/// The quickstart Gateway, with its listener at `address` in place of port 8080 of every address.
#[must_use]
pub fn quickstart_gateway(address: SocketAddr) -> String {
    let (ip, port) = (address.ip(), address.port());
    let here = format!("  addresses: [{{type: IPAddress, value: {ip}}}]\n  listeners:\n");
    include_str!("quickstart/gateway.yaml")
        .replace("  listeners:\n", &here)
        .replace("port: 8080", &format!("port: {port}"))
}

/// An EgressPolicy on the quickstart Gateway that allows loopback addresses, where the fake servers listen.
pub const LOOPBACK: &str = "\
apiVersion: egret.dev/v1alpha1
kind: EgressPolicy
metadata: {name: loopback, namespace: kgateway-system}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: http}]
  addresses: {allow: [127.0.0.0/8, '::1/128']}
";

/// A ResolverPolicy on the quickstart Gateway with `dns` as its server. `more` are further lines of its spec.
#[must_use]
pub fn resolver_policy(dns: SocketAddr, more: &str) -> String {
    let spec = format!("servers: [{{address: '{dns}'}}]\n{more}");
    gateway_policy("egret.dev", "ResolverPolicy", "test", &spec)
}

/// The quickstart configuration with loopback allowed and `dns` as its DNS server.
#[must_use]
pub fn quickstart_config(dns: SocketAddr) -> String {
    documents(&[QUICKSTART, LOOPBACK, &resolver_policy(dns, "")])
}

/// The [`quickstart_config`] with a BackendConfigPolicy on its Backend. `spec` are lines of the policy's spec, indented by
/// two.
#[must_use]
pub fn backend_config(dns: SocketAddr, spec: &str) -> String {
    let policy = format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: BackendConfigPolicy
metadata: {{name: test, namespace: httpbin}}
spec:
  targetRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: dfp-backend}}]
  {spec}"
    );
    documents(&[&quickstart_config(dns), &policy])
}

/// Joins YAML documents.
#[must_use]
pub fn documents(parts: &[&str]) -> String {
    parts.join("\n---\n")
}

/// An EgressPolicy on the quickstart Gateway. `spec` are lines of its spec, indented by two.
#[must_use]
pub fn egress_policy(name: &str, spec: &str) -> String {
    gateway_policy("egret.dev", "EgressPolicy", name, spec)
}

/// A ListenerPolicy on the quickstart Gateway with this `default` section.
#[must_use]
pub fn listener_policy(name: &str, default: &str) -> String {
    let spec = format!("default: {default}");
    gateway_policy("gateway.kgateway.dev", "ListenerPolicy", name, &spec)
}

/// A TrafficPolicy on the quickstart Gateway. `spec` are lines of its spec, indented by two.
#[must_use]
pub fn traffic_policy(name: &str, spec: &str) -> String {
    gateway_policy("gateway.kgateway.dev", "TrafficPolicy", name, spec)
}

/// A Secret of type `kubernetes.io/tls` in the namespace of the quickstart Gateway.
#[must_use]
pub fn tls_secret(name: &str, identity: &IssuedCertificate) -> String {
    format!(
        "apiVersion: v1
kind: Secret
type: kubernetes.io/tls
metadata: {{name: {name}, namespace: kgateway-system}}
stringData:
  tls.crt: {:?}
  tls.key: {:?}
",
        identity.certificate_pem(),
        identity.key_pem()
    )
}

fn gateway_policy(group: &str, kind: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: {group}/v1alpha1
kind: {kind}
metadata: {{name: {name}, namespace: kgateway-system}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: http}}]
  {spec}
"
    )
}

//! Tests of TLS passthrough, which is routed by the server name that the client sends (SNI).

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::sync::Arc;

use egret_testkit::gateway::{LOOPBACK, documents, resolver_policy};
use egret_testkit::{Client, DnsServer, Gateway};
use rustls::client::{EchGreaseConfig, EchMode};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::aws_lc_rs::hpke::ALL_SUPPORTED_SUITES;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

mod forwarding;
mod life;
mod refusals;

const UNRECOGNIZED_NAME: u8 = 112;
const MISSING_EXTENSION: u8 = 109;
const INTERNAL_ERROR: u8 = 80;
const DECODE_ERROR: u8 = 50;
const ACCESS_DENIED: u8 = 49;
const ILLEGAL_PARAMETER: u8 = 47;

/// A Gateway with TLS passthrough for names below `example` to one upstream port. `blocked.example` is denied.
fn passthrough_config(dns: &DnsServer, port: u16) -> String {
    documents(&[&routed(dns, &dynamic(port)), LOOPBACK, BLOCKED])
}

const BLOCKED: &str = "\
apiVersion: egret.dev/v1alpha1
kind: EgressPolicy
metadata: {name: blocked, namespace: kgateway-system}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: http}]
  rules: [{name: no, action: Deny, hosts: [blocked.example]}]
";

fn dynamic(port: u16) -> String {
    format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: backend, namespace: kgateway-system}}
spec: {{type: DynamicForwardProxy, dynamicForwardProxy: {{}}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {{name: any, namespace: kgateway-system}}
spec:
  parentRefs: [{{name: http}}]
  hostnames: ['*.example']
  rules: [{{name: all, backendRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: backend, port: {port}}}]}}]
"
    )
}

/// The Gateway with these routes, without a policy that allows loopback.
fn routed(dns: &DnsServer, routes: &str) -> String {
    let gateway = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: http, namespace: kgateway-system}
spec:
  gatewayClassName: kgateway
  listeners:
  - {name: tls, protocol: TLS, port: 8443, hostname: '*.example', tls: {mode: Passthrough}}
";
    documents(&[gateway, routes, &resolver_policy(dns.addr(), "")])
}

/// The ClientHello of a client for this name. A client for an IP address sends no SNI.
fn hello(name: &'static str) -> Vec<u8> {
    let config = ClientConfig::builder()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    said_by(config, name)
}

/// The ClientHello of a client that sends a GREASE Encrypted Client Hello extension.
fn hello_with_more(name: &'static str) -> Vec<u8> {
    let suite = ALL_SUPPORTED_SUITES[0];
    let (key, _) = suite.generate_key_pair().unwrap();
    let ech = EchMode::Grease(EchGreaseConfig::new(suite, key));
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_ech(ech)
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    said_by(config, name)
}

fn said_by(config: ClientConfig, name: &'static str) -> Vec<u8> {
    let name = ServerName::try_from(name).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// The alert that the gateway sends before it closes the connection.
fn answer(gateway: &Gateway, begin: &[u8]) -> Vec<u8> {
    let mut client = gateway.connect();
    client.send(begin);
    client.read_to_end()
}

fn alert(description: u8) -> Vec<u8> {
    vec![21, 3, 3, 0, 2, 2, description]
}

/// Opens a passthrough connection, and checks that its first bytes reach the upstream.
fn passed_on(gateway: &Gateway, name: &'static str) -> Client {
    let mut client = gateway.connect();
    let hello = hello(name);
    client.send(&hello);
    assert_eq!(client.read_exactly(hello.len()), hello);
    client
}

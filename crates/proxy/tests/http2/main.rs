//! Tests of HTTP/2 between clients and the gateway.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use egret_testkit::gateway::{documents, quickstart_config};
use egret_testkit::{DnsServer, Gateway, Http2Client, Upstream};

mod configured;
mod hostile;
mod limits;
mod messages;
mod tunnels;

/// A gateway, an upstream with the name `a.example`, and an HTTP/2 client of the gateway.
struct TestSetup {
    gateway: Gateway,
    upstream: Upstream,
    dns: DnsServer,
    client: Http2Client,
}

impl TestSetup {
    fn new() -> Self {
        Self::with(&[])
    }

    /// Starts the servers with these documents added to the configuration.
    fn with(more: &[&str]) -> Self {
        let (dns, upstream) = (DnsServer::start(), Upstream::start());
        dns.a("a.example", ["127.0.0.1"], 60);
        let basis = quickstart_config(dns.addr());
        let gateway = Gateway::start(&documents(&[&[&*basis], more].concat()));
        let client = Http2Client::connect(gateway.address());
        Self {
            gateway,
            upstream,
            dns,
            client,
        }
    }

    /// Starts the servers with a ListenerPolicy that has these `httpSettings`.
    fn limited(http: &str) -> Self {
        Self::with(&[&listener_policy(&format!("httpSettings: {{{http}}}"))])
    }

    /// The authority of the upstream.
    fn authority(&self) -> String {
        format!("a.example:{}", self.upstream.port())
    }

    fn uri(&self, path: &str) -> String {
        format!("http://{}{path}", self.authority())
    }
}

fn listener_policy(default: &str) -> String {
    format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: ListenerPolicy
metadata: {{name: limits, namespace: kgateway-system}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: http}}]
  default: {{{default}}}"
    )
}

/// An EgressPolicy on the Gateway. `spec` is what follows the target in its spec.
fn egress(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: egret.dev/v1alpha1
kind: EgressPolicy
metadata: {{name: {name}, namespace: kgateway-system}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: http}}]
  {spec}"
    )
}

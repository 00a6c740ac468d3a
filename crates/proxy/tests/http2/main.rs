//! HTTP/2 from clients.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use egret_testkit::gateway::{documents, lab};
use egret_testkit::{DnsServer, Gateway, Http2Client, Upstream};

mod configured;
mod hostile;
mod limits;
mod messages;
mod tunnels;

/// A gateway, an upstream by the name `a.example`, and a client of HTTP/2.
struct Lab {
    gateway: Gateway,
    upstream: Upstream,
    dns: DnsServer,
    client: Http2Client,
}

impl Lab {
    fn new() -> Self {
        Self::with(&[])
    }

    /// One with these documents besides.
    fn with(more: &[&str]) -> Self {
        let (dns, upstream) = (DnsServer::start(), Upstream::start());
        dns.a("a.example", ["127.0.0.1"], 60);
        let basis = lab(dns.addr());
        let gateway = Gateway::start(&documents(&[&[&*basis], more].concat()));
        let client = Http2Client::connect(gateway.address());
        Self {
            gateway,
            upstream,
            dns,
            client,
        }
    }

    /// One under a ListenerPolicy with these `httpSettings`.
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

/// An EgressPolicy with this spec besides its target.
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

//! Tests of HTTP/2 between clients and the gateway.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use egret_testkit::gateway::{documents, listener_policy, quickstart_config};
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
        let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
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
        Self::with(&[&listener_policy(
            "limits",
            &format!("{{httpSettings: {{{http}}}}}"),
        )])
    }

    /// The authority of the upstream.
    fn authority(&self) -> String {
        format!("a.example:{}", self.upstream.port())
    }

    fn uri(&self, path: &str) -> String {
        format!("http://{}{path}", self.authority())
    }
}

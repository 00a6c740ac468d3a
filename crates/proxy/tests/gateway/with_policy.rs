//! A gateway with the quickstart configuration, one TrafficPolicy and one upstream.

use egret_testkit::gateway::{documents, quickstart_config, traffic_policy};
use egret_testkit::{DnsServer, Gateway, Upstream};

pub(crate) struct WithPolicy {
    pub(crate) gateway: Gateway,
    pub(crate) upstream: Upstream,
    pub(crate) dns: DnsServer,
    /// The upstream's authority.
    pub(crate) host: String,
}

impl WithPolicy {
    /// Starts them. `spec` are lines of the policy's spec, indented by two; its name is `test`.
    pub(crate) fn start(spec: &str) -> Self {
        let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
        let policy = traffic_policy("test", spec);
        let config = quickstart_config(dns.addr());
        Self {
            gateway: Gateway::start(&documents(&[&config, &policy])),
            host: format!("a.example:{}", upstream.port()),
            upstream,
            dns,
        }
    }
}

//! HTTPS records (RFC 9460): the destinations that they may select.

use egret_testkit::dns::HttpsRecord;
use egret_testkit::gateway::{LOOPBACK, QUICKSTART, documents, resolver_policy};
use egret_testkit::upstream::UpstreamTls;
use egret_testkit::{
    Ca, ClosedPort, DnsServer, Gateway, Response, SharedPort, Upstream, wait_until,
};

/// The address of the name.
const OWN: &str = "127.0.0.1";
/// An address without a listener.
const DEAD: &str = "127.0.0.9";

struct TestSetup {
    gateway: Gateway,
    upstream: Upstream,
    _dns: DnsServer,
}

impl TestSetup {
    /// Starts an upstream at 127.0.0.1, and a name with these addresses and a record. `record` receives the upstream's port.
    fn new(addresses: &[&str], record: impl FnOnce(u16) -> HttpsRecord, policies: &str) -> Self {
        let (ca, dns) = (Ca::new(), DnsServer::start());
        let upstream = Upstream::start_tls(UpstreamTls::of(&ca, ["a.example"]));
        dns.a("a.example", addresses.iter().copied(), 60);
        dns.services("a.example", [record(upstream.port())], 60);
        let asked = resolver_policy(dns.addr(), "  lookupFamily: V4Only");
        let yaml = documents(&[QUICKSTART, &asked, policies]);
        let yaml = yaml.replace(
            "dynamicForwardProxy: {}",
            "dynamicForwardProxy: {enableTls: true}",
        );
        let setup = Self {
            gateway: Gateway::start_trusting(&yaml, [&ca]),
            upstream,
            _dns: dns,
        };
        setup.learn();
        setup
    }

    /// A record may arrive after the addresses, which are then used without it.
    fn learn(&self) {
        let _ = self.gateway.get("a.example:1", "/");
        wait_until("the record to be known", || {
            let known = self.gateway.ask("/dns");
            known.text().contains("\"alpn\"")
        });
    }

    fn get(&self) -> Response {
        self.gateway.get("a.example", "/")
    }

    /// The address of the upstream in the last record of the access log.
    fn last_upstream(&self, nth: usize) -> String {
        let records = self.gateway.wait_for_records(nth);
        records[nth - 1]["upstream"]
            .as_str()
            .unwrap_or("nowhere")
            .to_owned()
    }

    fn assert_reached(&self, nth: usize) {
        let expected = format!("{OWN}:{}", self.upstream.port());
        assert_eq!(self.last_upstream(nth), expected);
    }

    /// Without the privilege to bind port 443 no server can listen there, but a connection elsewhere would still be noticed.
    fn assert_not_followed(&self) {
        let response = self.get();
        assert_eq!(response.status, 502, "{response:?}");
        assert_eq!(self.upstream.connections(), 0);
        let records = self.gateway.wait_for_records(2);
        assert_eq!(records[1]["reason"], "connect_refused", "{}", records[1]);
    }
}

#[test]
fn the_port_of_a_record_is_connected_to() {
    let setup = TestSetup::new(&[OWN], |port| HttpsRecord::new(1, ".").port(port), LOOPBACK);
    assert_eq!(setup.get().status, 200);
    setup.assert_reached(2);
    // The record changes neither the host nor the expected name of the certificate.
    assert_eq!(setup.upstream.requests()[0].authority(), Some("a.example"));
    assert_eq!(
        setup.upstream.handshakes()[0].sni.as_deref(),
        Some("a.example")
    );
    setup
        .gateway
        .wait_for_metric("egret_upstream_idle_connections", 1.0);
    assert_eq!(setup.get().status, 200);
    assert_eq!(setup.upstream.connections(), 1);
}

#[test]
fn a_record_is_of_the_default_port_alone() {
    let setup = TestSetup::new(&[OWN], |port| HttpsRecord::new(1, ".").port(port), LOOPBACK);
    let refused = ClosedPort::start();
    let response = setup
        .gateway
        .get(&format!("a.example:{}", refused.addr().port()), "/");
    assert_eq!(response.status, 502);
    assert_eq!(setup.upstream.connections(), 0);
}

#[test]
fn hints_go_before_the_addresses_of_the_name() {
    let record = |port| HttpsRecord::new(1, ".").port(port).hints([OWN]);
    let setup = TestSetup::new(&[DEAD], record, LOOPBACK);
    assert_eq!(setup.get().status, 200);
    setup.assert_reached(2);
    // A target with another name has only the hints as addresses.
    let record = |port| HttpsRecord::new(1, "b.example").port(port).hints([OWN]);
    let setup = TestSetup::new(&[DEAD], record, LOOPBACK);
    assert_eq!(setup.get().status, 200);
    setup.assert_reached(2);
}

#[test]
fn hints_are_judged_like_other_addresses() {
    let record = |port| HttpsRecord::new(1, ".").port(port).hints(["10.0.0.1"]);
    let setup = TestSetup::new(&[OWN], record, LOOPBACK);
    assert_eq!(setup.get().status, 200);
    setup.assert_reached(2);
    let record = |port| {
        HttpsRecord::new(1, "b.example")
            .port(port)
            .hints(["10.0.0.1"])
    };
    let setup = TestSetup::new(&[DEAD], record, LOOPBACK);
    setup.assert_not_followed();
}

#[test]
fn a_port_that_the_policies_deny_is_not_gone_to() {
    let policy = LOOPBACK.to_owned()
        + "  defaultAction: Deny\n  rules: [{action: Allow, ports: [1, 443]}]\n";
    let record = |port| HttpsRecord::new(1, ".").port(port);
    let setup = TestSetup::new(&[OWN], record, &policy);
    setup.assert_not_followed();
}

#[test]
fn a_record_for_another_protocol_is_not_for_us() {
    let record = |port| {
        let record = HttpsRecord::new(1, ".").port(port).alpn(["h3"]);
        record.no_default_alpn()
    };
    let setup = TestSetup::new(&[OWN], record, LOOPBACK);
    setup.assert_not_followed();
}

#[test]
fn a_record_that_leads_nowhere_is_left_for_the_addresses() {
    let nobody = SharedPort::reserve([[127, 0, 0, 1]]);
    let record = |_| HttpsRecord::new(1, ".").port(nobody.port());
    let setup = TestSetup::new(&[OWN], record, LOOPBACK);
    let refused = "egret_upstream_connect_attempts_total{result=\"refused\"}";
    let before = setup.gateway.metric(refused);
    for attempts in [2.0, 3.0] {
        let Response { status, .. } = setup.get();
        assert_eq!(status, 502);
        // The first request tries the record, then the plain addresses; the failure is remembered.
        setup.gateway.wait_for_metric(refused, before + attempts);
    }
}

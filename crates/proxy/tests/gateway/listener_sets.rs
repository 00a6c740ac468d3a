//! Listeners that a ListenerSet adds to a Gateway are served as its own are.

use egret_testkit::gateway::{LOOPBACK, documents, egress_policy, resolver_policy};
use egret_testkit::{Client, DnsServer, Gateway, Upstream, client};

const GATEWAY: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: http, namespace: kgateway-system}
spec:
  gatewayClassName: kgateway
  allowedListeners: {namespaces: {from: All}}
  listeners:
  - {name: own, protocol: HTTP, port: 8080, hostname: a.example}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: own, namespace: kgateway-system}
spec:
  parentRefs: [{name: http}]
  rules: [{backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: any}]}]
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: any, namespace: kgateway-system}
spec: {dynamicForwardProxy: {}}
";

/// A team's ListenerSet: one listener on the port of the Gateway's, and one of its own.
const TEAM: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: team, namespace: apps}
spec:
  parentRef: {name: http, namespace: kgateway-system}
  listeners:
  - {name: own, protocol: HTTP, port: 8080, hostname: b.example}
  - {name: more, protocol: HTTP, port: 8081}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: team, namespace: apps}
spec:
  parentRefs: [{group: gateway.networking.k8s.io, kind: ListenerSet, name: team}]
  rules: [{backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: any}]}]
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: any, namespace: apps}
spec: {dynamicForwardProxy: {}}
";

struct TestSetup {
    dns: DnsServer,
    upstream: Upstream,
}

impl TestSetup {
    fn new() -> Self {
        let dns = DnsServer::with_a_example();
        for name in ["b.example", "c.example"] {
            dns.a(name, ["127.0.0.1"], 60);
        }
        let upstream = Upstream::start();
        Self { dns, upstream }
    }

    fn yaml(&self, more: &[&str]) -> String {
        let resolver = resolver_policy(self.dns.addr(), "");
        documents(&[&[GATEWAY, LOOPBACK, &*resolver][..], more].concat())
    }

    /// The status of a GET for a name at the port of the upstream, by a listener's port.
    fn status(&self, gateway: &Gateway, port: u16, name: &str) -> u16 {
        let host = format!("{name}:{}", self.upstream.port());
        client::get(gateway.address_of(port), "/", &host).status
    }
}

#[test]
fn a_set_shares_a_port_and_has_its_own() {
    let setup = TestSetup::new();
    let mut gateway = Gateway::start(&setup.yaml(&[TEAM]));
    for (port, name) in [
        (8080, "a.example"),
        (8080, "b.example"),
        (8081, "c.example"),
    ] {
        assert_eq!(setup.status(&gateway, port, name), 200, "{name}");
    }
    let records = gateway.wait_for_records(3);
    let listeners: Vec<_> = records.iter().map(|record| &record["listener"]).collect();
    assert_eq!(
        listeners,
        [
            "kgateway-system/http/own",
            "kgateway-system/http/apps/team/own",
            "kgateway-system/http/apps/team/more"
        ]
    );
    // No listener has this name at that port.
    assert_eq!(setup.status(&gateway, 8080, "c.example"), 404);
    let mut kept = Client::connect(gateway.address_of(8080));
    let host = format!("b.example:{}", setup.upstream.port());
    assert_eq!(kept.get("/", &host).status, 200);
    // A change of the set is a change like any other, and a set that goes takes its listeners along.
    gateway.apply(&setup.yaml(&[&TEAM.replace("b.example", "c.example")]));
    assert_eq!(setup.status(&gateway, 8080, "c.example"), 200);
    assert_eq!(kept.get("/", &host).status, 404);
    gateway.apply(&setup.yaml(&[]));
    assert_eq!(setup.status(&gateway, 8080, "a.example"), 200);
    assert_eq!(setup.status(&gateway, 8080, "c.example"), 404);
}

#[test]
fn what_the_gateway_denies_no_set_allows() {
    let setup = TestSetup::new();
    let of_gateway = egress_policy(
        "gateway",
        "rules: [{name: no, action: Deny, hosts: [b.example]}]",
    );
    let of_set = "\
apiVersion: egret.dev/v1alpha1
kind: EgressPolicy
metadata: {name: set, namespace: apps}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: ListenerSet, name: team}]
  rules:
  - {name: b, action: Allow, hosts: [b.example]}
  - {name: a, action: Deny, hosts: [a.example]}
";
    let gateway = Gateway::start(&setup.yaml(&[TEAM, &of_gateway, of_set]));
    for (port, name, status) in [
        (8080, "a.example", 200),
        (8081, "a.example", 403),
        (8081, "b.example", 403),
        (8081, "c.example", 200),
    ] {
        assert_eq!(setup.status(&gateway, port, name), status, "{port} {name}");
    }
}

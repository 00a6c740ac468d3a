//! The egress check of endpoints: an exception for the Service alone.

use egret_testkit::client::get;
use egret_testkit::gateway::{documents, egress_policy, resolver_policy};
use egret_testkit::{Client, DnsServer, Gateway, Upstream};

use super::{DESTINATION, shop};

/// A route that lets clients of every other host choose the destination.
const DYNAMIC: &str = "\
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: dfp, namespace: kgateway-system}
spec: {type: DynamicForwardProxy, dynamicForwardProxy: {}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: dynamic, namespace: kgateway-system}
spec:
  parentRefs: [{name: http, sectionName: http}]
  rules: [{backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: dfp}]}]
";

/// Whoever names an endpoint by its address, by a name that has the address, or by the name of the Service, is refused, while
/// the Service is served and has connections in the pool.
#[test]
fn no_endpoint_is_dialled_for_a_dynamic_destination() {
    let upstream = Upstream::start();
    let dns = DnsServer::start();
    let name = DESTINATION.trim_end_matches(":80");
    for name in [name, "inside.example"] {
        dns.a(name, ["127.0.0.1"], 60);
    }
    let resolver = resolver_policy(dns.addr(), "");
    let config = documents(&[&shop(&[upstream.addr()]), DYNAMIC, &resolver]);
    let gateway = Gateway::start(&config);
    let address = gateway.address_of(8080);
    let mut to_service = Client::connect(address);
    for host in ["127.0.0.1", "inside.example", name, "[::ffff:127.0.0.1]"] {
        for port in [80, upstream.port()] {
            assert_eq!(to_service.get("/", "shop.example").status, 200);
            let host = format!("{host}:{port}");
            let response = get(address, "/", &host);
            assert_eq!(response.status, 403, "{host}: {response:?}");
            let told = response.header("proxy-status").unwrap();
            assert!(told.contains("destination_ip_prohibited"), "{told}");
        }
    }
    assert_eq!((upstream.requests().len(), upstream.connections()), (8, 1));
}

#[test]
fn policies_know_a_service_by_its_name_and_port() {
    let upstream = Upstream::start();
    for (rules, expected) in [
        ("defaultAction: Deny", 403),
        (
            "defaultAction: Deny\n  rules: [{action: Allow, hosts: ['*.svc.cluster.local'], ports: [80]}]",
            200,
        ),
        (
            "defaultAction: Deny\n  rules: [{action: Allow, hosts: [shop.kgateway-system.svc.cluster.local], ports: [81]}]",
            403,
        ),
        // What the client calls it does not matter, nor do rules about addresses.
        (
            "defaultAction: Deny\n  rules: [{action: Allow, hosts: [shop.example, 127.0.0.0/8]}]",
            403,
        ),
        ("addresses: {deny: [127.0.0.1/32]}", 403),
        ("addresses: {deny: [127.0.0.2/32]}", 200),
    ] {
        let policy = egress_policy("rules", rules);
        let gateway = Gateway::start(&documents(&[&shop(&[upstream.addr()]), &policy]));
        let mut client = Client::connect(gateway.address_of(8080));
        // The second request finds the connection of the first in the pool.
        for _ in 0..2 {
            let response = client.get("/", "shop.example");
            assert_eq!(response.status, expected, "{rules}: {response:?}");
        }
    }
}

#[test]
fn no_service_leads_to_the_gateway_itself() {
    let mut gateway = Gateway::start(&shop(&[]));
    for own in [gateway.admin(), gateway.address_of(8080)] {
        gateway.apply(&shop(&[own]));
        let response = get(gateway.address_of(8080), "/", "shop.example");
        assert_eq!(response.status, 403, "{response:?}");
        let told = response.header("proxy-status").unwrap();
        assert!(
            told.contains(
                "127.0.0.1 (shop.kgateway-system.svc.cluster.local) is this proxy itself"
            ),
            "{told}"
        );
    }
}

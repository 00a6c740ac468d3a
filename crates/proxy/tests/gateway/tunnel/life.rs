//! Limits of tunnels, and what ends a tunnel.

use std::time::Duration;

use egret_testkit::client::connect_request;
use egret_testkit::gateway::{
    QUICKSTART, backend_config, documents, egress_policy, listener_policy, quickstart_config,
    resolver_policy,
};
use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{DnsServer, Gateway, Upstream};

use super::tunnel;

#[test]
fn tunnels_count_against_the_limits_until_they_end() {
    let (dns, server) = (DnsServer::with_a_example(), RawServer::echo());
    let authority = format!("a.example:{}", server.port());
    let limits = "circuitBreakers: {maxRequests: 1}";
    let gateway = Gateway::start(&backend_config(dns.addr(), limits));
    let first = tunnel(&gateway, &authority);
    let response = gateway.connect().request(connect_request(&authority));
    assert_eq!(response.status, 503, "{response:?}");
    gateway.wait_for_metric("egret_tunnels", 1.0);
    drop(first);
    gateway.wait_for_metric("egret_tunnels", 0.0);
    drop(tunnel(&gateway, &authority));

    let limits = "circuitBreakers: {maxConnections: 1}";
    let gateway = Gateway::start(&backend_config(dns.addr(), limits));
    let first = tunnel(&gateway, &authority);
    let mut second = gateway.connect();
    second.send_request(connect_request(&authority));
    gateway.wait_for_metric("egret_upstream_pending_requests", 1.0);
    assert!(second.is_idle());
    drop(first);
    assert_eq!(second.read_head().status, 200);
}

/// An idle connection in the pool is closed to make room for a tunnel.
#[test]
fn a_tunnel_takes_the_place_of_an_idle_connection() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let limits = "circuitBreakers: {maxConnections: 1}";
    let gateway = Gateway::start(&backend_config(dns.addr(), limits));
    let authority = format!("a.example:{}", upstream.port());
    assert_eq!(gateway.get(&authority, "/").status, 200);
    let mut client = tunnel(&gateway, &authority);
    assert_eq!(client.get("/inside", &authority).status, 200);
}

#[test]
fn a_tunnel_may_be_quiet_as_long_as_configured() {
    let (dns, server) = (DnsServer::with_a_example(), RawServer::echo());
    let policy = &listener_policy("quiet", "{httpSettings: {streamIdleTimeout: 200ms}}");
    let gateway = Gateway::start(&documents(&[&quickstart_config(dns.addr()), policy]));
    let mut client = tunnel(&gateway, &format!("a.example:{}", server.port()));
    client.send("x");
    assert_eq!(client.read_exactly(1), b"x");
    assert!(client.is_closed());
    assert_eq!(gateway.wait_for_records(1)[0]["reason"], "idle");
}

#[test]
fn a_timeout_of_the_rule_bounds_the_way_to_a_tunnel_and_not_its_life() {
    let (dns, server) = (DnsServer::with_a_example(), RawServer::echo());
    dns.drop_queries("silent.example");
    let yaml = quickstart_config(dns.addr()).replace(
        "rules:\n    - backendRefs:",
        "rules:\n    - timeouts: {request: 200ms}\n      backendRefs:",
    );
    let gateway = Gateway::start(&yaml);
    let mut client = tunnel(&gateway, &format!("a.example:{}", server.port()));
    // The tunnel outlives a request that takes as long as the timeout.
    let response = gateway
        .connect()
        .request(connect_request("silent.example:443"));
    assert_eq!(response.status, 504, "{response:?}");
    client.send("x");
    assert_eq!(client.read_exactly(1), b"x");
}

#[test]
fn stopping_waits_for_tunnels_and_cuts_them_off_in_the_end() {
    let (dns, server) = (DnsServer::with_a_example(), RawServer::echo());
    let authority = format!("a.example:{}", server.port());
    let mut gateway = Gateway::start(&quickstart_config(dns.addr()));
    let mut client = tunnel(&gateway, &authority);
    let drained = gateway.begin_drain(Duration::from_secs(60));
    client.send("x");
    assert_eq!(client.read_exactly(1), b"x");
    drop(client);
    assert_eq!(gateway.block_on(drained).unwrap(), 0);
    assert_eq!(gateway.wait_for_records(1)[0]["reason"], "client_closed");

    let mut gateway = Gateway::start(&quickstart_config(dns.addr()));
    let mut client = tunnel(&gateway, &authority);
    assert_eq!(gateway.drain(Duration::from_millis(50)), 1);
    assert!(client.is_closed());
    assert_eq!(gateway.wait_for_records(1)[0]["reason"], "drained");
}

/// After a configuration change, denied tunnels are closed, and allowed ones stay open.
#[test]
fn a_change_that_denies_a_tunnel_ends_it() {
    let (dns, server) = (DnsServer::with_a_example(), RawServer::echo());
    dns.a("b.example", ["127.0.0.1"], 60);
    let whole = quickstart_config(dns.addr());
    let by_name = egress_policy("by-name", "rules: [{action: Deny, hosts: [a.example]}]");
    let by_address = egress_policy("by-address", "addresses: {deny: [127.0.0.1/32]}");
    let (_, route) = QUICKSTART.rsplit_once("---\n").unwrap();
    let other_host = whole.replace("  rules:\n", "  hostnames: [b.example]\n  rules:\n");
    assert_ne!(other_host, whole);
    let to_get = whole.replace(
        "rules:\n    - backendRefs:",
        "rules:\n    - matches: [{method: GET}]\n      backendRefs:",
    );
    assert_ne!(to_get, whole);
    for (changed, other_lives) in [
        (documents(&[&whole, &by_name]), true),
        (documents(&[&whole, &by_address]), false),
        (
            documents(&[QUICKSTART, &resolver_policy(dns.addr(), "")]),
            false,
        ),
        (other_host, true),
        (to_get, false),
        (whole.replace(route, ""), false),
        (whole.replace("port: 8080", "port: 8081"), false),
    ] {
        let mut gateway = Gateway::start_with_workers(&whole, 2);
        let mut denied = tunnel(&gateway, &format!("a.example:{}", server.port()));
        let mut other = tunnel(&gateway, &format!("b.example:{}", server.port()));
        // An equal configuration changes nothing.
        gateway.apply(&documents(&[
            &whole,
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: other}\n",
        ]));
        denied.send("x");
        assert_eq!(denied.read_exactly(1), b"x");
        gateway.apply(&changed);
        assert!(denied.is_closed(), "{changed}");
        if other_lives {
            other.send("x");
            assert_eq!(other.read_exactly(1), b"x", "{changed}");
        } else {
            assert!(other.is_closed(), "{changed}");
        }
        let record = &gateway.wait_for_records(1)[0];
        assert_eq!(record["reason"], "policy_changed", "{changed}");
    }
}

#[test]
fn a_policy_that_keeps_tunnels_denies_only_those_that_begin() {
    let (dns, server) = (DnsServer::with_a_example(), RawServer::echo());
    let mut gateway = Gateway::start(&quickstart_config(dns.addr()));
    let authority = format!("a.example:{}", server.port());
    let mut open = tunnel(&gateway, &authority);
    let policy = |keep: &str| {
        let policy = egress_policy(
            "late",
            &format!(
                "rules: [{{action: Deny, hosts: [a.example]}}]
  {keep}"
            ),
        );
        documents(&[&quickstart_config(dns.addr()), &policy])
    };
    gateway.apply(&policy("tunnels: Keep"));
    assert_eq!(
        gateway
            .connect()
            .request(connect_request(&authority))
            .status,
        403
    );
    open.send("x");
    assert_eq!(open.read_exactly(1), b"x");
    gateway.apply(&policy("tunnels: Close"));
    assert!(open.is_closed());
    assert_eq!(gateway.wait_for_records(2)[1]["reason"], "policy_changed");
}

/// A tunnel is checked with the configuration at the time of its request, and again before its first byte.
#[test]
fn a_change_while_a_tunnel_is_being_opened_holds_for_it() {
    let (dns, server) = (DnsServer::with_a_example(), RawServer::silent());
    let mut gateway = Gateway::start(&quickstart_config(dns.addr()));
    let held = dns.hold("a.example");
    let mut client = gateway.connect();
    client.send_request(connect_request(&format!("a.example:{}", server.port())) + "early");
    dns.wait_for_queries("a.example", 1);
    let policy = &egress_policy("late", "rules: [{action: Deny, hosts: [a.example]}]");
    gateway.apply(&documents(&[&quickstart_config(dns.addr()), policy]));
    held.release();
    assert_eq!(client.read_head().status, 200);
    assert!(client.is_closed());
    assert_eq!(gateway.wait_for_records(1)[0]["reason"], "policy_changed");
    assert!(server.received().concat().is_empty());
}

#[test]
fn a_change_that_takes_no_such_tunnels_any_more_ends_it() {
    let (dns, server) = (DnsServer::with_a_example(), RawServer::echo());
    let upstream = Upstream::start();
    let whole = quickstart_config(dns.addr());
    let policy = |list: &str| {
        let policy = format!(
            "apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata: {{name: upgrades, namespace: httpbin}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: dfp-httproute}}]
  httpUpgrade: [{list}]
"
        );
        documents(&[&whole, &policy])
    };
    let mut gateway = Gateway::start(&whole);
    let mut tunnel = tunnel(&gateway, &format!("a.example:{}", server.port()));
    let mut socket = gateway.connect();
    let host = format!("a.example:{}", upstream.port());
    socket.send_request(format!(
        "GET /upgrade HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ));
    assert_eq!(socket.read_head().status, 101);
    gateway.apply(&policy("{type: websocket}"));
    assert!(tunnel.is_closed());
    socket.send("x");
    assert_eq!(socket.read_exactly(1), b"x");
    gateway.apply(&policy("{type: CONNECT, connect: {terminate: true}}"));
    assert!(socket.is_closed());
    for record in gateway.wait_for_records(2) {
        assert_eq!(record["reason"], "policy_changed");
    }
}

//! Connections of clients and to upstreams.

use egret_testkit::gateway::quickstart_config;
use egret_testkit::{DnsServer, Gateway, Upstream};

#[test]
fn connections_are_kept_on_both_sides() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let mut client = gateway.connect();
    let host = format!("a.example:{}", upstream.port());
    for _ in 0..20 {
        assert_eq!(client.get("/", &host).status, 200);
    }
    assert_eq!(upstream.connections(), 1);
    assert_eq!(gateway.metric("egret_upstream_reused_total"), 19.0);
}

#[test]
fn two_hosts_on_one_client_connection_share_no_upstream_connection() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    dns.a("b.example", ["127.0.0.1"], 60);
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let mut client = gateway.connect();
    for host in ["a.example", "b.example", "a.example", "b.example"] {
        assert_eq!(
            client
                .get("/", &format!("{host}:{}", upstream.port()))
                .status,
            200
        );
    }
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn a_connection_that_the_upstream_closed_meanwhile_costs_no_request() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let mut client = gateway.connect();
    let host = format!("a.example:{}", upstream.port());
    for _ in 0..5 {
        assert_eq!(client.get("/", &host).status, 200);
        upstream.close_idle();
    }
    // The upstream closes the connection only after the next request has been sent.
    for _ in 0..5 {
        assert_eq!(client.get("/", &host).status, 200);
        assert_eq!(client.get("/close-if-reused", &host).status, 200);
    }
}

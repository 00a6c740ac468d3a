//! How passthrough connections end.

use std::time::Duration;

use egret_testkit::gateway::documents;
use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{DnsServer, Gateway};

use super::{BLOCKED, hello, passed_on, passthrough_config};

#[test]
fn a_change_that_denies_it_ends_it() {
    let (dns, server) = (DnsServer::with_a_example(), RawServer::echo());
    dns.a("b.example", ["127.0.0.1"], 60);
    let whole = passthrough_config(&dns, server.port());
    let by_name = BLOCKED.replace("blocked", "a");
    let by_address = BLOCKED
        .replace(
            "rules: [{name: no, action: Deny, hosts: [blocked.example]}]",
            "addresses: {deny: [127.0.0.1/32]}",
        )
        .replace("name: blocked", "name: a");
    for (changed, other_lives) in [
        (documents(&[&whole, &by_name]), true),
        (documents(&[&whole, &by_address]), false),
        (whole.replace("'*.example'", "b.example"), true),
        (
            whole.replace(&format!("port: {}", server.port()), "port: 1"),
            false,
        ),
    ] {
        assert_ne!(changed, whole);
        let mut gateway = Gateway::start(&whole);
        let mut ended = passed_on(&gateway, "a.example");
        let mut other = passed_on(&gateway, "b.example");
        gateway.apply(&changed);
        assert!(ended.is_closed(), "{changed}");
        if other_lives {
            other.send("x");
            assert_eq!(other.read_exactly(1), b"x");
        } else {
            assert!(other.is_closed(), "{changed}");
        }
        let records = gateway.wait_for_records(1);
        assert_eq!(records[0]["reason"], "policy_changed");
    }
}

#[test]
fn a_client_that_leaves_while_it_waits_costs_nothing_more() {
    let dns = DnsServer::with_a_example();
    let held = dns.hold("a.example");
    let gateway = Gateway::start(&passthrough_config(&dns, 443));
    let mut client = gateway.connect();
    client.send(hello("a.example"));
    dns.wait_for_queries("a.example", 1);
    drop(client);
    let record = &gateway.wait_for_records(1)[0];
    assert_eq!(record["reason"], "client_closed", "{record}");
    gateway.wait_for_metric("egret_downstream_connections", 0.0);
    drop(held);
}

#[test]
fn stopping_waits_for_what_is_passed_on_and_not_for_who_has_not_begun() {
    let (dns, server) = (DnsServer::with_a_example(), RawServer::echo());
    let mut gateway = Gateway::start(&passthrough_config(&dns, server.port()));
    let mut silent = gateway.connect();
    let mut client = passed_on(&gateway, "a.example");
    gateway.wait_for_metric("egret_downstream_connections", 2.0);
    let drained = gateway.begin_drain(Duration::from_secs(60));
    assert!(silent.is_closed());
    client.send("x");
    assert_eq!(client.read_exactly(1), b"x");
    drop(client);
    assert_eq!(gateway.block_on(drained).unwrap(), 0);
    assert_eq!(gateway.wait_for_records(1)[0]["reason"], "client_closed");
}

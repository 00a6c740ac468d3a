//! Resolution of names, and the addresses that are used.

use std::net::Ipv4Addr;

use egret_testkit::gateway::quickstart_config;
use egret_testkit::{DnsServer, Gateway, Upstream};

#[test]
fn a_known_host_is_not_asked_for_again_by_any_spelling() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    let other = Upstream::start();
    dns.a("a.example", ["127.0.0.1"], 60);
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    for host in ["a.example", "A.Example.", "a.EXAMPLE"] {
        for port in [upstream.port(), other.port()] {
            assert_eq!(gateway.get(&format!("{host}:{port}"), "/").status, 200);
        }
    }
    assert_eq!(dns.lookups_for("a.example"), 1);
    assert_eq!(upstream.requests().len() + other.requests().len(), 6);
}

#[test]
fn a_first_request_keeps_its_body_while_its_name_is_resolved() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("cold.example", ["127.0.0.1"], 60);
    let answer = dns.hold("cold.example");
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let host = format!("cold.example:{}", upstream.port());
    let mut client = gateway.connect();
    client.send(format!(
        "POST /sink HTTP/1.1\r\nhost: {host}\r\ncontent-length: 300000\r\n\r\n"
    ));
    client.send("x".repeat(100_000));
    dns.wait_for_queries("cold.example", 2);
    answer.release();
    client.send("x".repeat(200_000));
    let response = client.read_response();
    assert_eq!((response.status, response.text()), (200, "300000"));
    client.send(format!(
        "POST /sink HTTP/1.1\r\nhost: {host}\r\ncontent-length: 3\r\n\r\nabc"
    ));
    assert_eq!(client.read_response().text(), "3");
    assert_eq!(dns.lookups_for("cold.example"), 1);
    let records = gateway.wait_for_records(2);
    assert_eq!(records[0]["dns"], "miss");
    assert!(records[0]["dns_ms"].is_number());
}

#[test]
fn fifty_first_requests_at_once_ask_once() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("cold.example", ["127.0.0.1"], 60);
    let answer = dns.hold("cold.example");
    let gateway = Gateway::start_with_workers(&quickstart_config(dns.addr()), 2);
    let request = format!(
        "GET / HTTP/1.1\r\nhost: cold.example:{}\r\n\r\n",
        upstream.port()
    );

    let mut clients: Vec<_> = (0..50).map(|_| gateway.connect()).collect();
    clients
        .iter_mut()
        .for_each(|client| client.send_request(&request));
    gateway.wait_for_metric("egret_dns_pending", 1.0);
    answer.release();
    let statuses = clients
        .iter_mut()
        .map(|client| client.read_response().status);
    assert!(statuses.into_iter().all(|status| status == 200));

    assert_eq!(dns.lookups_for("cold.example"), 1);
    assert_eq!(upstream.requests().len(), 50);
}

#[test]
fn a_name_is_asked_for_again_while_requests_use_its_connection() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("a.example", ["127.0.0.1"], 1);
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let mut client = gateway.connect();
    let host = format!("a.example:{}", upstream.port());
    assert_eq!(client.get("/", &host).status, 200);
    dns.clear_queries();
    assert_eq!(client.get("/", &host).status, 200);
    // The query is not caused by the second request, but by the background refresh a few seconds later.
    assert_eq!(dns.lookups_for("a.example"), 0);
    dns.wait_for_queries("a.example", 1);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_dead_address_is_passed_over_even_if_it_swallows_packets_and_is_then_avoided() {
    let dns = DnsServer::start();
    let (dead, alive) = (Ipv4Addr::new(127, 0, 0, 3), Ipv4Addr::new(127, 0, 0, 4));
    let port = egret_testkit::SharedPort::reserve([dead, alive]);
    let upstream = Upstream::start_on_port(alive, port.port());
    let _dead = egret_testkit::Blackhole::start_on_port(dead, port.port());
    upstream.keep_alive(false);
    dns.a("two.example", ["127.0.0.3", "127.0.0.4"], 60);
    let gateway = Gateway::start(&quickstart_config(dns.addr()));

    let host = format!("two.example:{}", port.port());
    for _ in 0..20 {
        assert_eq!(gateway.get(&host, "/").status, 200);
    }
    let records = gateway.wait_for_records(20);
    let connects: Vec<_> = records
        .iter()
        .map(|record| record["connect_ms"].as_f64().unwrap())
        .collect();
    assert!(
        records
            .iter()
            .all(|record| record["upstream"] == format!("127.0.0.4:{}", port.port()))
    );
    // One connection attempt delay of 250 ms, and the time of a loopback connect on a slow machine.
    assert!(connects.iter().all(|took| *took < 1000.0), "{connects:?}");
    // Each failed attempt doubles the time until the dead address is tried again.
    let slow = connects.iter().filter(|took| **took >= 250.0).count();
    assert!((1..=5).contains(&slow), "{connects:?}");
}

#[test]
fn every_address_of_a_name_is_used() {
    let dns = DnsServer::start();
    let ips = [2, 3, 4].map(|last| Ipv4Addr::new(127, 0, 0, last));
    let port = egret_testkit::SharedPort::reserve(ips);
    let upstreams = ips.map(|ip| Upstream::start_on_port(ip, port.port()));
    dns.a("three.example", ["127.0.0.2", "127.0.0.3", "127.0.0.4"], 60);
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    upstreams
        .iter()
        .for_each(|upstream| upstream.keep_alive(false));
    for _ in 0..9 {
        assert_eq!(
            gateway
                .get(&format!("three.example:{}", port.port()), "/")
                .status,
            200
        );
    }
    assert_eq!(
        upstreams.map(|upstream| upstream.requests().len()),
        [3, 3, 3]
    );
}

#[test]
fn dns_servers_are_measured_by_name() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let gateway = Gateway::start(&quickstart_config(dns.addr()));

    let host = format!("a.example:{}", upstream.port());
    assert_eq!(gateway.get(&host, "/").status, 200);
    assert_eq!(gateway.get("gone.example", "/").status, 502);

    let server = dns.addr();
    let queries = format!("egret_dns_query_duration_seconds_count{{server=\"{server}\"}}");
    let failures =
        format!("egret_dns_query_failures_total{{server=\"{server}\",cause=\"nxdomain\"}}");
    let asked = dns.queries_for("gone.example");
    assert!(asked > 0 && gateway.metric(&queries) >= asked as f64);
    assert_eq!(gateway.metric(&failures), asked as f64);
    assert_eq!(
        gateway.metric("egret_dns_lookup_failures_total{cause=\"nxdomain\"}"),
        asked as f64
    );
}

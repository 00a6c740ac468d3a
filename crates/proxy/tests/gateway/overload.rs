//! What waits too long for its turn is refused.

use std::time::Duration;

use egret_proxy::QueueLimits;
use egret_testkit::gateway::quickstart_config;
use egret_testkit::{Client, DnsServer, Gateway, Response, Upstream};

const REFUSED: &str = "egret_refusals_total{reason=\"overload\"}";

/// A gateway for which any wait is too long is overloaded as soon as it has served requests for an interval.
fn refused_after(gateway: &Gateway, host: &str) -> (usize, Response, Client) {
    let mut client = gateway.connect();
    for served in 0.. {
        let response = client.get("/", host);
        if response.status != 200 {
            return (served, response, client);
        }
    }
    unreachable!("it is refused in the end")
}

#[test]
fn what_waits_too_long_is_told_when_to_come_again() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let config = quickstart_config(dns.addr());
    // Any wait is too long, of however few.
    let limits = QueueLimits {
        time: Duration::ZERO,
        requests: 0,
    };
    let gateway = Gateway::start_with_queue_limits(&config, limits);
    let host = format!("a.example:{}", upstream.port());
    let (served, response, mut client) = refused_after(&gateway, &host);
    assert!(served > 0, "a burst is served");
    assert_eq!(response.status, 503);
    assert_eq!(response.header("retry-after"), Some("1"));
    let told = response.header("proxy-status").expect("why");
    assert!(told.starts_with("egret; error=connection_limit_reached; "));
    assert_eq!(response.header("connection"), Some("close"));
    assert!(client.is_closed());
    assert_eq!(upstream.requests().len(), served, "it goes nowhere");
    gateway.wait_for_metric(REFUSED, 1.0);
    let records = gateway.wait_for_records(served + 1);
    assert_eq!(records[served]["reason"], "overload");
    assert_eq!(gateway.ask("/healthz").status, 200, "admin answers");
}

#[test]
fn without_a_limit_everything_waits() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let host = format!("a.example:{}", upstream.port());
    let mut client = gateway.connect();
    for _ in 0..300 {
        assert_eq!(client.get("/", &host).status, 200);
    }
    assert_eq!(gateway.metric(REFUSED), 0.0);
}

//! `GET /destinations`, and the metrics of destinations.

use egret_testkit::client::connect_request;
use egret_testkit::gateway::{documents, egress_policy, quickstart_config};
use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{DnsServer, Gateway, Upstream};
use serde_json::Value;

use super::{assert_nonsense, json};

/// A gateway that lets nothing out but to `a.example` and `b.example`, with two workers.
fn gateway(dns: &DnsServer) -> Gateway {
    for name in ["a.example", "b.example"] {
        dns.a(name, ["127.0.0.1"], 60);
    }
    let policy = egress_policy(
        "closed",
        "defaultAction: Deny\n  rules: [{action: Allow, hosts: [a.example, b.example]}]",
    );
    let config = documents(&[&quickstart_config(dns.addr()), &policy]);
    Gateway::start_with_workers(&config, 2)
}

fn hosts(listed: &Value) -> Vec<&str> {
    let listed = listed.as_array().expect("a list").iter();
    listed
        .map(|one| one["host"].as_str().expect("a host"))
        .collect()
}

#[test]
fn destinations_are_listed_with_their_counts_over_all_workers() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    let gateway = gateway(&dns);
    for _ in 0..6 {
        let host = format!("a.example:{}", upstream.port());
        assert_eq!(gateway.get(&host, "/").status, 200);
    }
    for _ in 0..3 {
        let refused = gateway.get("denied.example", "/?token=secret");
        assert_eq!(refused.status, 403);
    }
    gateway.wait_for_metric(
        "egret_destination_requests_total{destination=\"a.example\"}",
        6.0,
    );
    gateway.wait_for_metric(
        "egret_destination_errors_total{destination=\"denied.example\",reason=\"egress_policy\"}",
        3.0,
    );
    let listed = json(&gateway, "/destinations");
    assert_eq!(hosts(&listed), ["a.example", "denied.example"]);
    let (served, refused) = (&listed[0], &listed[1]);
    assert_eq!(served["requests"], 6);
    assert_eq!(
        (&served["errors"], &served["refused"]),
        (&0.into(), &0.into())
    );
    assert!(served["bytes_received"].as_u64().unwrap() > 0, "{served}");
    assert!(served["latency"]["p50"].as_f64().unwrap() > 0.0, "{served}");
    let minutes = served["minutes"].as_array().unwrap();
    assert_eq!(minutes.len(), 60);
    let sum: u64 = minutes.iter().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(sum, 6);
    assert!(served["first"].as_str().unwrap() <= served["last"].as_str().unwrap());
    assert_eq!(
        (&refused["errors"], &refused["refused"]),
        (&3.into(), &3.into())
    );
    assert_eq!(refused["reasons"]["egress_policy"], 3);
    assert!(!listed.to_string().contains("secret"));
    assert_eq!(
        hosts(&json(&gateway, "/destinations?sort=errors&limit=1")),
        ["denied.example"]
    );
}

#[test]
fn one_destination_is_told_with_its_addresses_and_its_name() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    let gateway = gateway(&dns);
    let host = format!("a.example:{}", upstream.port());
    assert_eq!(gateway.get(&host, "/").status, 200);
    // Nobody listens on port 1.
    assert_eq!(gateway.get("b.example:1", "/").status, 502);
    gateway.wait_for_metric(
        "egret_destination_errors_total{destination=\"b.example\",reason=\"connect_refused\"}",
        1.0,
    );
    let served = json(&gateway, "/destinations?host=a.example");
    let address = &served[0]["addresses"][0];
    assert_eq!(address["address"], format!("127.0.0.1:{}", upstream.port()));
    assert_eq!(address["state"], "healthy");
    assert_eq!(served[0]["dns"]["addresses"][0], "127.0.0.1");
    let failed = json(&gateway, "/destinations?host=b.example");
    let address = &failed[0]["addresses"][0];
    assert_eq!(
        (&address["state"], &address["failures"]),
        (&"failing".into(), &1.into())
    );
    assert_eq!(address["last_error"], "the upstream refused the connection");
    assert_eq!(
        json(&gateway, "/destinations?host=c.example"),
        Value::from(Vec::<u8>::new())
    );
    for query in [
        "limit=0",
        "sort=host",
        "host=a.example:80",
        "hots=a.example",
    ] {
        assert_nonsense(&gateway.ask(&format!("/destinations?{query}")));
    }
}

#[test]
fn tunnels_are_counted_when_they_end() {
    let (dns, server) = (DnsServer::start(), RawServer::echo());
    let gateway = gateway(&dns);
    let mut client = gateway.connect();
    let opened = client.request(connect_request(&format!("a.example:{}", server.port())));
    assert_eq!(opened.status, 200);
    client.send("hello");
    assert_eq!(client.read_exactly(5), b"hello");
    drop(client);
    gateway.wait_for_metric(
        "egret_destination_bytes_total{destination=\"a.example\",direction=\"sent\"}",
        5.0,
    );
    let listed = json(&gateway, "/destinations");
    assert_eq!(
        (&listed[0]["requests"], &listed[0]["errors"]),
        (&1.into(), &0.into())
    );
    assert_eq!(listed[0]["bytes_received"], 5);
}

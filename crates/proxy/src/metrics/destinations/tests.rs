//! Tests of which destinations have series of their own.

use std::collections::BTreeMap;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::*;
use crate::clock;
use crate::record::{ExchangeEnd, Record};
use crate::refusal::Reason;
use crate::telemetry::ExchangeOutcome;

/// Counts as many requests to a host on one of the workers, each with ten bytes there and twenty back.
fn count(worker: &WorkerMetrics, host: &str, times: u64, end: Option<ExchangeEnd>) {
    let host: Host = host.parse().unwrap();
    let port = egret_config::name::Port::new(443).unwrap();
    for _ in 0..times {
        let record = Record {
            destination: Some((&host, port)),
            request_bytes: 10,
            response_bytes: 20,
            end,
            ..Record::default()
        };
        let outcome = end.and_then(ExchangeOutcome::of);
        worker
            .exchanges
            .count(&record, Some(&host), outcome, clock::now());
    }
}

fn workers(count: usize) -> Vec<WorkerMetrics> {
    (0..count)
        .map(|_| WorkerMetrics::of_worker_among(count))
        .collect()
}

fn requests(workers: &[WorkerMetrics], most: usize) -> BTreeMap<String, u64> {
    let series = all_destinations(workers).series(most).into_iter();
    series
        .map(|(name, counts)| (name, counts.requests))
        .collect()
}

#[test]
fn the_busiest_are_named_and_the_others_are_told_by_domain() {
    let workers = workers(2);
    for (host, times) in [
        ("a.example.com", 9),
        ("b.example.com", 8),
        ("c.example.com", 3),
        ("d.example.com", 2),
        ("one.example.org", 4),
        ("deep.two.example.co.uk", 1),
        ("192.0.2.1", 1),
        ("other", 20),
    ] {
        count(&workers[0], host, times, None);
        count(&workers[1], host, times, None);
    }
    let expected = [
        ("a.example.com", 18),
        ("b.example.com", 16),
        ("*.example.com", 10),
        ("*.example.org", 8),
        ("other", 44),
    ];
    let expected = expected.map(|(name, count)| (name.to_owned(), count));
    assert_eq!(requests(&workers, 2), BTreeMap::from(expected));
    assert_eq!(
        requests(&workers, 0),
        BTreeMap::from([("other".to_owned(), 96)])
    );
}

#[test]
fn a_tunnel_with_much_traffic_is_among_the_busiest() {
    let workers = workers(1);
    count(&workers[0], "chatty.example.com", 5, None);
    let host: Host = "bulk.example.com".parse().unwrap();
    let record = Record {
        destination: Some((&host, egret_config::name::Port::new(443).unwrap())),
        response_bytes: 1 << 30,
        ..Record::default()
    };
    workers[0]
        .exchanges
        .count(&record, Some(&host), None, clock::now());
    let named = requests(&workers, 1);
    assert_eq!(named.get("bulk.example.com"), Some(&1), "{named:?}");
}

#[test]
fn any_number_of_names_is_counted_in_full_and_told_in_few_series() {
    let workers = workers(2);
    for index in 0..100_000_u32 {
        let worker = &workers[index as usize % 2];
        let host = format!("h{index}.d{}.example", index % 5000);
        count(worker, &host, 1, None);
        if index % 100 < 2 {
            count(worker, "steady.example.net", 1, None);
        }
    }
    let named = requests(&workers, 100);
    assert_eq!(named.values().sum::<u64>(), 102_000);
    assert_eq!(named.get("steady.example.net"), Some(&2000));
    assert_eq!(named.len(), 201);
    let mut registry = Registry::with_prefix("egret");
    registry.register_collector(Box::new(DestinationCollector { workers, most: 100 }));
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    assert!(text.len() < 1_000_000, "{}", text.len());
}

#[test]
fn every_series_has_errors_by_reason_bytes_and_latency() {
    let workers = workers(1);
    count(&workers[0], "a.example.com", 2, None);
    let denied = Some(ExchangeEnd::Refused(Reason::EgressPolicy));
    count(&workers[0], "a.example.com", 3, denied);
    // What the client gave up is no error.
    count(
        &workers[0],
        "a.example.com",
        1,
        Some(ExchangeEnd::ClientClosed),
    );
    let mut registry = Registry::with_prefix("egret");
    registry.register_collector(Box::new(DestinationCollector { workers, most: 100 }));
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    for line in [
        "egret_destination_requests_total{destination=\"a.example.com\"} 6",
        "egret_destination_errors_total{destination=\"a.example.com\",reason=\"egress_policy\"} 3",
        "egret_destination_bytes_total{destination=\"a.example.com\",direction=\"sent\"} 60",
        "egret_destination_bytes_total{destination=\"a.example.com\",direction=\"received\"} 120",
        "egret_destination_duration_seconds_count{destination=\"a.example.com\"} 6",
        "egret_destination_requests_total{destination=\"other\"} 0",
    ] {
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }
}

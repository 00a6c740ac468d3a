//! Which address of a destination is used if some are unreachable, resolved late, or no longer in DNS.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use egret_testkit::dns::RecordType;
use egret_testkit::gateway::{
    LOOPBACK, QUICKSTART, backend_config, documents, quickstart_config, resolver_policy,
};
use egret_testkit::{Blackhole, ClosedPort, DnsServer, Gateway, SharedPort, Upstream, wait_until};
use serde_json::Value;

fn loopbacks<const N: usize>(last: [u8; N]) -> [Ipv4Addr; N] {
    last.map(|last| Ipv4Addr::new(127, 0, 0, last))
}

/// Starts servers on one port of several addresses, and returns them with the port.
fn servers<const N: usize>(last: [u8; N]) -> ([Upstream; N], u16, SharedPort) {
    let ips = loopbacks(last);
    let port = SharedPort::reserve(ips);
    let number = port.port();
    (
        ips.map(|ip| Upstream::start_on_port(ip, number)),
        number,
        port,
    )
}

fn counts<const N: usize>(upstreams: &[Upstream; N]) -> [usize; N] {
    upstreams
        .each_ref()
        .map(|upstream| upstream.requests().len())
}

fn millis(record: &Value, field: &str) -> f64 {
    record[field].as_f64().unwrap_or_default()
}

#[test]
fn requests_over_one_connection_take_turns_over_the_addresses() {
    let dns = DnsServer::start();
    let (upstreams, port, _port) = servers([2, 3, 4]);
    dns.a("a.example", ["127.0.0.2", "127.0.0.3", "127.0.0.4"], 60);
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let mut client = gateway.connect();
    let host = format!("a.example:{port}");
    assert_eq!(client.get("/", &host).status, 200);
    // A request connects to the first address; the others are connected to in the background.
    for _ in 0..2 {
        assert_eq!(client.get("/", &host).status, 200);
    }
    gateway.wait_for_metric("egret_upstream_connections", 3.0);
    gateway.wait_for_metric("egret_upstream_idle_connections", 3.0);
    let before = counts(&upstreams);
    for _ in 0..30 {
        assert_eq!(client.get("/", &host).status, 200);
    }
    let mut taken = counts(&upstreams);
    taken
        .iter_mut()
        .zip(before)
        .for_each(|(now, then)| *now -= then);
    assert_eq!(taken, [10, 10, 10]);
    // Only the first request waited for a connection.
    let records = gateway.wait_for_records(33);
    assert!(records[0]["connect_ms"].is_number());
    let others = &records[1..];
    assert!(others.iter().all(|record| record["connect_ms"].is_null()));
}

#[test]
fn of_three_addresses_two_are_dead_and_no_request_fails_or_waits_for_them() {
    for keep_alive in [true, false] {
        let dns = DnsServer::start();
        let [swallows, refuses, lives] = loopbacks([2, 3, 4]);
        let port = SharedPort::reserve([swallows, refuses, lives]);
        let _blackhole = Blackhole::start_on_port(swallows, port.port());
        let _refused = ClosedPort::start_on_port(refuses, port.port());
        let upstream = Upstream::start_on_port(lives, port.port());
        upstream.keep_alive(keep_alive);
        dns.a("a.example", ["127.0.0.2", "127.0.0.3", "127.0.0.4"], 60);
        let gateway = Gateway::start(&quickstart_config(dns.addr()));
        let mut client = gateway.connect();
        let host = format!("a.example:{}", port.port());
        for _ in 0..1000 {
            assert_eq!(client.get("/", &host).status, 200);
        }
        let records = gateway.wait_for_records(1000);
        let slow = records
            .iter()
            .filter(|record| millis(record, "connect_ms") >= 250.0);
        // At most the first request waits for the connection attempt delay of the unresponsive address.
        assert!(slow.count() <= 1, "{keep_alive}");
        assert!(millis(&records[0], "connect_ms") < 5000.0);
    }
}

#[test]
fn addresses_that_are_gone_lose_their_connections_once_the_requests_on_them_end() {
    let dns = DnsServer::start();
    let ([old, new], port, _port) = servers([2, 3]);
    let _new = new.named("new");
    dns.a("a.example", ["127.0.0.2"], 1);
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let host = format!("a.example:{port}");
    let mut busy = gateway.connect();
    busy.send_request(format!("GET /hold/it HTTP/1.1\r\nhost: {host}\r\n\r\n"));
    old.wait_for_requests(1);
    let mut client = gateway.connect();
    assert_eq!(client.get("/", &host).status, 200);
    assert_eq!(old.open_connections(), 2);

    dns.a("a.example", ["127.0.0.3"], 1);
    // The name is in use, so that it is refreshed without a waiting request.
    old.wait_for_open_connections(1);
    assert_eq!(client.get("/", &host).header("x-upstream"), Some("new"));
    old.release("it");
    assert_eq!(busy.read_response().status, 200);
    old.wait_for_open_connections(0);
}

#[test]
fn a_name_that_leads_nowhere_any_more_loses_its_connections() {
    let dns = DnsServer::start();
    let ([gone, silent], port, _port) = servers([2, 3]);
    dns.a("gone.example", ["127.0.0.2"], 1);
    dns.a("silent.example", ["127.0.0.3"], 1);
    let limits = "  staleFor: 1s\n  queryTimeout: 1s\n";
    let yaml = documents(&[QUICKSTART, LOOPBACK, &resolver_policy(dns.addr(), limits)]);
    let gateway = Gateway::start(&yaml);
    let host = |name: &str| format!("{name}.example:{port}");
    let mut client = gateway.connect();
    assert_eq!(client.get("/", &host("gone")).status, 200);
    assert_eq!(client.get("/", &host("silent")).status, 200);
    dns.nxdomain("gone.example");
    dns.drop_queries("silent.example");
    gone.wait_for_open_connections(0);
    silent.wait_for_open_connections(0);
    assert_eq!(client.get("/", &host("gone")).status, 502);
    assert_eq!(client.get("/", &host("silent")).status, 504);
}

#[test]
fn connections_to_addresses_that_are_gone_can_be_kept() {
    let dns = DnsServer::start();
    let ([old, new], port, _port) = servers([2, 3]);
    dns.a("a.example", ["127.0.0.2"], 1);
    let spec = "loadBalancer: {closeConnectionsOnHostSetChange: false}";
    let gateway = Gateway::start(&backend_config(dns.addr(), spec));
    let host = format!("a.example:{port}");
    let mut client = gateway.connect();
    assert_eq!(client.get("/", &host).status, 200);
    dns.a("a.example", ["127.0.0.3"], 1);
    // Both addresses are used as soon as the change is known.
    wait_until("a request to the new address", || {
        assert_eq!(client.get("/", &host).status, 200);
        !new.requests().is_empty()
    });
    let before = old.requests().len();
    for _ in 0..4 {
        assert_eq!(client.get("/", &host).status, 200);
    }
    assert!(old.requests().len() > before);
    assert_eq!(old.connections(), 1);
}

#[test]
fn a_family_that_is_late_is_not_waited_for() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let _hold = dns.hold(("a.example", RecordType::AAAA));
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let host = format!("a.example:{}", upstream.port());
    assert_eq!(gateway.get(&host, "/").status, 200);
}

#[test]
fn a_family_that_comes_late_joins_the_race() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    let port = upstream.port();
    // No server listens there, whether the machine has IPv6 or not.
    dns.aaaa("a.example", ["::1"], 60);
    dns.a("a.example", ["127.0.0.1"], 60);
    let hold = dns.hold(("a.example", RecordType::A));
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let mut client = gateway.connect();
    client.send_request(format!("GET / HTTP/1.1\r\nhost: a.example:{port}\r\n\r\n"));
    dns.wait_for_queries(("a.example", RecordType::A), 1);
    hold.release();
    assert_eq!(client.read_response().status, 200);
    let attempts = |result| {
        gateway.metric(&format!(
            "egret_upstream_connect_attempts_total{{result=\"{result}\"}}"
        ))
    };
    let failed = attempts("refused") + attempts("unreachable");
    assert_eq!((failed, attempts("connected")), (1.0, 1.0));
}

#[test]
fn a_family_that_does_not_work_from_here_costs_one_wait_and_not_one_for_each_name() {
    let dns = DnsServer::start();
    let ips = [
        IpAddr::from(Ipv6Addr::LOCALHOST),
        Ipv4Addr::LOCALHOST.into(),
    ];
    let Ok(port) = std::panic::catch_unwind(|| SharedPort::reserve(ips)) else {
        return; // A machine without IPv6.
    };
    let _blackhole = Blackhole::start_on_port(Ipv6Addr::LOCALHOST, port.port());
    let _upstream = Upstream::start_on_port(Ipv4Addr::LOCALHOST, port.port());
    let yaml = documents(&[QUICKSTART, LOOPBACK, &resolver_policy(dns.addr(), "")]);
    let gateway = Gateway::start(&yaml);
    for number in 0..10 {
        let name = format!("{number}.example");
        dns.aaaa(&name, ["::1"], 60);
        dns.a(&name, ["127.0.0.1"], 60);
        let host = format!("{name}:{}", port.port());
        assert_eq!(gateway.get(&host, "/").status, 200);
    }
    let records = gateway.wait_for_records(10);
    let waited = records
        .iter()
        .filter(|record| millis(record, "connect_ms") >= 250.0);
    assert_eq!(waited.count(), 1);
    assert!(millis(&records[0], "connect_ms") >= 250.0);
}

#[test]
fn the_least_busy_address_can_be_preferred() {
    let dns = DnsServer::start();
    let ([one, other], port, _port) = servers([2, 3]);
    dns.a("a.example", ["127.0.0.2", "127.0.0.3"], 60);
    let spec = "loadBalancer: {leastRequest: {choiceCount: 50}}";
    let gateway = Gateway::start_with_workers(&backend_config(dns.addr(), spec), 2);
    let host = format!("a.example:{port}");
    let mut busy = gateway.connect();
    busy.send_request(format!("GET /hold/it HTTP/1.1\r\nhost: {host}\r\n\r\n"));
    wait_until("a request", || {
        one.requests().len() + other.requests().len() == 1
    });
    let (held, free) = if one.requests().is_empty() {
        (&other, &one)
    } else {
        (&one, &other)
    };
    for _ in 0..10 {
        assert_eq!(gateway.get(&host, "/").status, 200);
    }
    assert_eq!((held.requests().len(), free.requests().len()), (1, 10));
    held.release("it");
    assert_eq!(busy.read_response().status, 200);
}

#[test]
fn an_address_that_answers_with_errors_is_ejected_for_all_workers() {
    let dns = DnsServer::start();
    let ([sick, well], port, _port) = servers([2, 3]);
    let sick = sick.answering(|_| {
        let error = http::Response::builder().status(503);
        Some(error.body("sick".into()).expect("a response"))
    });
    dns.a("a.example", ["127.0.0.2", "127.0.0.3"], 60);
    let spec = "outlierDetection: {consecutive5xx: 3, baseEjectionTime: 1h}";
    let gateway = Gateway::start_with_workers(&backend_config(dns.addr(), spec), 2);
    let host = format!("a.example:{port}");
    wait_until("an ejection", || {
        let _ = gateway.get(&host, "/");
        gateway.metric("egret_upstream_ejections_total") > 0.0
    });
    let (errors, before) = (sick.requests().len(), well.requests().len());
    for _ in 0..20 {
        assert_eq!(gateway.get(&host, "/").status, 200);
    }
    assert_eq!(sick.requests().len(), errors);
    assert_eq!(well.requests().len(), before + 20);
    assert!(errors >= 3);
}

#[test]
fn connecting_takes_as_long_as_configured() {
    let (dns, hole) = (DnsServer::start(), Blackhole::start());
    dns.a("a.example", ["127.0.0.1"], 60);
    let gateway = Gateway::start(&backend_config(dns.addr(), "connectTimeout: 300ms"));
    let host = format!("a.example:{}", hole.addr().port());
    let response = gateway.get(&host, "/");
    assert_eq!(response.status, 504);
    let status = response.header("proxy-status").expect("a reason");
    assert!(status.contains("error=connection_timeout"), "{status}");
    let took = millis(&gateway.wait_for_records(1)[0], "connect_ms");
    assert!((300.0..4000.0).contains(&took), "{took}");
    let attempts = r#"egret_upstream_connect_attempts_total{result="timeout"}"#;
    assert_eq!(gateway.metric(attempts), 1.0);
}

#[test]
fn a_static_backend_uses_all_its_hosts_and_passes_over_the_dead() {
    let ([one, other], port, _port) = servers([2, 3]);
    let refused = ClosedPort::start();
    let yaml = documents(&[
        QUICKSTART,
        LOOPBACK,
        &format!(
            "apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: fixed, namespace: httpbin}}
spec:
  static:
    hosts:
    - {{host: 127.0.0.2, port: {port}}}
    - {{host: 127.0.0.1, port: {}}}
    - {{host: 127.0.0.3, port: {port}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: fixed, namespace: httpbin}}
spec:
  parentRefs: [{{name: http, namespace: kgateway-system}}]
  hostnames: [fixed.example]
  rules: [{{backendRefs: [{{name: fixed, group: gateway.kgateway.dev, kind: Backend}}]}}]
",
            refused.addr().port()
        ),
    ]);
    let gateway = Gateway::start(&yaml);
    for _ in 0..12 {
        assert_eq!(gateway.get("fixed.example", "/").status, 200);
    }
    let [one, other] = counts(&[one, other]);
    assert_eq!(one + other, 12);
    assert!(one >= 4 && other >= 4, "{one} {other}");
    let refused = r#"egret_upstream_connect_attempts_total{result="refused"}"#;
    assert_eq!(gateway.metric(refused), 1.0);
}

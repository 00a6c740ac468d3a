//! Retries: conditions, destinations, number of attempts, and bodies.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};

use egret_testkit::gateway::{backend_config, documents, quickstart_config};
use egret_testkit::upstream::RecordedRequest;
use egret_testkit::{DnsServer, Gateway, RawServer, Response, SharedPort, Upstream};

/// A TrafficPolicy on the route of the quickstart with this `retry`.
fn traffic(retry: &str) -> String {
    format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata: {{name: test, namespace: httpbin}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: dfp-httproute}}]
  retry: {retry}"
    )
}

/// Reserves a port on two addresses, and returns it with the host of a name that has both.
fn two(dns: &DnsServer) -> (SharedPort, String) {
    let port = SharedPort::reserve([ip(2), ip(3)]);
    dns.a("two.example", ["127.0.0.2", "127.0.0.3"], 60);
    let host = format!("two.example:{}", port.port());
    (port, host)
}

fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, last)
}

/// An answer with this status to every request.
fn always(status: u16) -> impl Fn(&RecordedRequest) -> Option<http::Response<bytes::Bytes>> {
    move |_| {
        let response = http::Response::builder().status(status);
        Some(response.body("no".into()).expect("a response"))
    }
}

fn post(gateway: &Gateway, host: &str, length: usize) -> Response {
    let body = "x".repeat(length);
    let request =
        format!("POST /sink HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\n\r\n{body}");
    gateway.connect().request(request)
}

/// A gateway, and a name with two addresses: one answers with 503, and the other is healthy.
struct MixedUpstreams {
    gateway: Gateway,
    host: String,
    sick: Upstream,
    well: Upstream,
    _dns: DnsServer,
    _port: SharedPort,
}

impl MixedUpstreams {
    fn new(documents_of: impl Fn(&DnsServer) -> String) -> Self {
        let dns = DnsServer::start();
        let (port, host) = two(&dns);
        let sick = Upstream::start_on_port(ip(2), port.port()).answering(always(503));
        let well = Upstream::start_on_port(ip(3), port.port());
        Self {
            gateway: Gateway::start(&documents_of(&dns)),
            host,
            sick,
            well,
            _dns: dns,
            _port: port,
        }
    }

    fn with_retry(retry: &str) -> Self {
        Self::new(|dns| documents(&[&quickstart_config(dns.addr()), &traffic(retry)]))
    }

    /// Sends `count` requests, and returns how many got a 200.
    fn served(&self, count: usize) -> usize {
        let statuses = (0..count).map(|_| self.gateway.get(&self.host, "/").status);
        statuses.filter(|status| *status == 200).count()
    }
}

#[test]
fn a_status_sends_the_request_to_another_address() {
    let mixed = MixedUpstreams::with_retry("{statusCodes: [503]}");
    assert_eq!(mixed.served(10), 10);
    assert!(!mixed.sick.requests().is_empty());
    assert_eq!(mixed.well.requests().len(), 10);
    let records = mixed.gateway.wait_for_records(10);
    let retries = records.iter().filter(|record| record["retries"] == 1);
    assert_eq!(retries.count(), mixed.sick.requests().len());
    let counted = mixed.gateway.metric("egret_upstream_retries_total");
    assert_eq!(counted, mixed.sick.requests().len() as f64);
}

#[test]
fn without_a_policy_a_response_is_a_response() {
    let mixed = MixedUpstreams::new(|dns| quickstart_config(dns.addr()));
    assert!(mixed.served(10) < 10);
    assert_eq!(mixed.gateway.metric("egret_upstream_retries_total"), 0.0);
}

#[test]
fn a_rule_says_it_in_its_own_words() {
    let mixed = MixedUpstreams::new(|dns| {
        let rule = "  rules:\n    - backendRefs:";
        let retry =
            "  rules:\n    - retry: {codes: [503], attempts: 2, backoff: 1ms}\n      backendRefs:";
        let yaml = quickstart_config(dns.addr());
        assert!(yaml.contains(rule));
        yaml.replace(rule, retry)
    });
    assert_eq!(mixed.served(10), 10);
}

#[test]
fn the_last_response_is_passed_on_after_as_many_attempts() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start().answering(always(502)));
    dns.a("a.example", ["127.0.0.1"], 60);
    let policy = traffic("{attempts: 3, retryOn: [gateway-error], backoffBaseInterval: 1ms}");
    let gateway = Gateway::start(&documents(&[&quickstart_config(dns.addr()), &policy]));
    let response = gateway.get(&format!("a.example:{}", upstream.port()), "/");
    assert_eq!((response.status, response.text()), (502, "no"));
    assert_eq!(upstream.requests().len(), 4);
    // The bodies of retried responses were not read, so that each attempt needed a connection of its own.
    assert_eq!(gateway.wait_for_records(1)[0]["retries"], 3);
}

#[test]
fn bodies_are_sent_again_as_long_as_they_are_kept() {
    let mixed = MixedUpstreams::new(|dns| {
        let config = backend_config(dns.addr(), "perConnectionBufferLimitBytes: 100000");
        documents(&[
            &config,
            &traffic("{retryOn: [5xx], backoffBaseInterval: 1ms}"),
        ])
    });
    for _ in 0..6 {
        let response = post(&mixed.gateway, &mixed.host, 100_000);
        assert_eq!((response.status, response.text()), (200, "100000"));
    }
    assert!(!mixed.sick.requests().is_empty());
    let statuses: Vec<_> = (0..6)
        .map(|_| post(&mixed.gateway, &mixed.host, 100_001).status)
        .collect();
    // The body is too long to be buffered, so that the client gets the response of the first address.
    assert!(statuses.contains(&503), "{statuses:?}");
}

/// Pieces that are put together to be kept are the same body.
#[test]
fn a_body_that_comes_byte_by_byte_is_sent_again_whole() {
    let mixed = MixedUpstreams::with_retry("{retryOn: [5xx], backoffBaseInterval: 1ms}");
    let sent: String = ('a'..='z').cycle().take(5000).collect();
    let chunks = sent.chars().map(|byte| format!("1\r\n{byte}\r\n"));
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {}\r\ntransfer-encoding: chunked\r\n\r\n{}0\r\n\r\n",
        mixed.host,
        chunks.collect::<String>()
    );
    for _ in 0..6 {
        assert_eq!(mixed.gateway.connect().request(&*request).status, 200);
    }
    assert!(!mixed.sick.requests().is_empty());
    for received in mixed.well.requests() {
        assert_eq!(received.body, sent.as_bytes());
    }
}

#[test]
fn an_address_that_breaks_off_or_stays_silent_is_left_for_another() {
    for silent in [false, true] {
        let dns = DnsServer::start();
        let (port, host) = two(&dns);
        let _sick = RawServer::start_on_port(ip(2), port.port(), move |connection| {
            connection.read_head();
            if silent {
                connection.read_to_end();
            } else {
                connection.reset();
            }
        });
        let well = Upstream::start_on_port(ip(3), port.port());
        let policy = traffic("{retryOn: [reset], perTryTimeout: 200ms}");
        let gateway = Gateway::start(&documents(&[&quickstart_config(dns.addr()), &policy]));
        for _ in 0..4 {
            // The request is not idempotent, but the policy asks for retries.
            assert_eq!(post(&gateway, &host, 3).status, 200, "{silent}");
        }
        assert_eq!(well.requests().len(), 4);
    }
}

#[test]
fn unasked_only_what_is_harmless_is_sent_again_and_only_elsewhere() {
    let dns = DnsServer::start();
    let (port, host) = two(&dns);
    let resets = |connection: &mut egret_testkit::upstream::raw::RawConnection| {
        connection.read_head();
        connection.reset();
    };
    let sick = RawServer::start_on_port(ip(2), port.port(), resets);
    let _well = Upstream::start_on_port(ip(3), port.port());
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    for _ in 0..6 {
        assert_eq!(gateway.get(&host, "/").status, 200);
    }
    let before = sick.connections();
    assert!(before > 0);
    let statuses: Vec<_> = (0..6).map(|_| post(&gateway, &host, 3).status).collect();
    assert!(statuses.contains(&502), "{statuses:?}");

    // With one address there is one attempt.
    let alone = RawServer::start(resets);
    dns.a("one.example", ["127.0.0.1"], 60);
    let response = gateway.get(&format!("one.example:{}", alone.port()), "/");
    assert_eq!(response.status, 502);
    assert_eq!(alone.connections(), 1);
}

#[test]
fn who_says_never_means_open_connections_too() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let host = format!("a.example:{}", upstream.port());
    for (policy, sent) in [("", 2), ("{attempts: 0, retryOn: [5xx]}", 1)] {
        let yaml = quickstart_config(dns.addr());
        let yaml = match policy {
            "" => yaml,
            policy => documents(&[&yaml, &traffic(policy)]),
        };
        let gateway = Gateway::start(&yaml);
        assert_eq!(gateway.get(&host, "/").status, 200);
        let before = upstream.requests().len();
        let status = gateway.get(&host, "/close-if-reused").status;
        assert_eq!(upstream.requests().len() - before, sent, "{policy}");
        assert_eq!(status == 200, sent == 2, "{policy}");
    }
}

#[test]
fn as_many_are_sent_again_at_once_as_the_circuit_breaker_allows() {
    let mixed = MixedUpstreams::new(|dns| {
        let config = backend_config(dns.addr(), "circuitBreakers: {maxRetries: 0}");
        documents(&[&config, &traffic("{statusCodes: [503]}")])
    });
    assert!(mixed.served(10) < 10);
    let limited = mixed.gateway.metric("egret_upstream_retries_limited_total");
    assert!(limited > 0.0);
}

#[test]
fn a_pause_comes_before_each_and_the_request_timeout_bounds_all() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start().answering(always(503)));
    dns.a("a.example", ["127.0.0.1"], 60);
    let rule = "  rules:\n    - backendRefs:";
    let retry = "  rules:\n    - retry: {codes: [503], attempts: 100, backoff: 50ms}\n      timeouts: {request: 400ms}\n      backendRefs:";
    let gateway = Gateway::start(&quickstart_config(dns.addr()).replace(rule, retry));
    let response = gateway.get(&format!("a.example:{}", upstream.port()), "/");
    assert!([503, 504].contains(&response.status));
    let total = gateway.wait_for_records(1)[0]["total_ms"]
        .as_f64()
        .expect("a time");
    assert!(total >= 350.0, "{total}");
    // The pauses are 50, 100, 200 ms and so on, so that only a few attempts fit.
    let sent = upstream.requests().len();
    assert!((2..=4).contains(&sent), "{sent}");
}

/// How often an upstream that is always overloaded is asked, and how many retries were not made, in 20 requests.
fn sent_within(budget: &str) -> (usize, f64) {
    let (dns, upstream) = (
        DnsServer::with_a_example(),
        Upstream::start().answering(always(503)),
    );
    let config = backend_config(
        dns.addr(),
        &format!("circuitBreakers: {{retryBudget: {budget}}}"),
    );
    let retry = traffic("{attempts: 1, statusCodes: [503], backoffBaseInterval: 1ms}");
    let gateway = Gateway::start_with_workers(&documents(&[&config, &retry]), 2);
    let host = format!("a.example:{}", upstream.port());
    for _ in 0..20 {
        assert_eq!(gateway.get(&host, "/").status, 503);
    }
    let limited = gateway.metric("egret_upstream_retries_limited_total");
    (upstream.requests().len(), limited)
}

#[test]
fn retries_are_a_share_of_what_all_workers_send() {
    for (budget, sent) in [
        // Every fifth of what is sent, retries among it, allows one more: the 5th, 10th, 15th and 20th.
        (
            "{budgetPercent: 20, budgetInterval: 1h, minRetryConcurrency: 0}",
            24,
        ),
        (
            "{budgetPercent: 0, budgetInterval: 1h, minRetryConcurrency: 7}",
            27,
        ),
        (
            "{budgetPercent: 0, budgetInterval: 1h, minRetryConcurrency: 0}",
            20,
        ),
        ("{budgetPercent: 100, budgetInterval: 1h}", 40),
        // Of those in progress, there is one at a time.
        ("{budgetPercent: 0, minRetryConcurrency: 1}", 40),
        ("{budgetPercent: 50, minRetryConcurrency: 0}", 20),
    ] {
        let expected = (sent, (40 - sent) as f64);
        assert_eq!(sent_within(budget), expected, "{budget}");
    }
}

/// The time that the nth request takes, in milliseconds, if the first answer to it is 503 with this field.
fn asked_to_wait(gateway: &Gateway, nth: usize, field: (&'static str, &'static str)) -> f64 {
    let first = AtomicBool::new(true);
    let upstream = Upstream::start().answering(move |_| {
        let (name, value) = field;
        let response = http::Response::builder().status(503).header(name, value);
        let is_first = first.swap(false, Ordering::Relaxed);
        is_first.then(|| response.body("not yet".into()).expect("a response"))
    });
    let host = format!("a.example:{}", upstream.port());
    assert_eq!(gateway.get(&host, "/").status, 200, "{field:?}");
    assert_eq!(upstream.requests().len(), 2, "{field:?}");
    let total = gateway.wait_for_records(nth)[nth - 1]["total_ms"].as_f64();
    total.expect("a time")
}

#[test]
fn a_response_may_say_when_to_ask_again() {
    let dns = DnsServer::with_a_example();
    let retry = "{attempts: 1, statusCodes: [503], backoffBaseInterval: 1ms, rateLimitedBackOff: {maxInterval: 30s, \
                 resetHeaders: [{name: Retry-After, format: Seconds}, {name: x-reset, format: UnixTimestamp}]}}";
    let gateway = Gateway::start(&documents(&[
        &quickstart_config(dns.addr()),
        &traffic(retry),
    ]));
    let waited = asked_to_wait(&gateway, 1, ("retry-after", "1"));
    assert!(waited >= 1000.0, "{waited}");
    // What cannot be read, is too long or over does not decide: the pause is the policy's own.
    let fields = [
        ("retry-after", "soon"),
        ("retry-after", "3600"),
        ("x-reset", "1000000000"),
        ("x-reset", "99999999999"),
        ("x-other", "20"),
    ];
    for (nth, field) in (2..).zip(fields) {
        let waited = asked_to_wait(&gateway, nth, field);
        assert!(waited < 15_000.0, "{field:?}: {waited}");
    }
}

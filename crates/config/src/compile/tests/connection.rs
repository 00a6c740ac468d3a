//! Limits of connections, from ListenerPolicy and HTTPListenerPolicy.

use std::time::Duration;

use super::{CompiledConfig, aged, condition, kgateway_policy, problems, run, with_route};
use crate::snapshot::ConnectionLimits;

const GATEWAY: &str = "targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw}]";

fn limits(compiled: &CompiledConfig) -> ConnectionLimits {
    let mut sockets = compiled.snapshot.sockets.values();
    sockets.next().expect("a socket").limits
}

/// A policy on the Gateway, or on a section of it.
fn policy(name: &str, section: &str, http: &str) -> String {
    let target = GATEWAY.replace("name: gw", &format!("name: gw{section}"));
    let spec = format!("  {target}\n  default: {{httpSettings: {{{http}}}}}\n");
    kgateway_policy("ListenerPolicy", name, "infra", &spec)
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const ALL: &str = "idleTimeout: 10s, streamIdleTimeout: 20s, maxHeadersCount: 5, maxRequestHeadersKb: 2, \
                   maxRequestsPerConnection: 7";

#[test]
fn every_limit_can_be_set() {
    let set = ConnectionLimits {
        idle_timeout: seconds(10),
        stream_idle_timeout: Some(seconds(20)),
        max_header_fields: 5,
        max_head: 2048,
        max_requests: Some(7),
        ..ConnectionLimits::default()
    };
    let older = ALL.replace(", ", "\n  ");
    let older = kgateway_policy(
        "HTTPListenerPolicy",
        "x",
        "infra",
        &format!("  {GATEWAY}\n  {older}\n"),
    );
    for text in [
        policy("x", "", ALL),
        policy("x", ", sectionName: http", ALL),
        older,
    ] {
        let compiled = with_route(&text);
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        assert_eq!(limits(&compiled), set, "{text}");
    }
    assert_eq!(limits(&with_route("")), ConnectionLimits::default());
}

#[test]
fn zero_is_without_limit() {
    let zero = "idleTimeout: 0s, streamIdleTimeout: 0s, maxRequestsPerConnection: 0";
    let limits = limits(&with_route(&policy("x", "", zero)));
    assert!(limits.idle_timeout > seconds(365 * 24 * 60 * 60));
    assert_eq!(
        (limits.stream_idle_timeout, limits.max_requests),
        (None, None)
    );
}

#[test]
fn the_narrower_and_then_the_older_says() {
    let listener = policy("a", ", sectionName: http", "maxHeadersCount: 1");
    let younger = aged(
        &policy("b", "", "maxHeadersCount: 2, maxRequestHeadersKb: 2"),
        2021,
    );
    let older = aged(
        &policy(
            "c",
            "",
            "maxHeadersCount: 3, maxRequestHeadersKb: 3, idleTimeout: 3s",
        ),
        2020,
    );
    let limits = limits(&with_route(&format!("{listener}{younger}{older}")));
    assert_eq!((limits.max_header_fields, limits.max_head), (1, 3072));
    assert_eq!(limits.idle_timeout, seconds(3));
}

#[test]
fn listeners_of_one_socket_have_the_strictest_of_what_holds_for_each() {
    let base = super::BASE.replace(
        "  - {name: http, protocol: HTTP,",
        "  - {name: other, protocol: HTTP, port: 8080, hostname: a.test}\n  - {name: http, protocol: HTTP,",
    );
    let one = policy(
        "a",
        ", sectionName: http",
        "maxHeadersCount: 7, idleTimeout: 0s",
    );
    let other = policy(
        "b",
        ", sectionName: other",
        "maxHeadersCount: 9, maxRequestsPerConnection: 3",
    );
    let limits = limits(&run(&format!("{base}{one}{other}")));
    assert_eq!(
        (limits.max_header_fields, limits.max_requests),
        (7, Some(3))
    );
    assert_eq!(limits.idle_timeout, seconds(5 * 60));
}

#[test]
fn what_is_out_of_range_is_named_and_fails_closed() {
    for (line, field) in [
        (
            "maxHeadersCount: 0",
            "maxHeadersCount: 1 to 10000 is allowed",
        ),
        (
            "maxRequestHeadersKb: 8193",
            "maxRequestHeadersKb: 1 to 8192 is allowed",
        ),
        (
            "maxRequestsPerConnection: -1",
            "maxRequestsPerConnection: 0 to 2147483647 is allowed",
        ),
        ("idleTimeout: 5x", "idleTimeout: "),
        ("streamIdleTimeout: -1s", "streamIdleTimeout: "),
    ] {
        let text = policy("x", "", line);
        let compiled = with_route(&text);
        let told = problems(&compiled);
        let field = format!("spec.default.httpSettings.{field}");
        assert!(told[0].contains(&field), "{told:?}");
        let status = condition(&compiled, "ListenerPolicy infra/x#gw", "Accepted");
        assert!(status.starts_with("false Invalid"), "{status}");
        let socket = compiled.snapshot.sockets.values().next().expect("a socket");
        assert!(socket.listeners[0].refuse.is_some());
    }
}

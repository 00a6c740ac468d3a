//! How many HTTP/2 connections are opened to an upstream, and how requests share them.

use egret_testkit::gateway::quickstart_config;
use egret_testkit::upstream::{Http2Options, UpstreamTls};
use egret_testkit::{Ca, Client, DnsServer, Gateway, SharedPort, Upstream};

use super::{NO_SETTINGS, OverTls, ask, assert_answered, static_backend, to_static};

const HOST: &str = "a.example";
const IDLE: &str = "egret_upstream_idle_connections";

#[test]
fn requests_share_one_connection_also_if_all_come_before_it_is_there() {
    let upstream = Upstream::start_http2(Http2Options::default());
    let gateway = to_static(upstream.port(), NO_SETTINGS);
    let clients = ask(&gateway, HOST, "/hold/it", 20);
    upstream.wait_for_requests(20);
    assert_eq!(upstream.connections(), 1);
    assert_eq!(gateway.metric(IDLE), 0.0);
    assert_eq!(gateway.metric("egret_upstream_connections"), 1.0);
    assert_eq!(gateway.metric("egret_upstream_streams"), 20.0);
    upstream.release("it");
    assert_answered(clients);
    gateway.wait_for_metric(IDLE, 1.0);
    assert_eq!(gateway.metric("egret_upstream_streams"), 0.0);
    let again = ask(&gateway, HOST, "/hold/again", 1);
    upstream.wait_for_requests(21);
    assert_eq!(gateway.metric(IDLE), 0.0);
    upstream.release("again");
    assert_answered(again);
    gateway.wait_for_metric(IDLE, 1.0);
    assert_eq!(upstream.connections(), 1);
    assert_eq!(gateway.metric("egret_upstream_reused_total"), 20.0);
}

#[test]
fn over_tls_who_comes_first_finds_out_for_all() {
    let setup = OverTls::start(|tls| tls);
    let clients = ask(&setup.gateway, &setup.host(), "/hold/it", 20);
    setup.upstream.wait_for_requests(20);
    assert_eq!(setup.agreed(), ["h2"]);
    setup.upstream.release("it");
    assert_answered(clients);
}

#[test]
fn who_finds_http1_connects_for_himself() {
    let setup = OverTls::start(|tls| tls.speaking("http/1.1"));
    let clients = ask(&setup.gateway, &setup.host(), "/hold/it", 5);
    setup.upstream.wait_for_requests(5);
    assert_eq!(setup.agreed(), ["http/1.1"; 5]);
    setup.upstream.release("it");
    assert_answered(clients);
}

#[test]
fn there_are_as_many_connections_as_streams_need() {
    let two_at_once = Http2Options {
        max_streams: Some(2),
        ..Http2Options::default()
    };
    let ours = "http2ProtocolOptions: {maxConcurrentStreams: 2}";
    for (upstreams, settings) in [(two_at_once, NO_SETTINGS), (Http2Options::default(), ours)] {
        let upstream = Upstream::start_http2(upstreams);
        let gateway = to_static(upstream.port(), settings);
        let clients = ask(&gateway, HOST, "/hold/it", 5);
        upstream.wait_for_requests(5);
        assert_eq!(upstream.connections(), 3, "{upstreams:?} {settings}");
        upstream.release("it");
        assert_answered(clients);
        gateway.wait_for_metric(IDLE, 3.0);
        // The first connection is used before the others.
        assert_answered(ask(&gateway, HOST, "/", 1));
        assert_eq!(upstream.requests()[5].connection, 1);
    }
}

#[test]
fn at_the_limit_of_connections_requests_wait_for_a_stream() {
    let upstream = Upstream::start_http2(Http2Options {
        max_streams: Some(2),
        ..Http2Options::default()
    });
    let gateway = to_static(upstream.port(), "circuitBreakers: {maxConnections: 1}");
    let first = ask(&gateway, HOST, "/hold/first", 2);
    upstream.wait_for_requests(2);
    let second = ask(&gateway, HOST, "/hold/second", 2);
    gateway.wait_for_metric("egret_upstream_pending_requests", 2.0);
    upstream.release("first");
    assert_answered(first);
    upstream.wait_for_requests(4);
    upstream.release("second");
    assert_answered(second);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn workers_that_may_have_one_connection_together_take_turns() {
    let upstream = Upstream::start_http2(Http2Options::default());
    let yaml = static_backend(upstream.port(), "circuitBreakers: {maxConnections: 1}");
    let gateway = Gateway::start_with_workers(&yaml, 2);
    // The kernel distributes the connections over both workers.
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut client = gateway.connect();
                for _ in 0..10 {
                    assert_eq!(client.get("/", HOST).status, 200);
                }
            });
        }
    });
    assert!(upstream.connections() > 1);
    gateway.wait_for_metric("egret_upstream_streams", 0.0);
}

#[test]
fn the_limit_of_requests_is_one_of_streams() {
    let upstream = Upstream::start_http2(Http2Options::default());
    let gateway = to_static(upstream.port(), "circuitBreakers: {maxRequests: 2}");
    let held = ask(&gateway, HOST, "/hold/it", 2);
    upstream.wait_for_requests(2);
    let refused = gateway.get(HOST, "/");
    assert_eq!(refused.status, 503, "{refused:?}");
    upstream.release("it");
    assert_answered(held);
    assert_eq!(gateway.get(HOST, "/").status, 200);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn connections_are_closed_after_as_many_requests_as_configured() {
    let upstream = Upstream::start_http2(Http2Options::default());
    let spec = "commonHttpProtocolOptions: {maxRequestsPerConnection: 2}";
    let gateway = to_static(upstream.port(), spec);
    let mut client = gateway.connect();
    for _ in 0..4 {
        assert_eq!(client.get("/", HOST).status, 200);
    }
    assert_eq!(upstream.connections(), 2);
    upstream.wait_for_open_connections(0);
}

#[test]
fn connections_that_nobody_uses_are_closed_and_those_in_use_are_not() {
    let upstream = Upstream::start_http2(Http2Options {
        max_streams: Some(1),
        ..Http2Options::default()
    });
    let spec = "commonHttpProtocolOptions: {idleTimeout: 10ms}";
    let gateway = to_static(upstream.port(), spec);
    let held = ask(&gateway, HOST, "/hold/it", 1);
    upstream.wait_for_requests(1);
    assert_answered(ask(&gateway, HOST, "/", 1));
    assert_eq!(upstream.connections(), 2);
    upstream.wait_for_open_connections(1);
    gateway.wait_for_metric(IDLE, 0.0);
    upstream.release("it");
    assert_answered(held);
    upstream.wait_for_open_connections(0);
}

#[test]
fn a_client_that_leaves_takes_its_stream_with_it_and_no_more() {
    let upstream = Upstream::start_http2(Http2Options::default());
    let gateway = to_static(upstream.port(), NO_SETTINGS);
    let stays = ask(&gateway, HOST, "/hold/it", 1);
    upstream.wait_for_requests(1);
    let leaves = ask(&gateway, HOST, "/hang", 1);
    upstream.wait_for_requests(2);
    leaves.into_iter().for_each(Client::reset);
    let _ = gateway.wait_for_records(1);
    upstream.release("it");
    assert_answered(stays);
    gateway.wait_for_metric(IDLE, 1.0);
    assert_eq!(upstream.open_connections(), 1);
}

#[test]
fn a_connection_to_an_address_that_is_gone_takes_no_more_requests() {
    let (ca, dns) = (Ca::new(), DnsServer::with_a_example());
    let loopbacks = [[127, 0, 0, 2], [127, 0, 0, 3]];
    let port = SharedPort::reserve(loopbacks);
    let [old, new] = loopbacks.map(|ip| {
        let tls = UpstreamTls::of(&ca, ["a.example"]);
        Upstream::start_tls_on_port(ip, port.port(), tls)
    });
    let new = new.named("new");
    dns.a("a.example", ["127.0.0.2"], 1);
    let dynamic = "dynamicForwardProxy: {}";
    let yaml =
        quickstart_config(dns.addr()).replace(dynamic, "dynamicForwardProxy: {enableTls: true}");
    let gateway = Gateway::start_trusting(&yaml, [&ca]);
    let host = format!("a.example:{}", port.port());
    let busy = ask(&gateway, &host, "/hold/it", 1);
    old.wait_for_requests(1);
    assert_answered(ask(&gateway, &host, "/", 1));
    assert_eq!(old.connections(), 1);
    dns.a("a.example", ["127.0.0.3"], 1);
    egret_testkit::wait_until("a request to the new address", || {
        gateway.get(&host, "/").header("x-upstream") == Some("new")
    });
    old.release("it");
    assert_answered(busy);
    old.wait_for_open_connections(0);
    assert_eq!(new.connections(), 1);
}

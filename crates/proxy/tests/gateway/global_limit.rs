//! `rateLimit.global` of a TrafficPolicy: a service that counts requests is asked about them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use egret_testkit::client::connect_request;
use egret_testkit::gateway::{documents, quickstart_config, traffic_policy};
use egret_testkit::grpc::{self, GrpcAnswer};
use egret_testkit::protobuf::{Written, messages, texts};
use egret_testkit::{
    Client, ClosedPort, DnsServer, Gateway, Http2Client, RawServer, Response, Upstream,
};
use http::header::CONTENT_TYPE;

/// Longer than any test takes.
const PATIENT: &str = "timeout: 60s";
const DESCRIPTORS: &str = "{entries: [{type: Generic, generic: {key: service, value: egress}}, {type: RemoteAddress}]}, \
                           {entries: [{type: Header, header: X-User}, {type: Path}]}";

/// The GatewayExtension `limits`, whose service is there.
fn extension(service: SocketAddr, more: &str) -> String {
    let (ip, port) = (service.ip(), service.port());
    format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: ratelimit, namespace: kgateway-system}}
spec: {{static: {{hosts: [{{host: {ip}, port: {port}}}]}}}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: GatewayExtension
metadata: {{name: limits, namespace: kgateway-system}}
spec:
  type: RateLimit
  rateLimit:
    domain: api-gateway
    {more}
    grpcService: {{backendRef: {{group: gateway.kgateway.dev, kind: Backend, name: ratelimit}}}}
"
    )
}

fn policy(descriptors: &str) -> String {
    let global = format!("{{descriptors: [{descriptors}], extensionRef: {{name: limits}}}}");
    traffic_policy("global", &format!("rateLimit: {{global: {global}}}"))
}

struct TestSetup {
    gateway: Gateway,
    upstream: Upstream,
    dns: DnsServer,
}

impl TestSetup {
    fn new(service: SocketAddr, more: &str, others: &[&str]) -> Self {
        let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
        let text = documents(&[
            &quickstart_config(dns.addr()),
            &extension(service, more),
            &policy(DESCRIPTORS),
        ]);
        let text = documents(&[&[&*text], others].concat());
        Self {
            gateway: Gateway::start(&text),
            upstream,
            dns,
        }
    }

    fn host(&self) -> String {
        format!("a.example:{}", self.upstream.port())
    }

    fn ask(&self, target: &str, fields: &str) -> Response {
        let head = format!(
            "GET {target} HTTP/1.1\r\nhost: {}\r\n{fields}\r\n",
            self.host()
        );
        self.gateway.connect().request(head)
    }
}

fn ok() -> Written {
    Written::default().number(1, 1)
}

fn over() -> Written {
    Written::default().number(1, 2)
}

fn header(key: &str, value: &str) -> Written {
    Written::default().text(1, key).text(2, value)
}

/// The descriptors of a call, as text.
fn asked(message: &[u8]) -> String {
    let of_descriptor = |descriptor: &Vec<u8>| {
        let entries = messages(descriptor, &[1]);
        let entry =
            |entry: &Vec<u8>| format!("{}={}", texts(entry, &[1])[0], texts(entry, &[2])[0]);
        entries.iter().map(entry).collect::<Vec<_>>().join(",")
    };
    assert_eq!(texts(message, &[1]), ["api-gateway"]);
    let descriptors = messages(message, &[2]);
    descriptors
        .iter()
        .map(of_descriptor)
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn the_service_is_asked_about_requests_in_every_form_before_dns() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&calls);
    let service = grpc::start(move |message| {
        let asked = asked(message);
        let is_over = asked.contains("/over");
        kept.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(asked);
        GrpcAnswer::Message(if is_over { over() } else { ok() })
    });
    let setup = TestSetup::new(service.addr(), PATIENT, &[]);
    let host = setup.host();
    assert_eq!(setup.ask("/", "").status, 200);
    assert_eq!(
        setup
            .ask(&format!("http://{host}/a?b=c"), "x-user: ann\r\n")
            .status,
        200
    );
    let http2 = Http2Client::connect(setup.gateway.address());
    assert_eq!(http2.get(&format!("http://{host}/")).status, 200);
    let mut tunnel = setup.gateway.connect();
    assert_eq!(tunnel.request(connect_request(&host)).status, 200);
    // What passes in the tunnel is not asked about.
    assert_eq!(tunnel.get("/", &host).status, 200);
    let mut client = setup.gateway.connect();
    let refused = client.request("GET /over HTTP/1.1\r\nhost: new.example\r\nx-user: bob\r\n\r\n");
    assert_eq!(refused.status, 429);
    let expected = "rateLimit.global of TrafficPolicy kgateway-system/global is reached";
    assert_eq!(refused.text(), format!("egret: {expected}\n"));
    let proxy_status = refused.header("proxy-status").unwrap_or_default();
    assert!(
        proxy_status.contains("error=http_request_denied"),
        "{proxy_status}"
    );
    assert_eq!(setup.dns.lookups_for("new.example"), 0);
    let always = "service=egress,remote_address=127.0.0.1";
    let calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
    let expected = [
        always.to_owned(),
        format!("{always} X-User=ann,path=/a?b=c"),
        always.to_owned(),
        always.to_owned(),
        format!("{always} X-User=bob,path=/over"),
    ];
    assert_eq!(*calls, expected);
    // One connection serves them all.
    assert_eq!(service.connections(), 1);
    let call = &service.requests()[0];
    let port = service.port();
    let path = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";
    assert_eq!(call.target, format!("http://127.0.0.1:{port}{path}"));
    assert_eq!(call.header("content-type"), Some("application/grpc"));
    assert_eq!(call.header("te"), Some("trailers"));
    setup
        .gateway
        .wait_for_metric("egret_refusals_total{reason=\"rate_limit\"}", 1.0);
}

#[test]
fn the_service_adds_fields_both_ways() {
    let service = grpc::start(|message| {
        let limit = Written::default().number(1, 10).number(2, 2);
        let reset = Written::default().number(1, 42);
        let status = |code| {
            let status = Written::default().number(1, code).message(2, &limit);
            status.number(3, 3).message(4, &reset)
        };
        let is_over = asked(message).contains("/over");
        let (answer, code) = if is_over { (over(), 2) } else { (ok(), 1) };
        let answer = answer
            .message(2, &status(code))
            .message(3, &header("x-from", "service"))
            .message(4, &header("x-tier", "gold"))
            .bytes(5, b"slow down");
        GrpcAnswer::Message(answer)
    });
    let more = format!("{PATIENT}\n    xRateLimitHeaders: DraftVersion03");
    let setup = TestSetup::new(service.addr(), &more, &[]);
    let response = setup.ask("/", "x-tier: none\r\n");
    assert_eq!(response.status, 200);
    let upstream = &setup.upstream.requests()[0];
    let tiers: Vec<_> = upstream.headers.get_all("x-tier").iter().collect();
    assert_eq!(tiers, ["none", "gold"]);
    let refused = setup.ask("/over", "x-user: bob\r\n");
    assert_eq!((refused.status, refused.text()), (429, "slow down"));
    assert_eq!(refused.header("retry-after"), Some("42"));
    for response in [response, refused] {
        assert_eq!(response.header("x-ratelimit-limit"), Some("10, 10;w=60"));
        assert_eq!(response.header("x-ratelimit-remaining"), Some("3"));
        assert_eq!(response.header("x-ratelimit-reset"), Some("42"));
        assert_eq!(response.header("x-from"), Some("service"));
    }
}

/// Answers that are none.
fn lies() -> Vec<GrpcAnswer> {
    let other = |status: u16, content_type: &str, body: Vec<u8>| {
        let response = http::Response::builder().status(status);
        let response = response.header(CONTENT_TYPE, content_type);
        GrpcAnswer::Other(response.body(Bytes::from(body)).unwrap_or_default())
    };
    vec![
        GrpcAnswer::Status(14),
        GrpcAnswer::Message(Written::default()),
        GrpcAnswer::Message(Written::default().number(1, 7)),
        GrpcAnswer::Message(ok().bytes(5, &vec![b'x'; 10_000_000])),
        other(200, "text/html", b"hello".to_vec()),
        other(502, "application/grpc", Vec::new()),
        other(200, "application/grpc", b"\0\0\0\0\x02\x08\x01".to_vec()),
    ]
}

#[test]
fn without_an_answer_requests_pass_or_fail_as_configured_and_it_recovers() {
    for fails_open in [true, false] {
        let more = format!("{PATIENT}\n    failOpen: {fails_open}");
        let next = Arc::new(AtomicUsize::new(0));
        let answered = Arc::clone(&next);
        let service = grpc::start(move |_| {
            let at = answered.fetch_add(1, Ordering::Relaxed);
            let lie = lies().into_iter().nth(at);
            lie.unwrap_or(GrpcAnswer::Message(over()))
        });
        let setup = TestSetup::new(service.addr(), &more, &[]);
        for lie in 0..lies().len() {
            let response = setup.ask("/", "");
            let expected = if fails_open { 200 } else { 500 };
            assert_eq!(response.status, expected, "{lie}: {response:?}");
        }
        assert_eq!(setup.ask("/", "").status, 429);
        let failed = if fails_open { 0.0 } else { 7.0 };
        let metric = "egret_refusals_total{reason=\"rate_limit_unavailable\"}";
        if failed > 0.0 {
            setup.gateway.wait_for_metric(metric, failed);
        }
        assert_eq!(next.load(Ordering::Relaxed), lies().len() + 1);
    }
}

#[test]
fn a_service_that_is_down_or_silent_is_not_waited_for() {
    let silent = RawServer::start(|connection| drop(connection.read_to_end()));
    let closed = ClosedPort::start();
    for (service, timeout) in [(silent.addr(), "100ms"), (closed.addr(), "60s")] {
        for (fail_open, expected) in [("", 200), ("failOpen: true", 200), ("failOpen: false", 500)]
        {
            let more = format!("timeout: {timeout}\n    {fail_open}");
            let setup = TestSetup::new(service, &more, &[]);
            let response = setup.ask("/", "");
            assert_eq!(response.status, expected, "{service} {fail_open}");
            let proxy_status = response.header("proxy-status").unwrap_or_default();
            let is_told = proxy_status.contains("error=proxy_internal_error");
            assert_eq!(is_told, expected == 500, "{proxy_status}");
        }
    }
}

#[test]
fn what_fails_for_the_moment_is_tried_again_as_configured() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let service = grpc::start(move |_| match counted.fetch_add(1, Ordering::Relaxed) {
        2 => GrpcAnswer::Message(ok()),
        _ => GrpcAnswer::Status(14),
    });
    let retry = "retry: {attempts: 2, backoff: {baseInterval: 1ms}}, backendRef";
    let text = documents(&[
        &extension(service.addr(), &format!("{PATIENT}\n    failOpen: false"))
            .replace("backendRef", retry),
        &policy(DESCRIPTORS),
    ]);
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let gateway = Gateway::start(&documents(&[&quickstart_config(dns.addr()), &text]));
    let host = format!("a.example:{}", upstream.port());
    let mut client = Client::connect(gateway.address());
    assert_eq!(client.get("/", &host).status, 200);
    assert_eq!(calls.load(Ordering::Relaxed), 3);
    assert_eq!(client.get("/", &host).status, 500);
    assert_eq!(calls.load(Ordering::Relaxed), 6);
}

/// A policy on the quickstart route.
fn on_route(spec: &str) -> String {
    let route = "kind: HTTPRoute, name: dfp-httproute";
    let policy = traffic_policy("route", spec).replace("kind: Gateway, name: http", route);
    policy.replacen("namespace: kgateway-system", "namespace: httpbin", 1)
}

#[test]
fn the_limits_of_the_gateway_and_of_the_route_are_asked_after_those_of_this_process() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let service = grpc::start(move |message| {
        counted.fetch_add(1, Ordering::Relaxed);
        let is_over = texts(message, &[2, 1, 2]).contains(&"stop".to_owned());
        GrpcAnswer::Message(if is_over { over() } else { ok() })
    });
    let grant = "apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: policies, namespace: kgateway-system}
spec:
  from: [{group: gateway.kgateway.dev, kind: TrafficPolicy, namespace: httpbin}]
  to: [{group: gateway.kgateway.dev, kind: GatewayExtension}]
";
    let local = "local: {tokenBucket: {maxTokens: 2, fillInterval: 1000s}}";
    let stop = "{entries: [{type: Header, header: x-what}]}";
    let global = format!(
        "global: {{descriptors: [{stop}], extensionRef: {{name: limits, namespace: kgateway-system}}}}"
    );
    let route = on_route(&format!("rateLimit: {{{local}, {global}}}"));
    let setup = TestSetup::new(service.addr(), PATIENT, &[&route, grant]);
    // The tokens that a refused request took are given back.
    for _ in 0..3 {
        let refused = setup.ask("/", "x-what: stop\r\n");
        assert_eq!(refused.status, 429);
        assert_ne!(refused.text(), "local_rate_limited");
    }
    assert_eq!(calls.load(Ordering::Relaxed), 3);
    // Both are asked.
    assert_eq!(setup.ask("/", "x-what: go\r\n").status, 200);
    assert_eq!(calls.load(Ordering::Relaxed), 5);
    assert_eq!(setup.ask("/", "").status, 200);
    assert_eq!(calls.load(Ordering::Relaxed), 6);
    // The service is not asked about what this process refuses.
    assert_eq!(setup.ask("/", "").text(), "local_rate_limited");
    assert_eq!(calls.load(Ordering::Relaxed), 6);
}

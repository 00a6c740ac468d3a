//! `healthCheck` of a BackendConfigPolicy: addresses are asked whether they can serve, and those that cannot are tried last.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use egret_testkit::gateway::{documents, egress_policy, quickstart_config};
use egret_testkit::grpc::{self, GrpcAnswer};
use egret_testkit::protobuf::{Written, texts};
use egret_testkit::upstream::RecordedRequest;
use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{ClosedPort, DnsServer, Gateway, Upstream};

const FAILING: &str = "egret_upstream_failing_addresses";

/// A Static Backend `two` with these hosts, a route for `a.example` to it, and its checks.
fn backend(hosts: &[(&str, u16)], check: &str) -> String {
    let hosts = hosts.iter();
    let hosts: Vec<_> = hosts
        .map(|(host, port)| format!("{{host: {host}, port: {port}}}"))
        .collect();
    let hosts = hosts.join(", ");
    let check = format!(
        "{{timeout: 60s, interval: 1ms, unhealthyThreshold: 2, healthyThreshold: 1, {check}}}"
    );
    format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: two, namespace: kgateway-system}}
spec: {{type: Static, static: {{hosts: [{hosts}]}}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: two, namespace: kgateway-system}}
spec:
  parentRefs: [{{name: http}}]
  hostnames: [a.example]
  rules:
  - backendRefs: [{{name: two, group: gateway.kgateway.dev, kind: Backend}}]
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: BackendConfigPolicy
metadata: {{name: two, namespace: kgateway-system}}
spec:
  targetRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: two}}]
  healthCheck: {check}
"
    )
}

fn start(dns: &DnsServer, parts: &[&str]) -> Gateway {
    let config = quickstart_config(dns.addr());
    let all: Vec<&str> = [&*config]
        .into_iter()
        .chain(parts.iter().copied())
        .collect();
    Gateway::start_with_workers(&documents(&all), 2)
}

/// The metric of checks with this result.
fn checks(gateway: &Gateway, result: &str) -> f64 {
    gateway.metric(&format!(
        "egret_upstream_health_checks_total{{result=\"{result}\"}}"
    ))
}

/// A server whose answer to checks can be changed.
fn changeable() -> (Upstream, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(200));
    let of_checks = Arc::clone(&status);
    let upstream = Upstream::start().answering(move |request| {
        let is_check = request.target == "/ready?full=1";
        let status = of_checks.load(Ordering::Relaxed);
        let response = http::Response::builder().status(status);
        is_check.then(|| response.body("checked".into()).expect("a response"))
    });
    (upstream, status)
}

fn served(gateway: &Gateway, count: usize) {
    for _ in 0..count {
        assert_eq!(gateway.get("a.example", "/x").status, 200);
    }
}

fn requests_for(upstream: &Upstream, is_meant: impl Fn(&RecordedRequest) -> bool) -> usize {
    let requests = upstream.requests();
    requests.iter().filter(|request| is_meant(request)).count()
}

fn of_clients(upstream: &Upstream) -> usize {
    requests_for(upstream, |request| request.target == "/x")
}

#[test]
fn an_address_that_fails_its_checks_gets_no_requests_until_it_can_serve_again() {
    let dns = DnsServer::start();
    let (one, two) = (changeable(), changeable());
    let hosts = [("127.0.0.1", one.0.port()), ("127.0.0.1", two.0.port())];
    let http = "http: {path: '/ready?full=1', host: 'checks.example:81', method: HEAD}";
    one.1.store(503, Ordering::Relaxed);
    let gateway = start(&dns, &[&backend(&hosts, http)]);
    // The second has passed its first check, and the first will pass none.
    two.0.wait_for_requests(2);
    gateway.wait_for_metric(FAILING, 1.0);
    served(&gateway, 8);
    assert_eq!((of_clients(&one.0), of_clients(&two.0)), (0, 8));
    let check = &one.0.requests()[0];
    assert_eq!(check.method, "HEAD");
    assert_eq!(check.header("host"), Some("checks.example:81"));
    assert_eq!(check.header("user-agent"), Some("egret-health-check"));

    one.1.store(200, Ordering::Relaxed);
    gateway.wait_for_metric(FAILING, 0.0);
    served(&gateway, 8);
    assert!(of_clients(&one.0) > 0);

    // Nobody is left out: where all fail, all are tried.
    one.1.store(404, Ordering::Relaxed);
    two.1.store(500, Ordering::Relaxed);
    gateway.wait_for_metric(FAILING, 2.0);
    served(&gateway, 4);
    assert!(checks(&gateway, "good") > 0.0 && checks(&gateway, "wrong") > 0.0);

    let told = gateway.ask("/destinations?host=127.0.0.1").json();
    let addresses = told[0]["addresses"].as_array().expect("addresses");
    assert!(!addresses.is_empty());
    for address in addresses {
        assert_eq!(address["state"], "failing", "{told}");
        assert_eq!(address["health_check"], "failing", "{told}");
    }
}

#[test]
fn who_does_not_answer_fails_after_some_checks_in_a_row() {
    let (dns, closed, upstream) = (DnsServer::start(), ClosedPort::start(), Upstream::start());
    let hosts = [
        ("127.0.0.1", closed.addr().port()),
        ("127.0.0.1", upstream.port()),
    ];
    let gateway = start(&dns, &[&backend(&hosts, "http: {path: /}")]);
    upstream.wait_for_requests(2);
    gateway.wait_for_metric(FAILING, 1.0);
    served(&gateway, 8);
    assert!(checks(&gateway, "unanswered") > 0.0);
    // No request had to find out.
    let attempts = "egret_upstream_connect_attempts_total{result=\"refused\"}";
    assert_eq!(gateway.metric(attempts), 0.0);
}

#[test]
fn the_health_service_of_grpc_is_asked() {
    let dns = DnsServer::start();
    let serving = |status: u64| {
        grpc::start(move |_| GrpcAnswer::Message(Written::default().number(1, status)))
    };
    let (well, sick) = (serving(1), serving(2));
    let unimplemented = grpc::start(|_| GrpcAnswer::Status(12));
    let all = [&well, &sick, &unimplemented];
    let hosts = all.map(|server| ("127.0.0.1", server.port()));
    let grpc = "grpc: {serviceName: shop.Cart, authority: cart.example}";
    let gateway = start(&dns, &[&backend(&hosts, grpc)]);
    for server in all {
        server.wait_for_complete_requests(2);
    }
    gateway.wait_for_metric(FAILING, 2.0);
    let check = &well.requests()[0];
    assert_eq!(check.authority(), Some("cart.example"));
    assert!(check.target.ends_with("/grpc.health.v1.Health/Check"));
    assert_eq!(texts(grpc::message(check), &[1]), ["shop.Cart"]);
    assert!(checks(&gateway, "good") > 0.0 && checks(&gateway, "wrong") > 0.0);
}

#[test]
fn bytes_are_exchanged_on_a_connection() {
    let dns = DnsServer::start();
    let (well, sick) = (
        RawServer::answer("+PONG\r\n"),
        RawServer::answer_and_close("-ERR\r\n"),
    );
    let hosts = [("127.0.0.1", well.port()), ("127.0.0.1", sick.port())];
    // PING and an empty line, and PONG.
    let tcp = "tcp: {send: '50494e470d0a0d0a', receive: ['504F', '4e47']}";
    let gateway = start(&dns, &[&backend(&hosts, tcp)]);
    well.wait_for_bytes("PING\r\n");
    sick.wait_for_connections(2);
    gateway.wait_for_metric(FAILING, 1.0);
}

#[test]
fn what_no_policy_allows_is_not_asked() {
    let dns = DnsServer::start();
    dns.a("inside.example", ["10.255.255.1"], 60);
    dns.a("open.example", ["127.0.0.1"], 60);
    let upstream = Upstream::start();
    let port = upstream.port();
    let hosts = [
        ("denied.example", port),
        ("inside.example", port),
        ("open.example", port),
    ];
    let denied = egress_policy(
        "names",
        "rules: [{name: no, action: Deny, hosts: [denied.example]}]",
    );
    let gateway = start(&dns, &[&backend(&hosts, "http: {path: /ready}"), &denied]);
    upstream.wait_for_requests(3);
    assert_eq!(
        upstream.requests()[0].header("host"),
        Some(&*format!("open.example:{port}"))
    );
    assert_eq!(dns.lookups_for("denied.example"), 0);
    gateway.wait_for_metric(FAILING, 0.0);
    assert_eq!(checks(&gateway, "unanswered"), 0.0);
}

#[test]
fn endpoints_of_services_are_checked_and_a_change_ends_that() {
    let dns = DnsServer::start();
    let (sick, status) = changeable();
    status.store(503, Ordering::Relaxed);
    let well = Upstream::start();
    let endpoint = |name: &str, address: SocketAddr| {
        let (ip, port) = (address.ip(), address.port());
        format!(
            "apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}, namespace: kgateway-system, labels: {{kubernetes.io/service-name: shop}}}}
addressType: IPv4
ports: [{{name: http, port: {port}}}]
endpoints: [{{addresses: [{ip}]}}]
"
        )
    };
    let shop = "apiVersion: v1
kind: Service
metadata: {name: shop, namespace: kgateway-system}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop, namespace: kgateway-system}
spec:
  parentRefs: [{name: http}]
  hostnames: [a.example]
  rules: [{backendRefs: [{name: shop, port: 80}]}]
";
    let policy = "apiVersion: gateway.kgateway.dev/v1alpha1
kind: BackendConfigPolicy
metadata: {name: shop, namespace: kgateway-system}
spec:
  targetRefs: [{group: '', kind: Service, name: shop}]
  healthCheck: {timeout: 60s, interval: 1ms, unhealthyThreshold: 1, healthyThreshold: 1, http: {path: '/ready?full=1'}}
";
    let config = quickstart_config(dns.addr());
    let (a, b) = (endpoint("a", sick.addr()), endpoint("b", well.addr()));
    let mut gateway = Gateway::start(&documents(&[&config, shop, policy, &a, &b]));
    well.wait_for_requests(2);
    gateway.wait_for_metric(FAILING, 1.0);
    served(&gateway, 6);
    assert_eq!(of_clients(&sick), 0);
    gateway.apply(&documents(&[&config, shop, &a, &b]));
    gateway.wait_for_metric(FAILING, 0.0);
    served(&gateway, 6);
    assert!(of_clients(&sick) > 0);
}

//! Circuit breakers of a destination.

use egret_testkit::gateway::backend_config;
use egret_testkit::{Client, DnsServer, Gateway, Upstream};

struct TestSetup {
    gateway: Gateway,
    upstream: Upstream,
    host: String,
    _dns: DnsServer,
}

impl TestSetup {
    fn new(breakers: &str, workers: usize) -> Self {
        let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
        let yaml = backend_config(dns.addr(), &format!("circuitBreakers: {breakers}"));
        Self {
            gateway: Gateway::start_with_workers(&yaml, workers),
            host: format!("a.example:{}", upstream.port()),
            upstream,
            _dns: dns,
        }
    }

    /// Sends a request that is answered when the test releases `name`.
    fn hold(&self, name: &str) -> Client {
        let mut client = self.gateway.connect();
        client.send_request(format!(
            "GET /hold/{name} HTTP/1.1\r\nhost: {}\r\n\r\n",
            self.host
        ));
        client
    }

    fn assert_refused(&self) {
        let response = self.gateway.get(&self.host, "/");
        assert_eq!(response.status, 503);
        let status = response.header("proxy-status").expect("a reason");
        assert!(
            status.contains("error=connection_limit_reached"),
            "{status}"
        );
        let refusals = r#"egret_refusals_total{reason="circuit_breaker"}"#;
        assert!(self.gateway.metric(refusals) > 0.0);
    }
}

#[test]
fn a_request_over_the_limit_of_connections_waits_for_one_of_them() {
    let setup = TestSetup::new("{maxConnections: 1}", 1);
    let mut first = setup.hold("first");
    setup.upstream.wait_for_requests(1);
    let mut others: Vec<_> = ["a", "b", "c"].map(|name| setup.hold(name)).into();
    setup
        .gateway
        .wait_for_metric("egret_upstream_pending_requests", 3.0);
    assert_eq!(setup.upstream.requests().len(), 1);
    for name in ["first", "a", "b", "c"] {
        setup.upstream.release(name);
    }
    assert_eq!(first.read_response().status, 200);
    for client in &mut others {
        assert_eq!(client.read_response().status, 200);
    }
    assert_eq!(setup.upstream.connections(), 1);
}

#[test]
fn a_connection_that_one_worker_does_not_need_makes_room_for_another() {
    let setup = TestSetup::new("{maxConnections: 1}", 2);
    // The kernel distributes the connections over both workers.
    let mut clients: Vec<_> = (0..16).map(|_| setup.gateway.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/", &setup.host).status, 200);
        assert!(setup.upstream.open_connections() <= 2);
    }
    assert!(setup.upstream.connections() > 1);
}

#[test]
fn a_connection_that_breaks_lets_the_next_in_the_queue_connect() {
    let setup = TestSetup::new("{maxConnections: 1}", 1);
    let mut first = setup.gateway.connect();
    first.send_request(format!(
        "GET /close HTTP/1.1\r\nhost: {}\r\n\r\n",
        setup.host
    ));
    let responses = (0..5).map(|_| setup.gateway.get(&setup.host, "/").status);
    assert!(responses.into_iter().all(|status| status == 200));
    assert_eq!(first.read_response().status, 502);
}

#[test]
fn too_many_that_wait_are_refused_at_once() {
    let setup = TestSetup::new("{maxConnections: 1, maxPendingRequests: 1}", 1);
    let mut first = setup.hold("first");
    setup.upstream.wait_for_requests(1);
    let mut second = setup.hold("second");
    setup
        .gateway
        .wait_for_metric("egret_upstream_pending_requests", 1.0);
    setup.assert_refused();
    setup.upstream.release("first");
    setup.upstream.release("second");
    assert_eq!(first.read_response().status, 200);
    assert_eq!(second.read_response().status, 200);
    assert_eq!(setup.gateway.get(&setup.host, "/").status, 200);
}

#[test]
fn too_many_in_progress_are_refused_at_once() {
    let setup = TestSetup::new("{maxRequests: 2}", 2);
    let mut held = [setup.hold("one"), setup.hold("two")];
    setup.upstream.wait_for_requests(2);
    setup.assert_refused();
    setup.upstream.release("one");
    setup.upstream.release("two");
    for client in &mut held {
        assert_eq!(client.read_response().status, 200);
    }
    setup
        .gateway
        .wait_for_metric("egret_upstream_idle_connections", 3.0);
    assert_eq!(setup.gateway.get(&setup.host, "/").status, 200);
}

#[test]
fn one_destination_that_is_full_takes_nothing_from_another() {
    let setup = TestSetup::new("{maxRequests: 1}", 1);
    let mut held = setup.hold("one");
    setup.upstream.wait_for_requests(1);
    setup.assert_refused();
    let other = Upstream::start();
    let host = format!("a.example:{}", other.port());
    assert_eq!(setup.gateway.get(&host, "/").status, 200);
    setup.upstream.release("one");
    assert_eq!(held.read_response().status, 200);
}

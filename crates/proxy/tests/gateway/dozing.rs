//! Connections from clients that are quiet between two requests, and hold nothing of HTTP meanwhile.

use std::time::Duration;

use egret_testkit::gateway::{documents, listener_policy, quickstart_config};
use egret_testkit::{Client, DnsServer, Gateway, Upstream};

const DOZING: &str = "egret_downstream_connections_dozing";
const OPEN: &str = "egret_downstream_connections";

/// A gateway whose connections may be idle for so long, and an upstream.
struct DozeSetup {
    gateway: Gateway,
    host: String,
    _servers: (DnsServer, Upstream),
}

impl DozeSetup {
    fn new(idle_timeout: &str) -> Self {
        let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
        let settings = format!("{{httpSettings: {{idleTimeout: {idle_timeout}}}}}");
        let policy = listener_policy("idle", &settings);
        let gateway = Gateway::start(&documents(&[&quickstart_config(dns.addr()), &policy]));
        Self {
            gateway,
            host: format!("a.example:{}", upstream.port()),
            _servers: (dns, upstream),
        }
    }

    fn head(&self) -> String {
        format!("GET /status/204 HTTP/1.1\r\nhost: {}\r\n\r\n", self.host)
    }

    /// A connection that dozes after a request.
    fn dozing(&self) -> Client {
        let mut client = self.gateway.connect();
        assert_eq!(client.request(self.head()).status, 204);
        self.gateway.wait_for_metric(DOZING, 1.0);
        client
    }
}

#[test]
fn a_quiet_connection_dozes_and_is_served_on() {
    let setup = DozeSetup::new("1h");
    let mut client = setup.dozing();
    for _ in 0..2 {
        assert_eq!(client.request(setup.head()).status, 204);
        // It is awake, until it is quiet again.
        setup.gateway.wait_for_metric(DOZING, 1.0);
    }
    assert!(client.is_idle());
    let accepted = setup
        .gateway
        .metric("egret_downstream_connections_accepted_total");
    assert_eq!(accepted, 1.0);
    // A head that hyper refuses is answered by the gateway, as on a new connection.
    client.send("GET / HTTP/1.1\r\nbad header\r\n\r\n");
    let refused = client.read_response();
    assert_eq!(refused.status, 400);
    assert!(refused.header("proxy-status").is_some());
    assert!(client.is_closed());
    setup.gateway.wait_for_metric(OPEN, 0.0);
    assert_eq!(setup.gateway.metric(DOZING), 0.0);
}

#[test]
fn a_head_that_comes_in_pieces_wakes_it_and_is_kept() {
    let setup = DozeSetup::new("1h");
    let mut client = setup.dozing();
    let head = setup.head();
    let (begin, rest) = head.split_at(9);
    client.send(begin);
    setup.gateway.wait_for_metric(DOZING, 0.0);
    client.send(rest);
    assert_eq!(client.read_response().status, 204);
    setup.gateway.wait_for_metric(DOZING, 1.0);
    // Here the beginning comes together with the request before.
    client.send([&head, begin].concat());
    assert_eq!(client.read_response().status, 204);
    // Another connection that was quiet later dozes by now.
    let _other = setup.dozing();
    client.send(rest);
    assert_eq!(client.read_response().status, 204);
}

#[test]
fn a_client_that_closes_it_meanwhile_is_gone() {
    let setup = DozeSetup::new("1h");
    drop(setup.dozing());
    setup.gateway.wait_for_metric(OPEN, 0.0);
    assert_eq!(setup.gateway.metric(DOZING), 0.0);
    setup.dozing().reset();
    setup.gateway.wait_for_metric(OPEN, 0.0);
}

#[test]
fn its_idle_timeout_runs_on() {
    let setup = DozeSetup::new("1500ms");
    let mut client = setup.dozing();
    assert!(client.is_closed());
    setup.gateway.wait_for_metric(OPEN, 0.0);
    assert_eq!(setup.gateway.metric(DOZING), 0.0);
}

#[test]
fn it_is_closed_when_the_gateway_drains() {
    let mut setup = DozeSetup::new("1h");
    let mut client = setup.dozing();
    assert_eq!(setup.gateway.drain(Duration::from_secs(30)), 0);
    assert!(client.is_closed());
}

#[test]
fn a_tunnel_can_be_opened_after_it() {
    let setup = DozeSetup::new("1h");
    let mut client = setup.dozing();
    let connect = egret_testkit::client::connect_request(&setup.host);
    assert_eq!(client.request(connect).status, 200);
    assert_eq!(client.request(setup.head()).status, 204);
    assert_eq!(setup.gateway.metric(DOZING), 0.0);
}

//! Connections that are quiet between two requests, and hold nothing of HTTP meanwhile.

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use egret_testkit::gateway::{
    QUICKSTART, documents, listener_policy, quickstart_config, tls_secret,
};
use egret_testkit::{Ca, Client, DnsServer, Gateway, RawServer, TlsClient, Upstream};

const DOZING: &str = "egret_downstream_connections_dozing";
const UPSTREAM_DOZING: &str = "egret_upstream_connections_dozing";
const OPEN: &str = "egret_downstream_connections";

/// A gateway whose connections may be idle for so long, and an upstream.
struct DozeSetup {
    gateway: Gateway,
    host: String,
    upstream: Upstream,
    _dns: DnsServer,
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
            upstream,
            _dns: dns,
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
    // It dozes before that.
    let setup = DozeSetup::new("2s");
    let mut client = setup.gateway.connect();
    assert_eq!(client.request(setup.head()).status, 204);
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

#[test]
fn it_dozes_over_tls_too() {
    let ca = Ca::new();
    let secret = tls_secret("gw", &ca.issue(["gw.example"]));
    let listener = "protocol: HTTPS\n      tls: {certificateRefs: [{name: gw}]}";
    let yaml = documents(&[&QUICKSTART.replace("protocol: HTTP", listener), &secret]);
    let gateway = Gateway::start(&yaml);
    let tls = TlsClient::new(&ca, "gw.example", &["http/1.1"]);
    let mut client = Client::connect_tls(gateway.address(), &tls);
    // The address is not public, so that the answers are the gateway's own.
    for _ in 0..2 {
        assert_eq!(client.get("/", "127.0.0.1").status, 403);
        gateway.wait_for_metric(DOZING, 1.0);
    }
    let head = "GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";
    // Two requests at once, of which the second waits in the records that TLS has decrypted.
    client.send([head, head].concat());
    for _ in 0..2 {
        assert_eq!(client.read_response().status, 403);
    }
    drop(client);
    gateway.wait_for_metric(OPEN, 0.0);
}

#[test]
fn an_idle_upstream_connection_dozes_and_is_used_again() {
    let setup = DozeSetup::new("1h");
    let mut client = setup.dozing();
    for reused in [1.0, 2.0] {
        setup.gateway.wait_for_metric(UPSTREAM_DOZING, 1.0);
        assert_eq!(client.get("/", &setup.host).status, 200);
        assert_eq!(setup.gateway.metric("egret_upstream_reused_total"), reused);
    }
    assert_eq!(setup.upstream.connections(), 1);
    setup.gateway.wait_for_metric(UPSTREAM_DOZING, 1.0);
    assert_eq!(setup.gateway.metric("egret_upstream_idle_connections"), 1.0);
    assert_eq!(setup.gateway.metric("egret_upstream_connections"), 1.0);
}

#[test]
fn an_upstream_connection_that_ends_while_it_dozes_is_not_used() {
    let setup = DozeSetup::new("1h");
    let mut client = setup.dozing();
    setup.gateway.wait_for_metric(UPSTREAM_DOZING, 1.0);
    setup.upstream.close_idle();
    setup
        .gateway
        .wait_for_metric("egret_upstream_connections", 0.0);
    setup.gateway.wait_for_metric(UPSTREAM_DOZING, 0.0);
    setup
        .gateway
        .wait_for_metric("egret_upstream_idle_connections", 0.0);
    assert_eq!(client.request(setup.head()).status, 204);
    assert_eq!(setup.upstream.connections(), 2);
}

#[test]
fn what_an_upstream_sends_unasked_answers_no_request() {
    let (go, wait) = mpsc::sync_channel(1);
    let wait = Mutex::new(wait);
    let upstream = RawServer::start(move |connection| {
        while connection.read_head().is_some() {
            connection.send("HTTP/1.1 204 No Content\r\n\r\n");
            if connection.index() == 0 {
                wait.lock().unwrap().recv().unwrap();
                connection.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
            }
        }
    });
    let dns = DnsServer::with_a_example();
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let host = format!("a.example:{}", upstream.port());
    assert_eq!(gateway.get(&host, "/").status, 204);
    gateway.wait_for_metric(UPSTREAM_DOZING, 1.0);
    go.send(()).unwrap();
    gateway.wait_for_metric("egret_upstream_connections", 0.0);
    assert_eq!(gateway.get(&host, "/").status, 204);
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn an_upstream_connection_that_dozed_can_be_upgraded() {
    let setup = DozeSetup::new("1h");
    let mut client = setup.dozing();
    setup.gateway.wait_for_metric(UPSTREAM_DOZING, 1.0);
    client.send_request(format!(
        "GET /upgrade HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n",
        setup.host
    ));
    assert_eq!(client.read_head().status, 101);
    client.send("echo this");
    assert_eq!(client.read_exactly(9), b"echo this");
    assert_eq!(setup.upstream.connections(), 1);
}

//! Connections that go through another proxy (`tunnel` of a BackendConfigPolicy).

use std::net::SocketAddr;

use egret_testkit::client::connect_request;
use egret_testkit::gateway::{backend_config, documents, egress_policy, quickstart_config};
use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{DnsServer, Gateway, Upstream};

/// A gateway whose connections go through this proxy, by a policy that says this too.
fn through(proxy: SocketAddr, dns: &DnsServer, more: &[&str]) -> Gateway {
    let (host, port) = (proxy.ip(), proxy.port());
    let line = "tunnel: {proxy: {backendRef: {group: gateway.kgateway.dev, kind: Backend, name: proxy}}, \
                headers: [{name: Proxy-Authorization, value: Basic Zm9vOmJhcg==}]}";
    let config = backend_config(dns.addr(), line);
    let backend = format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: proxy, namespace: httpbin}}
spec: {{type: Static, static: {{hosts: [{{host: {host}, port: {port}}}]}}}}"
    );
    let parts = [&*config, &*backend]
        .into_iter()
        .chain(more.iter().copied());
    Gateway::start(&documents(&parts.collect::<Vec<_>>()))
}

#[test]
fn the_proxy_resolves_and_connects() {
    let (near, far, upstream) = (
        DnsServer::start(),
        DnsServer::with_a_example(),
        Upstream::start(),
    );
    let proxy = Gateway::start(&quickstart_config(far.addr()));
    let gateway = through(proxy.address(), &near, &[]);
    let host = format!("a.example:{}", upstream.port());
    let mut client = gateway.connect();
    for _ in 0..2 {
        assert_eq!(client.get("/", &host).status, 200);
    }
    assert_eq!(near.lookups_for("a.example"), 0);
    let record = &gateway.wait_for_records(2)[1];
    assert_eq!(record["destination"], host);
    assert_eq!(record["upstream"], proxy.address().to_string());
    assert_eq!(record["reused"], true);

    // A client's own tunnel goes through the one to the proxy.
    let echo = RawServer::echo();
    let mut client = gateway.connect();
    client.send_request(connect_request(&format!("a.example:{}", echo.port())));
    assert_eq!(client.read_head().status, 200);
    client.send(b"hello");
    assert_eq!(client.read_exactly(5), b"hello");
}

#[test]
fn the_proxy_is_told_what_the_policy_says() {
    let (near, proxy) = (DnsServer::start(), RawServer::echo());
    let gateway = through(proxy.addr(), &near, &[]);
    // What it echoes is no answer.
    let response = gateway.get("a.example", "/");
    assert_eq!(response.status, 502);
    let asked = "CONNECT a.example:80 HTTP/1.1\r\nHost: a.example:80\r\n\
                 proxy-authorization: Basic Zm9vOmJhcg==\r\n\r\n";
    assert_eq!(String::from_utf8(proxy.received().concat()).unwrap(), asked);
    let record = &gateway.wait_for_records(1)[0];
    assert_eq!(record["reason"], "proxy_refused");
    assert_eq!(
        record["details"],
        "the proxy makes no connection to a.example:80: it does not speak HTTP/1.1"
    );
}

#[test]
fn a_proxy_that_refuses_is_told_apart() {
    let (near, proxy) = (
        DnsServer::start(),
        RawServer::answer("HTTP/1.1 407 Who are you\r\ncontent-length: 0\r\n\r\n"),
    );
    let gateway = through(proxy.addr(), &near, &[]);
    assert_eq!(gateway.get("a.example", "/").status, 502);
    let mut client = gateway.connect();
    client.send_request(connect_request("a.example:443"));
    assert_eq!(client.read_head().status, 502);
    for record in gateway.wait_for_records(2) {
        assert_eq!(record["reason"], "proxy_refused");
        let details = record["details"].as_str().unwrap();
        assert!(details.ends_with("it answered 407"), "{details}");
    }
}

#[test]
fn policies_hold_for_what_the_proxy_is_asked_for() {
    let (near, proxy) = (
        DnsServer::start(),
        RawServer::answer("HTTP/1.1 200 OK\r\n\r\n"),
    );
    let deny = egress_policy(
        "no-a",
        "rules: [{hosts: [a.example], action: Deny}]\n  defaultAction: Allow",
    );
    let gateway = through(proxy.addr(), &near, &[&deny]);
    assert_eq!(gateway.get("a.example", "/").status, 403);
    // An address is checked as if it were connected to.
    assert_eq!(gateway.get("169.254.169.254", "/").status, 403);
    let own = gateway.address().port();
    assert_eq!(gateway.get(&format!("127.0.0.1:{own}"), "/").status, 403);
    assert_eq!(proxy.connections(), 0);
}

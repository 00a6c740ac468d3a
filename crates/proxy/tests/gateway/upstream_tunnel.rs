//! Connections that go through another proxy (`tunnel` of a BackendConfigPolicy).

use std::net::SocketAddr;

use egret_testkit::client::connect_request;
use egret_testkit::gateway::{
    backend_config, documents, egress_policy, quickstart_config, tls_secret,
};
use egret_testkit::upstream::UpstreamTls;
use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{Ca, DnsServer, Gateway, Upstream};

/// A gateway whose connections go through this proxy, by a policy that says this too.
fn through(proxy: SocketAddr, dns: &DnsServer, more: &[&str]) -> Gateway {
    Gateway::start(&through_config(proxy, dns, more))
}

fn through_config(proxy: SocketAddr, dns: &DnsServer, more: &[&str]) -> String {
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
    documents(&parts.collect::<Vec<_>>())
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

/// A proxy that is reached over TLS, with a certificate for 127.0.0.1.
fn proxy_over_tls(dns: &DnsServer, ca: &Ca, upstreams: &Ca) -> Gateway {
    let listener = "protocol: HTTPS\n      tls: {certificateRefs: [{name: gw}]}";
    let config =
        quickstart_config(dns.addr()).replace("protocol: HTTP\n", &format!("{listener}\n"));
    let secret = tls_secret("gw", &ca.issue(["127.0.0.1"]));
    Gateway::start_trusting(&documents(&[&config, &secret]), [upstreams])
}

/// A policy that has the proxy reached over TLS, with a certificate of this CA.
fn trusting(ca: &Ca) -> String {
    format!(
        "apiVersion: v1
kind: Secret
metadata: {{name: proxy-ca, namespace: httpbin}}
stringData: {{ca.crt: {:?}}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: BackendConfigPolicy
metadata: {{name: proxy, namespace: httpbin}}
spec:
  targetRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: proxy}}]
  tls: {{secretRef: {{name: proxy-ca}}}}",
        ca.pem()
    )
}

/// What a Gateway says of TLS to upstreams, whose names are those of the Backend of the quickstart.
fn over_tls(config: &str) -> String {
    config.replace(
        "dynamicForwardProxy: {}",
        "dynamicForwardProxy: {enableTls: true}",
    )
}

#[test]
fn a_proxy_may_be_reached_over_tls_and_what_goes_through_it_too() {
    let (near, far) = (DnsServer::start(), DnsServer::with_a_example());
    let (ca, upstreams) = (Ca::new(), Ca::new());
    let proxy = proxy_over_tls(&far, &ca, &upstreams);
    let gateway = through(proxy.address(), &near, &[&trusting(&ca)]);
    let plain = Upstream::start();
    let host = format!("a.example:{}", plain.port());
    for _ in 0..2 {
        assert_eq!(gateway.get(&host, "/").status, 200);
    }
    let record = &gateway.wait_for_records(2)[1];
    assert_eq!(record["upstream"], proxy.address().to_string());
    assert_eq!(record["reused"], true);
    assert_eq!(near.lookups_for("a.example"), 0);
    // A client's own tunnel, whose bytes the kernel cannot move.
    let echo = RawServer::echo();
    let mut client = gateway.connect();
    client.send_request(connect_request(&format!("a.example:{}", echo.port())));
    assert_eq!(client.read_head().status, 200);
    client.send(b"hello");
    assert_eq!(client.read_exactly(5), b"hello");
    // TLS within TLS: the proxy sees nothing of it.
    let secure = Upstream::start_tls(UpstreamTls::of(&upstreams, ["a.example"]));
    let trust = trusting(&ca);
    let config = through_config(proxy.address(), &near, &[&trust]);
    let gateway = Gateway::start_trusting(&over_tls(&config), [&upstreams]);
    let host = format!("a.example:{}", secure.port());
    let answer = gateway.get(&host, "/");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(secure.requests().len(), 1);
    assert_eq!(gateway.get(&host, "/").status, 200);
    assert_eq!(secure.handshakes().len(), 1);
}

#[test]
fn a_proxy_that_is_not_whom_the_policy_trusts_is_told_nothing() {
    let (near, far) = (DnsServer::start(), DnsServer::with_a_example());
    let (ca, other) = (Ca::new(), Ca::new());
    let proxy = proxy_over_tls(&far, &ca, &other);
    let gateway = through(proxy.address(), &near, &[&trusting(&other)]);
    assert_eq!(gateway.get("a.example", "/").status, 502);
    let record = &gateway.wait_for_records(1)[0];
    assert_eq!(record["reason"], "tls_certificate");
    assert_eq!(far.lookups_for("a.example"), 0);
}

#[test]
fn a_proxy_may_be_a_service() {
    let (near, far) = (DnsServer::start(), DnsServer::with_a_example());
    let upstream = Upstream::start();
    let [one, two] = [(); 2].map(|()| Gateway::start(&quickstart_config(far.addr())));
    let line = "tunnel: {proxy: {backendRef: {name: squid, port: 3128}}}";
    let config = backend_config(near.addr(), line);
    let service = |proxy: &Gateway| {
        let (ip, port) = (proxy.address().ip(), proxy.address().port());
        format!(
            "apiVersion: v1
kind: Service
metadata: {{name: squid, namespace: httpbin}}
spec: {{ports: [{{name: http, port: 3128}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: squid-1, namespace: httpbin, labels: {{kubernetes.io/service-name: squid}}}}
addressType: IPv4
ports: [{{name: http, port: {port}}}]
endpoints: [{{addresses: [{ip}]}}]"
        )
    };
    let mut gateway = Gateway::start(&documents(&[&config, &service(&one)]));
    let host = format!("a.example:{}", upstream.port());
    assert_eq!(gateway.get(&host, "/").status, 200);
    // Its endpoints are configured: nothing is looked up, and a change of them is followed.
    gateway.apply(&documents(&[&config, &service(&two)]));
    assert_eq!(gateway.get(&host, "/").status, 200);
    let records = gateway.wait_for_records(2);
    for (record, proxy) in records.iter().zip([&one, &two]) {
        assert_eq!(record["upstream"], proxy.address().to_string());
        assert_eq!(record["destination"], host);
    }
    assert!(near.queries().is_empty());
    let nobody = service(&one).replace(
        "endpoints: [{addresses",
        "endpoints: [{conditions: {ready: false}, addresses",
    );
    gateway.apply(&documents(&[&config, &nobody]));
    assert_eq!(gateway.get(&host, "/").status, 503);
    assert_eq!(gateway.wait_for_records(3)[2]["reason"], "no_endpoints");
}

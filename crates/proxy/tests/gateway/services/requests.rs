//! Requests to Services, in every form.

use std::collections::BTreeSet;

use egret_testkit::client::get;
use egret_testkit::gateway::documents;
use egret_testkit::upstream::{Http2Options, UpstreamTls};
use egret_testkit::{Ca, Client, ClosedPort, Gateway, Http2Client, RawServer, TlsClient, Upstream};
use http::Version;

use super::{DESTINATION, ROUTES, UPGRADE, service, shop};

#[test]
fn requests_are_balanced_over_the_endpoints_and_keep_their_host() {
    let upstreams = [Upstream::start(), Upstream::start()];
    let gateway = Gateway::start(&shop(&upstreams.each_ref().map(Upstream::addr)));
    let address = gateway.address_of(8080);
    for _ in 0..8 {
        assert_eq!(get(address, "/", "shop.example").status, 200);
    }
    for upstream in &upstreams {
        assert!(!upstream.requests().is_empty());
        for request in upstream.requests() {
            assert_eq!(request.header("host"), Some("shop.example"));
            assert_eq!(request.header("x-forwarded-for"), Some("127.0.0.1"));
            assert_eq!(request.header("x-forwarded-host"), Some("shop.example"));
        }
    }
    let records = gateway.wait_for_records(8);
    assert!(
        records
            .iter()
            .all(|record| record["destination"] == DESTINATION)
    );
    let served: BTreeSet<_> = records
        .iter()
        .map(|record| record["upstream"].as_str().unwrap().to_owned())
        .collect();
    let expected = upstreams.iter().map(|upstream| upstream.addr().to_string());
    assert_eq!(served, expected.collect());
}

#[test]
fn the_app_protocol_is_spoken() {
    let upstream = Upstream::start_http2(Http2Options::default());
    let port = ", appProtocol: kubernetes.io/h2c";
    let config = documents(&[ROUTES, &service(port, &[upstream.addr()])]);
    let gateway = Gateway::start(&config);
    assert_eq!(
        get(gateway.address_of(8080), "/", "shop.example").status,
        200
    );
    let client = Http2Client::connect(gateway.address_of(8080));
    assert_eq!(client.get("http://shop.example/").status, 200);
    let requests = upstream.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|one| one.version == Version::HTTP_2));
    assert_eq!(requests[0].authority(), Some("shop.example"));
}

#[test]
fn a_grpc_route_speaks_http2() {
    let upstream = Upstream::start_http2(Http2Options::default());
    let routes = ROUTES.replace("kind: HTTPRoute", "kind: GRPCRoute");
    let config = documents(&[&routes, &service("", &[upstream.addr()])]);
    let gateway = Gateway::start(&config);
    let client = Http2Client::connect(gateway.address_of(8080));
    let request = http::Request::post("http://shop.example/shop.Cart/Add");
    let request = request.header("content-type", "application/grpc");
    let response = client.request(request.body(()).unwrap(), b"").unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(upstream.requests()[0].version, Version::HTTP_2);
}

#[test]
fn tls_passthrough_reaches_the_endpoints() {
    let ca = Ca::new();
    let upstream = Upstream::start_tls(UpstreamTls::of(&ca, ["shop.example"]));
    let gateway = Gateway::start(&shop(&[upstream.addr()]));
    let tls = TlsClient::new(&ca, "shop.example", &["http/1.1"]);
    let mut client = Client::connect_tls(gateway.address_of(8443), &tls);
    assert_eq!(client.get("/", "shop.example").status, 200);
    assert_eq!(upstream.requests().len(), 1);
    drop(client);
    assert_eq!(gateway.wait_for_records(1)[0]["destination"], DESTINATION);
}

#[test]
fn an_upgrade_reaches_an_endpoint() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&shop(&[upstream.addr()]));
    let mut client = Client::connect(gateway.address_of(8080));
    client.send_request(UPGRADE);
    assert_eq!(client.read_head().status, 101);
    client.send("hello");
    assert_eq!(client.read_exactly(5), b"hello");
}

/// A BackendTLSPolicy for a target in the Service `shop`, with this hostname and CA.
fn tls_policy(target: &str, hostname: &str, ca: &Ca) -> String {
    let policy = format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {{name: tls, namespace: kgateway-system}}
spec:
  targetRefs: [{{group: '', kind: Service, name: shop{target}}}]
  validation:
    hostname: {hostname}
    caCertificateRefs: [{{group: '', kind: ConfigMap, name: ca}}]
"
    );
    let authorities = format!(
        "apiVersion: v1
kind: ConfigMap
metadata: {{name: ca, namespace: kgateway-system}}
data: {{ca.crt: {:?}}}
",
        ca.pem()
    );
    documents(&[&policy, &authorities])
}

#[test]
fn endpoints_are_reached_over_tls_as_a_policy_says() {
    let ca = Ca::new();
    let upstream = Upstream::start_tls(UpstreamTls::of(&ca, ["inside.example"]));
    let config = shop(&[upstream.addr()]);
    for target in ["", ", sectionName: http"] {
        let policy = tls_policy(target, "inside.example", &ca);
        let gateway = Gateway::start(&documents(&[&config, &policy]));
        let response = get(gateway.address_of(8080), "/", "shop.example");
        assert_eq!(response.status, 200, "{response:?}");
        let handshakes = upstream.handshakes();
        assert_eq!(
            handshakes.last().unwrap().sni.as_deref(),
            Some("inside.example")
        );
        assert_eq!(
            upstream.requests().last().unwrap().authority(),
            Some("shop.example")
        );
    }
    let other = tls_policy("", "other.example", &ca);
    let gateway = Gateway::start(&documents(&[&config, &other]));
    let response = get(gateway.address_of(8080), "/", "shop.example");
    assert_eq!(response.status, 502);
    let told = response.header("proxy-status").unwrap();
    assert!(told.contains("error=tls_certificate_error"), "{told}");
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn without_an_endpoint_requests_are_refused_with_503() {
    let gateway = Gateway::start(&shop(&[]));
    let response = get(gateway.address_of(8080), "/", "shop.example");
    assert_eq!(response.status, 503, "{response:?}");
    let told = response.header("proxy-status").unwrap();
    let details = format!("error=destination_unavailable; details=\"{DESTINATION} has no endpoint");
    assert!(told.contains(&details), "{told}");
    let tls = TlsClient::new(&Ca::new(), "shop.example", &["http/1.1"]);
    let mut client = Client::connect(gateway.address_of(8443));
    client.send(tls.hello());
    // The alert internal_error (RFC 8446 6.2).
    assert_eq!(client.read_to_end(), [21, 3, 3, 0, 2, 2, 80]);
    for record in gateway.wait_for_records(2) {
        assert_eq!(record["reason"], "no_endpoints", "{record}");
    }
}

/// An endpoint that cannot be connected to, or that breaks off what it was sent, is not the end of a request.
#[test]
fn a_request_is_served_by_another_endpoint() {
    let closed = ClosedPort::start();
    let broken = RawServer::reset_after_head();
    for dead in [closed.addr(), broken.addr()] {
        let upstream = Upstream::start();
        let gateway = Gateway::start(&shop(&[dead, upstream.addr()]));
        let mut client = Client::connect(gateway.address_of(8080));
        for _ in 0..6 {
            let response = client.get("/", "shop.example");
            assert_eq!(response.status, 200, "{dead}: {response:?}");
        }
        assert_eq!(upstream.requests().len(), 6);
    }
    assert!(!broken.received().is_empty());
}

#[test]
fn a_status_is_retried_at_another_endpoint() {
    let retry = ROUTES.replace(
        "hostnames: [shop.example]\n  rules: [{backendRefs: [{name: shop, port: 80}]}]\n---",
        "hostnames: [shop.example]\n  rules: [{retry: {codes: [503], backoff: 1ms}, backendRefs: [{name: shop, port: 80}]}]\n---",
    );
    assert_ne!(retry, ROUTES);
    let sick = RawServer::answer_and_close("HTTP/1.1 503 Sick\r\ncontent-length: 0\r\n\r\n");
    let well = Upstream::start();
    let endpoints = service("", &[sick.addr(), well.addr()]);
    let gateway = Gateway::start(&documents(&[&retry, &endpoints]));
    for _ in 0..6 {
        let response = get(gateway.address_of(8080), "/", "shop.example");
        assert_eq!(response.status, 200, "{response:?}");
    }
    assert!(!sick.received().is_empty());
    assert_eq!(well.requests().len(), 6);
}

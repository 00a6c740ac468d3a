//! Which requests are sent to an upstream over TLS.

use egret_testkit::client::connect_request;
use egret_testkit::gateway::{backend_config, documents, quickstart_config};
use egret_testkit::upstream::{TlsHandshake, UpstreamTls};
use egret_testkit::{Ca, DnsServer, Gateway, Upstream};

use super::{dns, get, over_tls, secret};

#[test]
fn requests_go_over_tls_where_the_backend_says_so() {
    let (ca, dns) = (Ca::new(), dns());
    let upstream = Upstream::start_tls(UpstreamTls::of(&ca, ["a.example"]));
    let gateway = Gateway::start_trusting(&over_tls(&quickstart_config(dns.addr())), [&ca]);
    let response = get(&gateway, "a.example", &upstream);
    assert_eq!(response.status, 200, "{response:?}");
    let expected = TlsHandshake {
        sni: Some("a.example".to_owned()),
        alpn: Some("h2".to_owned()),
        version: "1.3",
        resumed: false,
        client_certificate: false,
    };
    assert_eq!(upstream.handshakes(), [expected]);
    let record = &gateway.wait_for_records(1)[0];
    assert_eq!(record["scheme"], "https");
    assert!(
        record["tls_ms"].as_f64().is_some_and(|took| took > 0.0),
        "{record}"
    );
    assert!(record["connect_ms"].as_f64().is_some(), "{record}");
    for (result, count) in [("full", 1.0), ("resumed", 0.0), ("failed", 0.0)] {
        let name = format!("egret_upstream_tls_handshakes_total{{result=\"{result}\"}}");
        gateway.wait_for_metric(&name, count);
    }
    gateway.wait_for_metric("egret_upstream_tls_duration_seconds_count", 1.0);
}

#[test]
fn an_absolute_target_says_it_for_itself() {
    let (ca, dns) = (Ca::new(), dns());
    let secure = Upstream::start_tls(UpstreamTls::of(&ca, ["a.example"]));
    let plain = Upstream::start();
    let ask = |yaml: &str, scheme: &str, upstream: &Upstream| {
        let gateway = Gateway::start_trusting(yaml, [&ca]);
        let at = format!("a.example:{}", upstream.port());
        let request = format!("GET {scheme}://{at}/x HTTP/1.1\r\nhost: {at}\r\n\r\n");
        let response = gateway.connect().request(&request);
        assert_eq!(response.status, 200, "{scheme}: {response:?}");
        let seen = upstream.requests().pop().expect("a request");
        assert!(seen.target.ends_with("/x"), "{}", seen.target);
        assert_eq!(seen.authority(), Some(&*at));
    };
    let yaml = quickstart_config(dns.addr());
    ask(&yaml, "https", &secure);
    ask(&yaml, "http", &plain);
    ask(&over_tls(&yaml), "HTTP", &plain);
}

#[test]
fn a_static_backend_is_reached_over_tls_if_its_settings_say_how() {
    let (ca, dns) = (Ca::new(), dns());
    let upstream = Upstream::start_tls(UpstreamTls::of(&ca, ["a.example"]));
    let hosts = format!(
        "static: {{hosts: [{{host: a.example, port: {}}}]}}",
        upstream.port()
    );
    let yaml = backend_config(dns.addr(), "tls: {secretRef: {name: tls}}")
        .replace("type: DynamicForwardProxy", "type: Static")
        .replace("dynamicForwardProxy: {}", &hosts);
    let gateway = Gateway::start(&documents(&[&yaml, &secret(&[("ca.crt", &ca.pem())])]));
    // The name does not depend on the request.
    for target in ["/", "http://c.example/", "https://c.example:443/"] {
        let request = format!("GET {target} HTTP/1.1\r\nhost: c.example\r\n\r\n");
        let response = gateway.connect().request(&request);
        assert_eq!(response.status, 200, "{target}: {response:?}");
        let seen = upstream.requests().pop().expect("a request");
        assert_eq!(seen.authority(), Some("c.example"));
        assert_eq!(seen.header("x-forwarded-proto"), Some("http"));
    }
    assert_eq!(upstream.handshakes()[0].sni.as_deref(), Some("a.example"));
}

#[test]
fn no_port_means_443_over_tls() {
    let (ca, dns) = (Ca::new(), DnsServer::start());
    dns.a("a.example", ["127.0.0.5"], 60);
    let tls = UpstreamTls::of(&ca, ["a.example"]);
    let start = move || Upstream::start_tls_on_port([127, 0, 0, 5], 443, tls);
    let upstream = std::panic::catch_unwind(std::panic::AssertUnwindSafe(start));
    let gateway = Gateway::start_trusting(&over_tls(&quickstart_config(dns.addr())), [&ca]);
    for host in ["a.example", "a.example:443"] {
        let response = gateway.get(host, "/");
        // Without the privilege to bind port 443, the refusal still shows which port was dialled.
        let expected = if upstream.is_ok() { 200 } else { 502 };
        assert_eq!(response.status, expected, "{response:?}");
    }
    for record in gateway.wait_for_records(2) {
        assert_eq!(record["destination"], "a.example:443");
    }
    // The default port is omitted.
    for seen in upstream.iter().flat_map(Upstream::requests) {
        assert_eq!(seen.authority(), Some("a.example"));
    }
}

#[test]
fn a_web_socket_goes_over_tls_too() {
    let (ca, dns) = (Ca::new(), dns());
    let upstream = Upstream::start_tls(UpstreamTls::of(&ca, ["a.example"]));
    let gateway = Gateway::start_trusting(&over_tls(&quickstart_config(dns.addr())), [&ca]);
    let mut client = gateway.connect();
    client.send_request(format!(
        "GET /upgrade HTTP/1.1\r\nhost: a.example:{}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello",
        upstream.port()
    ));
    assert_eq!(client.read_head().status, 101);
    assert_eq!(client.read_exactly(5), b"hello");
    client.send("again");
    assert_eq!(client.read_exactly(5), b"again");
}

#[test]
fn through_a_tunnel_it_is_the_client_that_speaks_tls() {
    let (ca, dns) = (Ca::new(), dns());
    let upstream = Upstream::start();
    let gateway = Gateway::start_trusting(&over_tls(&quickstart_config(dns.addr())), [&ca]);
    let mut client = gateway.connect();
    let host = format!("a.example:{}", upstream.port());
    client.send_request(connect_request(&host));
    assert_eq!(client.read_head().status, 200);
    // The request is forwarded in clear, as it was received.
    assert_eq!(client.get("/", &host).status, 200);
}

//! Which version of HTTP is used for an upstream.

use egret_testkit::gateway::backend_config;
use egret_testkit::upstream::UpstreamTls;
use egret_testkit::{Ca, DnsServer, Gateway, Upstream};

use super::{DYNAMIC, OverTls, ask, assert_answered};

#[test]
fn a_server_that_agrees_to_nothing_speaks_http1() {
    let setup = OverTls::start(UpstreamTls::agreeing_to_nothing);
    assert_eq!(
        setup.gateway.get(&setup.host(), "/").json()["version"],
        "HTTP/1.1"
    );
    assert_eq!(setup.upstream.handshakes()[0].alpn, None);
    // Over HTTP/1.1, `TE` is a field of one hop, and `Connection` would have to name it.
    let host = setup.host();
    let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\nte: trailers\r\n\r\n");
    assert_eq!(setup.gateway.connect().request(request).status, 200);
    assert_eq!(setup.upstream.requests()[1].header("te"), None);
}

#[test]
fn sessions_are_resumed_over_http2_too() {
    let setup = OverTls::start(|tls| tls);
    assert_eq!(setup.gateway.get(&setup.host(), "/").status, 200);
    setup.upstream.close_idle();
    setup.upstream.wait_for_open_connections(0);
    assert_answered(ask(&setup.gateway, &setup.host(), "/", 1));
    let resumed: Vec<_> = setup
        .upstream
        .handshakes()
        .iter()
        .map(|one| one.resumed)
        .collect();
    assert_eq!(resumed, [false, true]);
    let name = "egret_upstream_tls_handshakes_total{result=\"resumed\"}";
    setup.gateway.wait_for_metric(name, 1.0);
}

/// The protocol that ALPN selects, or the refusal, for these `alpnProtocols` and `appProtocol` and a server with this
/// protocol.
fn agreed(alpn: &str, app_protocol: &str, spoken: &str) -> String {
    let (ca, dns) = (Ca::new(), DnsServer::with_a_example());
    let upstream = Upstream::start_tls(UpstreamTls::of(&ca, ["127.0.0.1"]).speaking(spoken));
    let spec = format!("tls: {{wellKnownCACertificates: System, alpnProtocols: [{alpn}]}}");
    let hosts = format!("hosts: [{{host: 127.0.0.1, port: {}}}]", upstream.port());
    let fixed = format!("type: Static\n  static: {{{app_protocol}{hosts}}}");
    let yaml = backend_config(dns.addr(), &spec).replace(DYNAMIC, &fixed);
    let gateway = Gateway::start_trusting(&yaml, [&ca]);
    let response = gateway.get("a.example", "/");
    let handshakes = upstream.handshakes();
    match handshakes.last().and_then(|one| one.alpn.clone()) {
        Some(agreed) if response.status == 200 => agreed,
        _ => {
            let told = response.header("proxy-status").unwrap_or_default();
            let (_, told) = told.rsplit_once("the upstream ").unwrap_or_default();
            told.split('"').next().unwrap_or_default().to_owned()
        }
    }
}

#[test]
fn only_what_is_configured_is_offered() {
    let http2 = "appProtocol: http2, ";
    for (alpn, app_protocol, spoken, expected) in [
        ("h2, http/1.1", "", "h2", "h2"),
        ("http/1.1", "", "http/1.1", "http/1.1"),
        ("http/1.1", "", "h2", "does not speak HTTP/1.1 over TLS"),
        ("h2", "", "http/1.1", "does not speak HTTP/2 over TLS"),
        (
            "h2, http/1.1",
            "",
            "h3",
            "speaks neither HTTP/2 nor HTTP/1.1 over TLS",
        ),
        ("h2, http/1.1", http2, "h2", "h2"),
        (
            "h2, http/1.1",
            http2,
            "http/1.1",
            "does not speak HTTP/2 over TLS",
        ),
    ] {
        let agreed = agreed(alpn, app_protocol, spoken);
        assert_eq!(agreed, expected, "{alpn} {app_protocol} {spoken}");
    }
}

#[test]
fn a_server_that_has_to_speak_http2_says_so() {
    let setup = OverTls::start(UpstreamTls::agreeing_to_nothing);
    let client = egret_testkit::Http2Client::connect(setup.gateway.address());
    let request = http::Request::post(format!("http://{}/", setup.host()))
        .header("content-type", "application/grpc")
        .body(())
        .expect("a request");
    let request = client.request(request, b"message").expect("a response");
    let message = request.header("grpc-message").unwrap_or_default();
    assert!(
        message.contains("does not speak HTTP/2 over TLS"),
        "{request:?}"
    );
}

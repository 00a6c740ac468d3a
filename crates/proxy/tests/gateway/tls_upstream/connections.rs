//! Reuse, versions and failures of TLS connections to upstreams.

use egret_testkit::gateway::{backend_config, documents, quickstart_config};
use egret_testkit::upstream::UpstreamTls;
use egret_testkit::{Ca, DnsServer, Gateway, Upstream};

use super::{assert_refused, dns, get, over_tls, secret, with_settings};

#[test]
fn connections_are_kept_and_sessions_resumed() {
    let (ca, dns) = (Ca::new(), dns());
    let upstream = Upstream::start_tls(UpstreamTls::of(&ca, ["a.example"]));
    let gateway = Gateway::start_trusting(&over_tls(&quickstart_config(dns.addr())), [&ca]);
    for _ in 0..2 {
        assert_eq!(get(&gateway, "a.example", &upstream).status, 200);
        gateway.wait_for_metric("egret_upstream_idle_connections", 1.0);
    }
    assert_eq!(upstream.connections(), 1);
    upstream.close_idle();
    upstream.wait_for_open_connections(0);
    assert_eq!(get(&gateway, "a.example", &upstream).status, 200);
    let resumed: Vec<_> = upstream
        .handshakes()
        .iter()
        .map(|one| one.resumed)
        .collect();
    assert_eq!(resumed, [false, true]);
    gateway.wait_for_metric(
        "egret_upstream_tls_handshakes_total{result=\"resumed\"}",
        1.0,
    );
}

#[test]
fn clear_and_encrypted_connections_are_not_mixed_up() {
    let (ca, dns) = (Ca::new(), dns());
    let upstream = Upstream::start_tls(UpstreamTls::of(&ca, ["a.example"]));
    let gateway = Gateway::start_trusting(&quickstart_config(dns.addr()), [&ca]);
    let at = format!("a.example:{}", upstream.port());
    let request = |scheme| format!("GET {scheme}://{at}/ HTTP/1.1\r\nhost: {at}\r\n\r\n");
    assert_eq!(gateway.connect().request(request("https")).status, 200);
    gateway.wait_for_metric("egret_upstream_idle_connections", 1.0);
    assert_eq!(gateway.connect().request(request("http")).status, 502);
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn who_does_not_speak_tls_is_told_from_who_breaks_off() {
    let dns = dns();
    let gateway = Gateway::start_trusting(&over_tls(&quickstart_config(dns.addr())), []);
    // No CA is trusted, which is an error of the configuration.
    let upstream = Upstream::start();
    let response = get(&gateway, "a.example", &upstream);
    assert_eq!(response.status, 500);
    assert!(
        response.text().contains("there are no CA certificates"),
        "{response:?}"
    );

    let ca = Ca::new();
    let gateway = Gateway::start_trusting(&over_tls(&quickstart_config(dns.addr())), [&ca]);
    let details = "the upstream does not speak TLS";
    assert_refused(
        &get(&gateway, "a.example", &upstream),
        "tls_protocol_error",
        details,
    );
    let three = Upstream::start_tls(UpstreamTls::of(&ca, ["a.example"]).speaking("h3"));
    let details = "the upstream speaks neither HTTP/2 nor HTTP/1.1 over TLS";
    assert_refused(
        &get(&gateway, "a.example", &three),
        "tls_protocol_error",
        details,
    );
    gateway.wait_for_metric("egret_refusals_total{reason=\"tls_failed\"}", 2.0);
}

#[test]
fn versions_have_bounds() {
    let (ca, dns) = (Ca::new(), dns());
    let old = Upstream::start_tls(UpstreamTls::of(&ca, ["a.example"]).old());
    let new = Upstream::start_tls(UpstreamTls::of(&ca, ["a.example"]));
    let entries: &[(&str, &str)] = &[("ca.crt", &ca.pem())];
    let with = |parameters| {
        let settings = format!("{{secretRef: {{name: tls}}, parameters: {{{parameters}}}}}");
        with_settings(&dns, &settings, entries)
    };
    let details = "the upstream has no version of TLS in common with us";
    let response = get(&with("minVersion: '1.3'"), "a.example", &old);
    assert_refused(&response, "tls_protocol_error", details);
    assert_eq!(
        get(&with("minVersion: '1.2'"), "a.example", &old).status,
        200
    );
    assert_eq!(
        get(&with("maxVersion: '1.2'"), "a.example", &new).status,
        200
    );
    assert_eq!(new.handshakes()[0].version, "1.2");
}

#[test]
fn failures_of_tls_eject_an_address_but_cost_no_family() {
    let (ca, dns) = (Ca::new(), DnsServer::start());
    let port = egret_testkit::SharedPort::reserve([[127, 0, 0, 1], [127, 0, 0, 2]]);
    let bad = Upstream::start_on_port([127, 0, 0, 1], port.port());
    let name = ["a.example"];
    let good = Upstream::start_tls_on_port([127, 0, 0, 2], port.port(), UpstreamTls::of(&ca, name));
    dns.a("a.example", ["127.0.0.1", "127.0.0.2"], 60);
    let spec = "outlierDetection: {consecutive5xx: 1, maxEjectionPercent: 50}\n  tls: {secretRef: {name: tls}}";
    let yaml = over_tls(&backend_config(dns.addr(), spec));
    let gateway = Gateway::start(&documents(&[&yaml, &secret(&[("ca.crt", &ca.pem())])]));
    // Addresses alternate, so that the untrusted one is first within two requests.
    for _ in 0..2 {
        let _ = get(&gateway, "a.example", &good);
    }
    gateway.wait_for_metric("egret_upstream_ejections_total", 1.0);
    for _ in 0..4 {
        assert_eq!(get(&gateway, "a.example", &good).status, 200);
    }
    assert!(bad.requests().is_empty());
    assert!(gateway.metric("egret_upstream_connect_attempts_total{result=\"refused\"}") < 0.5);
}

//! TLS to upstreams: trusted CAs, server names, client certificates, and refusals.

use egret_testkit::gateway::{backend_config, documents, quickstart_config};
use egret_testkit::upstream::{TlsHandshake, UpstreamTls};
use egret_testkit::{Ca, DnsServer, Gateway, IssuedCertificate, Response, Upstream};

/// A DNS server where the names of the tests have the address 127.0.0.1.
fn dns() -> DnsServer {
    let dns = DnsServer::start();
    for name in ["a.example", "b.example"] {
        dns.a(name, ["127.0.0.1"], 60);
    }
    dns
}

/// Replaces the dynamic Backend by one that uses TLS.
fn over_tls(yaml: &str) -> String {
    let plain = "dynamicForwardProxy: {}";
    assert!(yaml.contains(plain), "{yaml}");
    yaml.replace(plain, "dynamicForwardProxy: {enableTls: true}")
}

/// A Secret in the namespace of the Backend. `text` are its entries.
fn secret(entries: &[(&str, &str)]) -> String {
    let mut text = String::from(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: tls, namespace: httpbin}\nstringData:\n",
    );
    for (name, value) in entries {
        text += &format!("  {name}: {value:?}\n");
    }
    text
}

/// A gateway that uses TLS for all upstreams, with this `tls` section and this Secret.
fn with_settings(dns: &DnsServer, tls: &str, entries: &[(&str, &str)]) -> Gateway {
    let yaml = over_tls(&backend_config(dns.addr(), &format!("tls: {tls}")));
    Gateway::start(&documents(&[&yaml, &secret(entries)]))
}

/// Sends a GET for a name at the port of the upstream.
fn get(gateway: &Gateway, name: &str, upstream: &Upstream) -> Response {
    gateway.get(&format!("{name}:{}", upstream.port()), "/")
}

fn assert_refused(response: &Response, error: &str, details: &str) {
    assert_eq!(response.status, 502, "{response:?}");
    let told = response.header("proxy-status").unwrap_or_default();
    let expected = format!("egret; error={error}; details=\"{details}\"");
    assert_eq!(told, expected);
}

const DYNAMIC: &str = "type: DynamicForwardProxy\n  dynamicForwardProxy: {}";

const UNTRUSTED: &str = "the upstream's certificate is of an unknown CA";

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
fn a_backend_tls_policy_says_whom_to_trust_and_expect() {
    let (ca, other, dns) = (Ca::new(), Ca::new(), dns());
    let upstream = Upstream::start_tls(UpstreamTls::of(&ca, ["backend.example"]));
    let ask = |hostname: &str, trusted: &Ca| {
        let fixed = format!(
            "type: Static\n  static: {{hosts: [{{host: 127.0.0.1, port: {}}}]}}",
            upstream.port()
        );
        let yaml = quickstart_config(dns.addr()).replace(DYNAMIC, &fixed);
        let policy = format!(
            "apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {{name: backend, namespace: httpbin}}
spec:
  targetRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: dfp-backend}}]
  validation:
    hostname: {hostname}
    caCertificateRefs: [{{group: '', kind: ConfigMap, name: ca}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: ca, namespace: httpbin}}
data: {{ca.crt: {:?}}}
",
            trusted.pem()
        );
        Gateway::start(&documents(&[&yaml, &policy])).get("a.example", "/")
    };
    assert_eq!(ask("backend.example", &ca).status, 200);
    let seen = upstream.handshakes().pop().and_then(|seen| seen.sni);
    assert_eq!(seen.as_deref(), Some("backend.example"));
    let refused = ask("backend.example", &other);
    assert_refused(&refused, "tls_certificate_error", UNTRUSTED);
    let refused = ask("front.example", &ca);
    let told = refused.header("proxy-status").unwrap_or_default();
    assert!(told.contains("tls_certificate_error"), "{told}");
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
fn a_certificate_that_is_not_right_is_refused_and_says_what_is_wrong() {
    let (ca, other, dns) = (Ca::new(), Ca::new(), dns());
    let gateway = Gateway::start_trusting(&over_tls(&quickstart_config(dns.addr())), [&ca]);
    let name = ["a.example"];
    let cases: [(IssuedCertificate, &str); 4] = [
        (
            ca.issue(["b.example", "192.0.2.1"]),
            "is of another name: it has b.example, 192.0.2.1",
        ),
        (other.issue(name), "is of an unknown CA"),
        (ca.issue_for(name, Some((2001, 2002))), "has expired"),
        (ca.issue_for(name, Some((2901, 2902))), "is not valid yet"),
    ];
    for (issued, wrong) in cases {
        let upstream = Upstream::start_tls(UpstreamTls::new(issued));
        let response = get(&gateway, "a.example", &upstream);
        let details = format!("the upstream's certificate {wrong}");
        assert_refused(&response, "tls_certificate_error", &details);
        assert!(upstream.requests().is_empty());
    }
    gateway.wait_for_metric("egret_refusals_total{reason=\"tls_certificate\"}", 4.0);
    gateway.wait_for_metric(
        "egret_upstream_tls_handshakes_total{result=\"failed\"}",
        4.0,
    );
    let record = &gateway.wait_for_records(1)[0];
    assert_eq!(record["reason"], "tls_certificate");
}

#[test]
fn an_address_has_a_certificate_too_and_asks_for_no_name() {
    let (ca, dns) = (Ca::new(), dns());
    let upstream = Upstream::start_tls(UpstreamTls::of(&ca, ["127.0.0.1"]));
    let gateway = Gateway::start_trusting(&over_tls(&quickstart_config(dns.addr())), [&ca]);
    assert_eq!(get(&gateway, "127.0.0.1", &upstream).status, 200);
    assert_eq!(upstream.handshakes()[0].sni, None);
    let details = "the upstream's certificate is of another name: it has 127.0.0.1";
    assert_refused(
        &get(&gateway, "a.example", &upstream),
        "tls_certificate_error",
        details,
    );
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
fn a_secret_says_whom_to_trust() {
    let (ca, dns) = (Ca::new(), dns());
    let upstream = Upstream::start_tls(UpstreamTls::of(&ca, ["a.example"]));
    let ours = ca.pem();
    let settings = "{secretRef: {name: tls}}";
    let mut gateway = with_settings(&dns, settings, &[("ca.crt", &ours)]);
    assert_eq!(get(&gateway, "a.example", &upstream).status, 200);
    gateway.wait_for_metric("egret_upstream_idle_connections", 1.0);

    // A connection of the old settings is not reused with the new ones.
    let yaml = over_tls(&backend_config(dns.addr(), &format!("tls: {settings}")));
    let theirs = Ca::new().pem();
    gateway.apply(&documents(&[&yaml, &secret(&[("ca.crt", &theirs)])]));
    let response = get(&gateway, "a.example", &upstream);
    assert_refused(&response, "tls_certificate_error", UNTRUSTED);

    let gateway = with_settings(
        &dns,
        settings,
        &[(
            "ca.crt",
            "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n",
        )],
    );
    let response = get(&gateway, "a.example", &upstream);
    assert_eq!(response.status, 500, "{response:?}");
    assert!(
        response.text().contains("not a certificate of a CA"),
        "{response:?}"
    );
}

#[test]
fn nobody_needs_to_be_trusted_if_the_settings_say_so() {
    let dns = dns();
    let upstream = Upstream::start_tls(UpstreamTls::of(&Ca::new(), ["b.example"]));
    let gateway = with_settings(&dns, "{insecureSkipVerify: true}", &[]);
    assert_eq!(get(&gateway, "a.example", &upstream).status, 200);
}

#[test]
fn other_names_can_be_asked_for_and_verified() {
    let (ca, dns) = (Ca::new(), dns());
    let upstream = Upstream::start_tls(UpstreamTls::of(&ca, ["b.example", "192.0.2.1"]));
    let entries: &[(&str, &str)] = &[("ca.crt", &ca.pem())];
    let other = "the upstream's certificate is of another name: it has b.example, 192.0.2.1";
    for (settings, sni, refused) in [
        ("sni: b.example", "b.example", false),
        (
            "verifySubjectAltNames: [c.example, b.example]",
            "a.example",
            false,
        ),
        ("verifySubjectAltNames: [192.0.2.1]", "a.example", false),
        (
            "sni: b.example, verifySubjectAltNames: [c.example]",
            "b.example",
            true,
        ),
    ] {
        let settings = format!("{{secretRef: {{name: tls}}, {settings}}}");
        let gateway = with_settings(&dns, &settings, entries);
        let response = get(&gateway, "a.example", &upstream);
        if refused {
            assert_refused(&response, "tls_certificate_error", other);
        } else {
            assert_eq!(response.status, 200, "{settings}: {response:?}");
            let asked = upstream.handshakes().pop().and_then(|one| one.sni);
            assert_eq!(asked.as_deref(), Some(sni));
        }
    }
}

#[test]
fn a_client_certificate_is_shown_to_who_asks() {
    let (ca, clients, dns) = (Ca::new(), Ca::new(), dns());
    let upstream = Upstream::start_tls(UpstreamTls::of(&ca, ["a.example"]).requiring(&clients));
    let old = Upstream::start_tls(
        UpstreamTls::of(&ca, ["a.example"])
            .requiring(&clients)
            .old(),
    );
    let ours = clients.issue(["egret.example"]);
    let (ca, certificate, key) = (ca.pem(), ours.certificate_pem(), ours.key_pem());
    let entries: &[(&str, &str)] = &[
        ("ca.crt", &ca),
        ("tls.crt", &certificate),
        ("tls.key", &key),
    ];
    let gateway = with_settings(&dns, "{secretRef: {name: tls}}", entries);
    for upstream in [&upstream, &old] {
        assert_eq!(get(&gateway, "a.example", upstream).status, 200);
        assert!(upstream.handshakes()[0].client_certificate);
    }
    for path in ["/config", "/report"] {
        let shown = gateway.ask(path);
        let line = key.lines().nth(1).expect("a key");
        assert!(!shown.text().contains(line), "{path}");
    }
    let gateway = with_settings(&dns, "{secretRef: {name: tls}, simpleTLS: true}", entries);
    let required = "the upstream requires a client certificate";
    assert_refused(
        &get(&gateway, "a.example", &upstream),
        "tls_protocol_error",
        required,
    );

    let stranger = Ca::new().issue(["egret.example"]);
    let (certificate, stranger) = (stranger.certificate_pem(), stranger.key_pem());
    let entries = &[
        ("ca.crt", &*ca),
        ("tls.crt", &certificate),
        ("tls.key", &stranger),
    ];
    let gateway = with_settings(&dns, "{secretRef: {name: tls}}", entries);
    let unwanted = "the upstream does not accept the client certificate";
    assert_refused(
        &get(&gateway, "a.example", &upstream),
        "tls_protocol_error",
        unwanted,
    );

    let entries = &[
        ("ca.crt", &*ca),
        ("tls.crt", &certificate),
        ("tls.key", &key),
    ];
    let gateway = with_settings(&dns, "{secretRef: {name: tls}}", entries);
    let response = get(&gateway, "a.example", &upstream);
    assert_eq!(response.status, 500, "{response:?}");
    assert!(
        response
            .text()
            .contains("tls.key is not the key of tls.crt"),
        "{response:?}"
    );
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
    client.send_request(format!("CONNECT {host} HTTP/1.1\r\nhost: {host}\r\n\r\n"));
    assert_eq!(client.read_head().status, 200);
    // The request is forwarded in clear, as it was received.
    assert_eq!(client.get("/", &host).status, 200);
}

//! Verification of upstream certificates, and client certificates.

use egret_testkit::gateway::{backend_config, documents, quickstart_config};
use egret_testkit::upstream::UpstreamTls;
use egret_testkit::{Ca, Gateway, IssuedCertificate, Upstream};

use super::{UNTRUSTED, assert_refused, dns, get, over_tls, secret, with_settings};

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
        response
            .text()
            .contains("an entry that is not a certificate"),
        "{response:?}"
    );
}

/// What `openssl req -x509` makes is trusted for its own names if it is in `ca.crt`.
#[test]
fn a_certificate_that_signed_itself_is_trusted_for_its_names() {
    let dns = dns();
    let check = |issued: IssuedCertificate, trusted: &str, refused: Option<&str>| {
        let upstream = Upstream::start_tls(UpstreamTls::new(issued));
        let settings = "{secretRef: {name: tls}}";
        let gateway = with_settings(&dns, settings, &[("ca.crt", trusted)]);
        let response = get(&gateway, "a.example", &upstream);
        match refused {
            None => assert_eq!(response.status, 200, "{response:?}"),
            Some(why) => {
                let details = format!("the upstream's certificate {why}");
                assert_refused(&response, "tls_certificate_error", &details);
            }
        }
    };
    let issued = |name: &str, years| {
        let issued = Ca::self_signed([name], years);
        let pem = issued.certificate_pem();
        (issued, pem)
    };
    let (own, pem) = issued("a.example", None);
    check(own, &pem, None);
    let (own, pem) = issued("b.example", None);
    check(own, &pem, Some("is of another name: it has b.example"));
    let (own, pem) = issued("a.example", Some((2001, 2002)));
    check(own, &pem, Some("has expired"));
    // Another one of the same name and subject.
    let (own, _) = issued("a.example", None);
    let (_, pem) = issued("a.example", None);
    check(
        own,
        &pem,
        Some("is one of a CA, and neither it nor its issuer is trusted as a server"),
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
            .contains("tls.key does not belong to tls.crt"),
        "{response:?}"
    );
}

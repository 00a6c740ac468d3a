//! The destination of a request: its host, port and path.

use std::net::{Ipv4Addr, Ipv6Addr};

use egret_testkit::gateway::{
    LOOPBACK, QUICKSTART, documents, egress_policy, quickstart_config, resolver_policy,
};
use egret_testkit::{Client, DnsServer, Gateway, Upstream};

#[test]
fn the_host_of_the_request_is_where_it_goes() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("anything.example", ["127.0.0.1"], 60);
    let gateway = Gateway::start(&quickstart_config(dns.addr()));

    let host = format!("anything.example:{}", upstream.port());
    let response = gateway.get(&host, "/get?a=1");

    assert_eq!(response.status, 200);
    let request = &upstream.requests()[0];
    assert_eq!(request.target, "/get?a=1");
    assert_eq!(request.header("host"), Some(host.as_str()));
    assert!(request.header("via").unwrap().starts_with("1.1 egret-"));
    assert!(response.header("via").unwrap().starts_with("1.1 egret-"));
}

#[test]
fn no_port_means_80() {
    let dns = DnsServer::start();
    dns.a("plain.example", ["127.0.0.5"], 60);
    let Ok(upstream) =
        std::panic::catch_unwind(|| Upstream::start_on_port(Ipv4Addr::new(127, 0, 0, 5), 80))
    else {
        // Without the privilege to bind port 80, the refusal still shows which port was dialled.
        let gateway = Gateway::start(&quickstart_config(dns.addr()));
        assert_eq!(gateway.get("plain.example", "/").status, 502);
        assert_eq!(gateway.wait_for_records(1)[0]["reason"], "connect_refused");
        return;
    };
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    assert_eq!(gateway.get("plain.example", "/").status, 200);
    assert_eq!(upstream.requests()[0].header("host"), Some("plain.example"));
}

#[test]
fn absolute_form_overrides_host_and_the_upstream_sees_the_same() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("target.example", ["127.0.0.1"], 60);
    let gateway = Gateway::start(&quickstart_config(dns.addr()));

    let target = format!("http://Target.example:{}/x?y", upstream.port());
    assert_eq!(gateway.get("other.example", &target).status, 200);

    let request = &upstream.requests()[0];
    assert_eq!(request.target, "/x?y");
    assert_eq!(
        request.header("host"),
        Some(format!("target.example:{}", upstream.port()).as_str())
    );
}

#[test]
fn rules_read_the_host_that_an_absolute_target_names() {
    let dns = DnsServer::start();
    let rules = quickstart_config(dns.addr()).replace(
        "  rules:\n    - backendRefs:",
        "  rules:
    - matches: [{headers: [{name: host, value: inside.example}]}]
      filters: [{type: RequestRedirect, requestRedirect: {hostname: caught.example}}]
    - backendRefs:",
    );
    assert!(rules.contains("caught"));
    let gateway = Gateway::start(&rules);
    let response = gateway.get("outside.example", "http://inside.example/");
    assert_eq!(response.status, 302);
    let response = gateway.get("inside.example", "http://outside.example/");
    assert_ne!(response.status, 302);
}

#[test]
fn absolute_form_without_a_path_gets_one() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let authority = format!("a.example:{}", upstream.port());
    let mut client = gateway.connect();
    for (target, expected) in [
        ("", "/"),
        ("?x=1", "/?x=1"),
        ("/", "/"),
        ("/a?", "/a?"),
        ("//a//b", "//a//b"),
    ] {
        assert_eq!(
            client
                .get(&format!("http://{authority}{target}"), &authority)
                .status,
            200,
            "{target}"
        );
        assert_eq!(upstream.requests().pop().unwrap().target, expected);
    }
}

#[test]
fn options_of_the_server_itself_are_those_of_the_prefix_that_covers_all() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let whole = quickstart_config(dns.addr());
    let matching = |path: &str| {
        let matches = format!("rules:\n    - matches: [{{path: {path}}}]\n      backendRefs:");
        let yaml = whole.replace("rules:\n    - backendRefs:", &matches);
        assert_ne!(yaml, whole);
        yaml
    };
    let host = format!("a.example:{}", upstream.port());
    let mut gateway = Gateway::start(&whole);
    for (yaml, target, expected) in [
        (whole.clone(), "*", Some("*")),
        (whole.clone(), "/", Some("/")),
        (whole.clone(), &format!("http://{host}/"), Some("/")),
        // The gateway cannot distinguish this target from the previous one.
        (whole.clone(), &format!("http://{host}"), Some("/")),
        (matching("{type: PathPrefix, value: /}"), "*", Some("*")),
        (matching("{type: PathPrefix, value: /v1}"), "*", None),
        (matching("{type: Exact, value: /}"), "*", None),
    ] {
        gateway.apply(&yaml);
        let mut client = gateway.connect();
        let response = client.request(format!("OPTIONS {target} HTTP/1.1\r\nhost: {host}\r\n\r\n"));
        let status = if expected.is_some() { 200 } else { 404 };
        assert_eq!(response.status, status, "{target} {yaml}");
        if let Some(expected) = expected {
            assert_eq!(upstream.requests().pop().unwrap().target, expected);
        }
    }
    let response = gateway
        .connect()
        .request(format!("GET * HTTP/1.1\r\nhost: {host}\r\n\r\n"));
    assert_eq!(response.status, 404);

    // Policies match the same value as rules.
    let policy = &egress_policy("nothing", "rules: [{action: Deny, paths: [/]}]");
    gateway.apply(&documents(&[&whole, policy]));
    let request = format!("OPTIONS * HTTP/1.1\r\nhost: {host}\r\n\r\n");
    assert_eq!(gateway.connect().request(&request).status, 403);
}

#[test]
fn http_1_0_is_served() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("old.example", ["127.0.0.1"], 60);
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let mut client = gateway.connect();
    let request = format!(
        "GET http://old.example:{}/ HTTP/1.0\r\n\r\n",
        upstream.port()
    );
    assert_eq!(client.request(&request).status, 200);
    assert!(client.is_closed());
    assert_eq!(upstream.requests()[0].version, http::Version::HTTP_11);
    assert!(
        upstream.requests()[0]
            .header("via")
            .unwrap()
            .starts_with("1.0 egret-")
    );
}

#[test]
fn ipv6_literals_are_dialled_without_dns() {
    let dns = DnsServer::start();
    let Ok(upstream) = std::panic::catch_unwind(|| Upstream::start_on(Ipv6Addr::LOCALHOST)) else {
        return; // A machine without IPv6.
    };
    let gateway = Gateway::start(&documents(&[
        QUICKSTART,
        LOOPBACK,
        &resolver_policy(dns.addr(), ""),
    ]));
    let host = format!("[::1]:{}", upstream.port());
    assert_eq!(
        Client::connect(gateway.address()).get("/", &host).status,
        200
    );
    assert!(dns.queries().is_empty());
}

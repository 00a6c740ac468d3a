//! What the guide describes: dynamic forward proxying to any host and port, with cached names.

use std::net::{Ipv4Addr, Ipv6Addr};

use egret_testkit::gateway::{LOOPBACK, QUICKSTART, documents, quickstart_config, resolver_policy};
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
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("a.example", ["127.0.0.1"], 60);
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
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("a.example", ["127.0.0.1"], 60);
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
    let policy = "apiVersion: egret.dev/v1alpha1
kind: EgressPolicy
metadata: {name: nothing, namespace: kgateway-system}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: http}]
  rules: [{action: Deny, paths: [/]}]
";
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
fn a_known_host_is_not_asked_for_again_by_any_spelling() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    let other = Upstream::start();
    dns.a("a.example", ["127.0.0.1"], 60);
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    for host in ["a.example", "A.Example.", "a.EXAMPLE"] {
        for port in [upstream.port(), other.port()] {
            assert_eq!(gateway.get(&format!("{host}:{port}"), "/").status, 200);
        }
    }
    assert_eq!(dns.lookups_for("a.example"), 1);
    assert_eq!(upstream.requests().len() + other.requests().len(), 6);
}

#[test]
fn a_first_request_keeps_its_body_while_its_name_is_resolved() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("cold.example", ["127.0.0.1"], 60);
    let answer = dns.hold("cold.example");
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let host = format!("cold.example:{}", upstream.port());
    let mut client = gateway.connect();
    client.send(format!(
        "POST /sink HTTP/1.1\r\nhost: {host}\r\ncontent-length: 300000\r\n\r\n"
    ));
    client.send("x".repeat(100_000));
    dns.wait_for_queries("cold.example", 2);
    answer.release();
    client.send("x".repeat(200_000));
    let response = client.read_response();
    assert_eq!((response.status, response.text()), (200, "300000"));
    client.send(format!(
        "POST /sink HTTP/1.1\r\nhost: {host}\r\ncontent-length: 3\r\n\r\nabc"
    ));
    assert_eq!(client.read_response().text(), "3");
    assert_eq!(dns.lookups_for("cold.example"), 1);
    let records = gateway.wait_for_records(2);
    assert_eq!(records[0]["dns"], "miss");
    assert!(records[0]["dns_ms"].is_number());
}

#[test]
fn fifty_first_requests_at_once_ask_once() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("cold.example", ["127.0.0.1"], 60);
    let answer = dns.hold("cold.example");
    let gateway = Gateway::start_with_workers(&quickstart_config(dns.addr()), 2);
    let request = format!(
        "GET / HTTP/1.1\r\nhost: cold.example:{}\r\n\r\n",
        upstream.port()
    );

    let mut clients: Vec<_> = (0..50).map(|_| gateway.connect()).collect();
    clients
        .iter_mut()
        .for_each(|client| client.send_request(&request));
    gateway.wait_for_metric("egret_dns_pending", 1.0);
    answer.release();
    let statuses = clients
        .iter_mut()
        .map(|client| client.read_response().status);
    assert!(statuses.into_iter().all(|status| status == 200));

    assert_eq!(dns.lookups_for("cold.example"), 1);
    assert_eq!(upstream.requests().len(), 50);
}

#[test]
fn connections_are_kept_on_both_sides() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("a.example", ["127.0.0.1"], 60);
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let mut client = gateway.connect();
    let host = format!("a.example:{}", upstream.port());
    for _ in 0..20 {
        assert_eq!(client.get("/", &host).status, 200);
    }
    assert_eq!(upstream.connections(), 1);
    assert_eq!(gateway.metric("egret_upstream_reused_total"), 19.0);
}

#[test]
fn a_name_is_asked_for_again_while_requests_use_its_connection() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("a.example", ["127.0.0.1"], 1);
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let mut client = gateway.connect();
    let host = format!("a.example:{}", upstream.port());
    assert_eq!(client.get("/", &host).status, 200);
    dns.clear_queries();
    assert_eq!(client.get("/", &host).status, 200);
    // The query is not caused by the second request, but by the background refresh a few seconds later.
    assert_eq!(dns.lookups_for("a.example"), 0);
    dns.wait_for_queries("a.example", 1);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn two_hosts_on_one_client_connection_share_no_upstream_connection() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("a.example", ["127.0.0.1"], 60);
    dns.a("b.example", ["127.0.0.1"], 60);
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let mut client = gateway.connect();
    for host in ["a.example", "b.example", "a.example", "b.example"] {
        assert_eq!(
            client
                .get("/", &format!("{host}:{}", upstream.port()))
                .status,
            200
        );
    }
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn a_connection_that_the_upstream_closed_meanwhile_costs_no_request() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("a.example", ["127.0.0.1"], 60);
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let mut client = gateway.connect();
    let host = format!("a.example:{}", upstream.port());
    for _ in 0..5 {
        assert_eq!(client.get("/", &host).status, 200);
        upstream.close_idle();
    }
    // The upstream closes the connection only after the next request has been sent.
    for _ in 0..5 {
        assert_eq!(client.get("/", &host).status, 200);
        assert_eq!(client.get("/close-if-reused", &host).status, 200);
    }
}

#[test]
fn routes_choose_by_host_path_and_header_and_rewrites_decide_the_destination() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("real.example", ["127.0.0.1"], 60);
    let routes = format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: fixed, namespace: httpbin}}
spec: {{type: Static, static: {{hosts: [{{host: real.example, port: {}}}]}}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: named, namespace: httpbin}}
spec:
  parentRefs: [{{name: http, namespace: kgateway-system}}]
  hostnames: [fixed.example]
  rules:
  - matches: [{{path: {{type: PathPrefix, value: /old}}}}]
    filters:
    - type: URLRewrite
      urlRewrite: {{path: {{type: ReplacePrefixMatch, replacePrefixMatch: /new}}}}
    - type: RequestHeaderModifier
      requestHeaderModifier: {{set: [{{name: x-set, value: 'yes'}}], remove: [x-gone]}}
    - type: ResponseHeaderModifier
      responseHeaderModifier: {{add: [{{name: x-added, value: 'yes'}}]}}
    backendRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: fixed}}]
  - matches: [{{headers: [{{name: x-go, value: away}}]}}]
    filters: [{{type: RequestRedirect, requestRedirect: {{scheme: https, statusCode: 301}}}}]
",
        upstream.port()
    );
    let gateway = Gateway::start(&documents(&[&quickstart_config(dns.addr()), &routes]));
    let mut client = gateway.connect();

    let response = client.request(
        "GET /old/a?q HTTP/1.1\r\nhost: fixed.example:8080\r\nx-gone: 1\r\nx-forwarded-for: 192.0.2.9\r\n\
         x-forwarded-host: forged.example\r\nconnection: close, x-set\r\n\r\n",
    );
    assert_eq!(
        (response.status, response.header("x-added")),
        (200, Some("yes"))
    );
    let request = &upstream.requests()[0];
    assert_eq!(request.target, "/new/a?q");
    assert_eq!(
        (request.header("x-set"), request.header("x-gone")),
        (Some("yes"), None)
    );
    assert_eq!(request.header("host"), Some("fixed.example:8080"));
    // This upstream receives the client's address, and only as the gateway states it.
    assert_eq!(request.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(
        request.header("x-forwarded-host"),
        Some("fixed.example:8080")
    );

    // The matched prefix is what is replaced.
    let mut client = gateway.connect();
    let request = "GET /x/..//old/a?q HTTP/1.1\r\nhost: fixed.example:8080\r\n\r\n";
    assert_eq!(client.request(request).status, 200);
    assert_eq!(upstream.requests().pop().unwrap().target, "/new/a?q");

    let response = client.request("GET /x HTTP/1.1\r\nhost: fixed.example\r\nx-go: away\r\n\r\n");
    assert_eq!(response.status, 301);
    assert_eq!(response.header("location"), Some("https://fixed.example/x"));
    let response = client.get("/x", "fixed.example");
    assert_eq!((response.status, upstream.requests().len()), (404, 2));
}

#[test]
fn answers_of_our_own_are_filtered_too() {
    let routes = "apiVersion: gateway.kgateway.dev/v1alpha1
kind: DirectResponse
metadata: {name: gone, namespace: httpbin}
spec: {status: 410, body: gone}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: named, namespace: httpbin}
spec:
  parentRefs: [{name: http, namespace: kgateway-system}]
  hostnames: [own.example]
  rules:
  - matches: [{path: {type: PathPrefix, value: /gone}}]
    filters:
    - {type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: content-type, value: text/x-set}]}}
    - {type: ExtensionRef, extensionRef: {group: gateway.kgateway.dev, kind: DirectResponse, name: gone}}
  - filters:
    - {type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: x-added, value: 'yes'}]}}
    - {type: RequestRedirect, requestRedirect: {scheme: https}}
";
    let gateway = Gateway::start(&documents(&[QUICKSTART, routes]));
    let mut client = gateway.connect();
    let response = client.get("/gone", "own.example");
    assert_eq!((response.status, response.text()), (410, "gone"));
    assert_eq!(response.header("content-type"), Some("text/x-set"));
    let response = client.get("/", "own.example");
    assert_eq!(response.header("location"), Some("https://own.example/"));
    assert_eq!(response.header("x-added"), Some("yes"));
}

#[test]
fn strangers_are_told_nothing_about_the_client() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("a.example", ["127.0.0.1"], 60);
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let request = format!(
        "GET / HTTP/1.1\r\nhost: a.example:{}\r\nx-forwarded-for: 10.1.2.3\r\nforwarded: for=10.1.2.3\r\n\
         proxy-authorization: Basic c2VjcmV0\r\nauthorization: Bearer kept\r\nproxy-connection: keep-alive\r\n\
         connection: x-hop, authorization\r\nx-hop: 1\r\n\r\n",
        upstream.port()
    );
    assert_eq!(gateway.connect().request(&request).status, 200);
    let request = &upstream.requests()[0];
    let mut names: Vec<_> = request
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["authorization", "host", "via"]);
}

#[test]
fn what_comes_back_is_a_loop() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("a.example", ["127.0.0.1"], 60);
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    let host = format!("a.example:{}", upstream.port());
    let mut client = gateway.connect();
    assert_eq!(client.get("/", &host).status, 200);
    let via = upstream.requests()[0].header("via").unwrap().to_owned();
    let again = format!("GET / HTTP/1.1\r\nhost: {host}\r\nvia: 1.1 other, {via}\r\n\r\n");
    let response = client.request(&again);
    assert_eq!(response.status, 508);
    assert!(
        response
            .header("proxy-status")
            .unwrap()
            .contains("error=proxy_loop_detected")
    );
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_dead_address_is_passed_over_even_if_it_swallows_packets_and_is_then_avoided() {
    let dns = DnsServer::start();
    let (dead, alive) = (Ipv4Addr::new(127, 0, 0, 3), Ipv4Addr::new(127, 0, 0, 4));
    let port = egret_testkit::SharedPort::reserve([dead, alive]);
    let upstream = Upstream::start_on_port(alive, port.port());
    let _dead = egret_testkit::Blackhole::start_on_port(dead, port.port());
    upstream.keep_alive(false);
    dns.a("two.example", ["127.0.0.3", "127.0.0.4"], 60);
    let gateway = Gateway::start(&quickstart_config(dns.addr()));

    let host = format!("two.example:{}", port.port());
    for _ in 0..20 {
        assert_eq!(gateway.get(&host, "/").status, 200);
    }
    let records = gateway.wait_for_records(20);
    let connects: Vec<_> = records
        .iter()
        .map(|record| record["connect_ms"].as_f64().unwrap())
        .collect();
    assert!(
        records
            .iter()
            .all(|record| record["upstream"] == format!("127.0.0.4:{}", port.port()))
    );
    // One connection attempt delay of 250 ms, and the time of a loopback connect on a slow machine.
    assert!(connects.iter().all(|took| *took < 1000.0), "{connects:?}");
    // Each failed attempt doubles the time until the dead address is tried again.
    let slow = connects.iter().filter(|took| **took >= 250.0).count();
    assert!((1..=5).contains(&slow), "{connects:?}");
}

#[test]
fn every_address_of_a_name_is_used() {
    let dns = DnsServer::start();
    let ips = [2, 3, 4].map(|last| Ipv4Addr::new(127, 0, 0, last));
    let port = egret_testkit::SharedPort::reserve(ips);
    let upstreams = ips.map(|ip| Upstream::start_on_port(ip, port.port()));
    dns.a("three.example", ["127.0.0.2", "127.0.0.3", "127.0.0.4"], 60);
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    upstreams
        .iter()
        .for_each(|upstream| upstream.keep_alive(false));
    for _ in 0..9 {
        assert_eq!(
            gateway
                .get(&format!("three.example:{}", port.port()), "/")
                .status,
            200
        );
    }
    assert_eq!(
        upstreams.map(|upstream| upstream.requests().len()),
        [3, 3, 3]
    );
}

#[test]
fn the_guides_resources_alone_are_accepted_and_serve() {
    let gateway = Gateway::start(QUICKSTART);
    let report = gateway.ask("/report").json();
    assert_eq!(report["problems"], serde_json::json!([]));
    // A route matches: the request is refused because of its destination.
    assert_eq!(gateway.get("127.0.0.1", "/").status, 403);
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

#[test]
fn dns_servers_are_measured_by_name() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("a.example", ["127.0.0.1"], 60);
    let gateway = Gateway::start(&quickstart_config(dns.addr()));

    let host = format!("a.example:{}", upstream.port());
    assert_eq!(gateway.get(&host, "/").status, 200);
    assert_eq!(gateway.get("gone.example", "/").status, 502);

    let server = dns.addr();
    let queries = format!("egret_dns_query_duration_seconds_count{{server=\"{server}\"}}");
    let failures =
        format!("egret_dns_query_failures_total{{server=\"{server}\",cause=\"nxdomain\"}}");
    let asked = dns.queries_for("gone.example");
    assert!(asked > 0 && gateway.metric(&queries) >= asked as f64);
    assert_eq!(gateway.metric(&failures), asked as f64);
    assert_eq!(
        gateway.metric("egret_dns_lookup_failures_total{cause=\"nxdomain\"}"),
        asked as f64
    );
}

//! Which tunnels may be opened, and how the others are refused.

use egret_testkit::client::connect_request;
use egret_testkit::gateway::{
    QUICKSTART, documents, egress_policy, quickstart_config, resolver_policy,
};
use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{ClosedPort, DnsServer, Gateway, Upstream};

use super::told;

#[test]
fn http_1_0_is_served_with_and_without_host() {
    let (dns, server) = (DnsServer::with_a_example(), RawServer::echo());
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    for fields in [
        "",
        "Host: a.example\r\n",
        "Proxy-Connection: keep-alive\r\n",
    ] {
        let mut client = gateway.connect();
        let head = format!(
            "CONNECT a.example:{} HTTP/1.0\r\n{fields}\r\n",
            server.port()
        );
        assert_eq!(client.request(head).status, 200);
        client.send("x");
        assert_eq!(client.read_exactly(1), b"x");
    }
}

#[test]
fn malformed_authorities_are_refused_before_dns() {
    let dns = DnsServer::start();
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    for authority in [
        "a.example",
        "a.example:",
        "a.example:0",
        "a.example:65536",
        "a.example:0443",
        "a.example:+443",
        "a.example:https",
        "a.example:443:443",
        "a.example:443/x",
        "a.example..:443",
        ".a.example:443",
        "user@a.example:443",
        "allowed.example@169.254.169.254:443",
        "2130706433:443",
        "0x7f.1:443",
        "127.1:443",
        "127.0.0.01:443",
        "::1:443",
        "[::1:443",
        "[127.0.0.1]:443",
        "[fe80::1%25eth0]:443",
        "a.example,b.example:443",
        "a%2eexample:443",
        "http://a.example:443/",
        "https://a.example:443",
        "/",
        "*",
        ":443",
    ] {
        let head = format!("CONNECT {authority} HTTP/1.1\r\nhost: a.example:443\r\n\r\n");
        let mut client = gateway.connect();
        assert_eq!(client.request(head).status, 400, "{authority}");
        assert!(client.is_closed(), "{authority}");
    }
    for fields in [
        "",
        "host: a\r\nhost: a\r\n",
        "host: user@a\r\n",
        "host: a.example:443\r\ncontent-length: 5\r\n",
        "host: a.example:443\r\ntransfer-encoding: chunked\r\n",
    ] {
        let mut client = gateway.connect();
        let head = format!("CONNECT a.example:443 HTTP/1.1\r\n{fields}\r\n");
        assert_eq!(client.request(head).status, 400, "{fields}");
        assert!(client.is_closed(), "{fields}");
    }
    let mut client = gateway.connect();
    let head = "CONNECT a.example:443 HTTP/1.0\r\nupgrade: h2c\r\n\r\n";
    assert_eq!(client.request(head).status, 400);
    assert!(dns.queries().is_empty());
}

#[test]
fn addresses_inside_are_denied_and_our_own_ports_whatever_the_exceptions_say() {
    let (dns, server) = (DnsServer::with_a_example(), RawServer::echo());
    dns.a("metadata.example", ["169.254.169.254"], 60);
    let closed = Gateway::start(&documents(&[QUICKSTART, &resolver_policy(dns.addr(), "")]));
    for authority in [
        format!("127.0.0.1:{}", server.port()),
        format!("[::ffff:127.0.0.1]:{}", server.port()),
        format!("a.example:{}", server.port()),
        "metadata.example:80".to_owned(),
        "[64:ff9b::a9fe:a9fe]:80".to_owned(),
    ] {
        let response = closed.connect().request(connect_request(&authority));
        assert_eq!(response.status, 403, "{authority}");
        assert!(told(&response).contains("destination_ip_prohibited"));
    }
    assert_eq!(server.connections(), 0);
    let open = Gateway::start(&quickstart_config(dns.addr()));
    for port in [open.address().port(), open.admin().port()] {
        for host in ["127.0.0.1", "a.example", "0.0.0.0", "[::ffff:127.0.0.1]"] {
            let response = open
                .connect()
                .request(connect_request(&format!("{host}:{port}")));
            assert_eq!(response.status, 403, "{host}:{port}");
        }
    }
}

/// A destination has the same verdict by the same rule, whatever the form of the request.
#[test]
fn every_form_of_a_request_has_the_same_verdict() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    dns.a("b.example", ["127.0.0.1"], 60);
    dns.a("inside.example", ["10.0.0.1"], 60);
    let port = upstream.port();
    let policy = egress_policy(
        "partners",
        &format!(
            "defaultAction: Deny
  rules:
  - {{name: no-c, action: Deny, hosts: [c.example, '*.c.example']}}
  - {{name: own, action: Allow, hosts: [a.example, inside.example], ports: [{port}]}}
  - {{name: literal, action: Allow, hosts: [127.0.0.0/8]}}"
        ),
    );
    let gateway = Gateway::start(&documents(&[&quickstart_config(dns.addr()), &policy]));
    let cases = [
        ("a.example", 200, "allow", Some("own")),
        ("A.EXAMPLE.", 200, "allow", Some("own")),
        ("127.0.0.1", 200, "allow", Some("literal")),
        ("[::ffff:127.0.0.1]", 200, "allow", Some("literal")),
        ("b.example", 403, "deny", None),
        ("c.example", 403, "deny", Some("no-c")),
        ("x.c.example.", 403, "deny", Some("no-c")),
        ("inside.example", 403, "deny", None),
    ];
    let mut count = 0;
    for (host, status, verdict, rule) in cases {
        let authority = format!("{host}:{port}");
        for head in [
            format!("GET / HTTP/1.1\r\nhost: {authority}\r\n\r\n"),
            format!("GET http://{authority}/ HTTP/1.1\r\nhost: other.example\r\n\r\n"),
            connect_request(&authority),
        ] {
            let mut client = gateway.connect();
            assert_eq!(client.request(&head).status, status, "{head}");
            drop(client);
            count += 1;
            let records = gateway.wait_for_records(count);
            let record = records.last().unwrap();
            assert_eq!(record["verdict"], verdict, "{head}: {record:#}");
            assert_eq!(record["rule"].as_str(), rule, "{head}: {record:#}");
        }
    }
    for name in ["b.example", "c.example", "x.c.example"] {
        assert_eq!(dns.queries_for(name), 0);
    }
}

#[test]
fn rules_about_what_is_inside_never_match_a_tunnel() {
    let (dns, server) = (DnsServer::with_a_example(), RawServer::echo());
    let policy = |rule: &str| {
        egress_policy(
            "inner",
            &format!(
                "defaultAction: Deny
  rules: [{{name: some, action: Allow, hosts: [a.example]{rule}}}]"
            ),
        )
    };
    let authority = format!("a.example:{}", server.port());
    for (rule, status) in [
        ("", 200),
        (", methods: [CONNECT]", 403),
        (", methods: [GET]", 403),
        (", paths: ['/']", 403),
    ] {
        let gateway = Gateway::start(&documents(&[&quickstart_config(dns.addr()), &policy(rule)]));
        let response = gateway.connect().request(connect_request(&authority));
        assert_eq!(response.status, status, "{rule}");
    }
}

#[test]
fn routes_match_a_connect_by_all_but_paths() {
    let (dns, server) = (DnsServer::with_a_example(), RawServer::echo());
    let authority = format!("a.example:{}", server.port());
    for (matches, status) in [
        ("{path: {type: PathPrefix, value: /}}", 200),
        ("{method: CONNECT}", 200),
        ("{headers: [{name: host, value: 'a.example:PORT'}]}", 200),
        ("{method: GET}", 404),
        ("{headers: [{name: x-team, value: a}]}", 404),
        ("{path: {type: PathPrefix, value: /v1}}", 404),
        ("{path: {type: Exact, value: /}}", 404),
        ("{path: {type: RegularExpression, value: '.*'}}", 404),
        ("{queryParams: [{name: a, value: b}]}", 404),
    ] {
        let matches = matches.replace("PORT", &server.port().to_string());
        let yaml = quickstart_config(dns.addr()).replace(
            "rules:\n    - backendRefs:",
            &format!("rules:\n    - matches: [{matches}]\n      backendRefs:"),
        );
        assert!(yaml.contains("matches"));
        let gateway = Gateway::start(&yaml);
        let mut client = gateway.connect();
        assert_eq!(
            client.request(connect_request(&authority)).status,
            status,
            "{matches}"
        );
        if status != 200 {
            assert!(client.is_closed(), "{matches}");
        }
    }
}

#[test]
fn rewrites_decide_where_it_goes_and_filters_change_the_answer() {
    let (dns, server) = (DnsServer::with_a_example(), RawServer::echo());
    let filters = "filters:
      - {type: URLRewrite, urlRewrite: {hostname: a.example}}
      - {type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-egress, value: here}]}}
      backendRefs:";
    let yaml = quickstart_config(dns.addr()).replace("backendRefs:", filters);
    let gateway = Gateway::start(&yaml);
    let mut client = gateway.connect();
    // The port stays, because a CONNECT has no scheme with another default port.
    let response = client.request(connect_request(&format!(
        "elsewhere.example:{}",
        server.port()
    )));
    assert_eq!(
        (response.status, response.header("x-egress")),
        (200, Some("here"))
    );
    client.send("x");
    assert_eq!(client.read_exactly(1), b"x");
    assert_eq!(dns.queries_for("elsewhere.example"), 0);
}

#[test]
fn what_is_no_tunnel_is_not_answered_as_one() {
    let dns = DnsServer::start();
    let backend = "apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: fixed, namespace: httpbin}
spec: {type: Static, static: {hosts: [{host: a.example, port: 80}]}}
";
    let direct = "apiVersion: gateway.kgateway.dev/v1alpha1
kind: DirectResponse
metadata: {name: fixed, namespace: httpbin}
spec: {status: 200, body: hello}
";
    let rules = |rule: &str| {
        let (before, _) = QUICKSTART.split_once("  rules:\n").unwrap();
        documents(&[
            &format!("{before}  rules:\n    - {rule}\n"),
            &resolver_policy(dns.addr(), ""),
            backend,
            direct,
        ])
    };
    let answer = "filters: [{type: ExtensionRef, extensionRef: {group: gateway.kgateway.dev, kind: DirectResponse, name: fixed}}]";
    for (yaml, status, error) in [
        (
            rules("backendRefs: [{name: fixed, kind: Backend, group: gateway.kgateway.dev}]"),
            403,
            Some("http_request_denied"),
        ),
        (rules(answer), 403, Some("http_request_denied")),
        (
            rules(answer).replace("status: 200", "status: 418"),
            418,
            None,
        ),
        (
            rules("filters: [{type: RequestRedirect, requestRedirect: {hostname: b.example}}]"),
            302,
            None,
        ),
    ] {
        let gateway = Gateway::start(&yaml);
        let mut client = gateway.connect();
        client.send_request(
            connect_request("a.example:443") + "GET / HTTP/1.1\r\nhost: a.example\r\n\r\n",
        );
        let response = client.read_response();
        assert_eq!(response.status, status, "{yaml}\n{response:?}");
        assert_eq!(response.header("connection"), Some("close"));
        if let Some(error) = error {
            assert!(told(&response).contains(error), "{response:?}");
        }
        assert_eq!(client.read_to_end(), b"");
        assert_eq!(gateway.wait_for_records(1).len(), 1);
    }
}

/// Bytes after a refused CONNECT were meant for the tunnel, and must not be read as a request.
#[test]
fn every_refusal_ends_the_connection() {
    let (dns, refused) = (DnsServer::with_a_example(), ClosedPort::start());
    dns.nxdomain("none.example");
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    for (authority, status) in [
        ("none.example:443".to_owned(), 502),
        ("10.0.0.1:443".to_owned(), 403),
        (format!("a.example:{}", refused.addr().port()), 502),
        ("a.example".to_owned(), 400),
    ] {
        let mut client = gateway.connect();
        let inner = "GET / HTTP/1.1\r\nhost: a.example\r\n\r\n";
        client.send_request(connect_request(&authority) + inner);
        let response = client.read_response();
        assert_eq!(response.status, status, "{authority}");
        assert_eq!(response.header("connection"), Some("close"));
        assert_eq!(client.read_to_end(), b"", "{authority}");
    }
    assert_eq!(gateway.wait_for_records(4).len(), 4);
}

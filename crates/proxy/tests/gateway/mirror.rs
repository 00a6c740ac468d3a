//! `RequestMirror`: copies of requests go to other backends, and nothing that becomes of them is seen by the client.

use std::sync::Mutex;
use std::sync::mpsc::sync_channel;

use egret_testkit::gateway::{documents, egress_policy, quickstart_config, traffic_policy};
use egret_testkit::upstream::raw::RawServer;
use egret_testkit::{ClosedPort, DnsServer, Gateway, Http2Client, Response, Upstream};
use http::Request;

/// A Static Backend of one loopback port.
fn backend(name: &str, port: u16) -> String {
    format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: {name}, namespace: kgateway-system}}
spec: {{type: Static, static: {{hosts: [{{host: 127.0.0.1, port: {port}}}]}}}}
"
    )
}

/// A filter that mirrors to this Backend, with further fields.
fn mirror(backend: &str, more: &str) -> String {
    format!(
        "{{type: RequestMirror, requestMirror: {{{more} backendRef: {{name: {backend}, group: gateway.kgateway.dev, kind: Backend}}}}}}"
    )
}

/// A route for `a.example` to the Backend `main`, with these filters.
fn route(filters: &[String]) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: mirrored, namespace: kgateway-system}}
spec:
  parentRefs: [{{name: http}}]
  hostnames: [a.example]
  rules:
  - matches: [{{path: {{type: PathPrefix, value: /old}}}}, {{path: {{type: PathPrefix, value: /}}}}]
    filters: [{}]
    backendRefs: [{{name: main, group: gateway.kgateway.dev, kind: Backend}}]
",
        filters.join(", ")
    )
}

fn start(dns: &DnsServer, parts: &[&str]) -> Gateway {
    let config = quickstart_config(dns.addr());
    let all: Vec<&str> = [&*config]
        .into_iter()
        .chain(parts.iter().copied())
        .collect();
    Gateway::start(&documents(&all))
}

/// The metric of copies with this result.
fn copies(result: &str) -> String {
    format!("egret_mirrored_requests_total{{result=\"{result}\"}}")
}

fn post(gateway: &Gateway, path: &str, body: &str) -> Response {
    let length = body.len();
    gateway.connect().request(format!(
        "POST {path} HTTP/1.1\r\nhost: a.example:8080\r\nx-remove: 1\r\ncontent-length: {length}\r\n\r\n{body}"
    ))
}

#[test]
fn every_mirror_gets_the_request_with_the_changes_of_the_rule() {
    let dns = DnsServer::start();
    let [main, one, two] = [(); 3].map(|()| Upstream::start());
    let edit = "{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-set, value: new}], remove: [x-remove]}}";
    let rewrite = "{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}}}";
    let filters = [
        mirror("one", ""),
        edit.to_owned(),
        rewrite.to_owned(),
        mirror("two", "percent: 100,"),
    ];
    let backends = [
        backend("main", main.port()),
        backend("one", one.port()),
        backend("two", two.port()),
    ];
    let [a, b, c] = &backends;
    let gateway = start(&dns, &[&route(&filters), a, b, c]);
    let response = post(&gateway, "/old/x?y=z", "the body");
    assert_eq!(response.status, 200);
    assert_eq!(response.json()["path"], "/new/x?y=z");
    let http2 = Http2Client::connect(gateway.address());
    let request = Request::post("http://a.example/old/x?y=z")
        .body(())
        .unwrap();
    assert_eq!(http2.request(request, b"the body").unwrap().status, 200);
    for server in [&one, &two] {
        server.wait_for_complete_requests(2);
        for (request, host) in server
            .requests()
            .iter()
            .zip(["a.example-shadow:8080", "a.example-shadow"])
        {
            assert_eq!(request.target, "/new/x?y=z");
            assert_eq!(request.header("host"), Some(host));
            assert_eq!(request.header("x-set"), Some("new"));
            assert_eq!(request.header("x-remove"), None);
            assert_eq!(request.body, b"the body");
        }
    }
    assert_eq!(main.requests().len(), 2);
    assert_eq!(main.requests()[0].header("host"), Some("a.example:8080"));
    gateway.wait_for_metric(&copies("answered"), 4.0);
    // The connections are used again.
    assert_eq!(post(&gateway, "/old", "").status, 200);
    one.wait_for_complete_requests(3);
    assert_eq!(gateway.wait_for_records(3).len(), 3);
}

#[test]
fn a_mirror_of_a_backend_gets_only_what_goes_there_with_its_changes() {
    let dns = DnsServer::start();
    let [main, other, all, one] = [(); 4].map(|()| Upstream::start());
    let edit =
        "{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-set, value: new}]}}";
    let rewrite = "{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}}}";
    let filters = format!("filters: [{edit}, {rewrite}, {}]", mirror("one", ""));
    let other_ref = "name: other, group: gateway.kgateway.dev, kind: Backend";
    let route = route(&[mirror("all", "")]).replace(
        "kind: Backend}]\n",
        &format!("kind: Backend, weight: 1, {filters}}}, {{{other_ref}}}]\n"),
    );
    let backends = [
        ("main", &main),
        ("other", &other),
        ("all", &all),
        ("one", &one),
    ];
    let backends = backends.map(|(name, server)| backend(name, server.port()));
    let [a, b, c, d] = &backends;
    let gateway = start(&dns, &[&route, a, b, c, d]);
    for _ in 0..32 {
        assert_eq!(post(&gateway, "/old/x", "the body").status, 200);
    }
    let chosen = main.requests().len();
    // Either has none of 32 requests once in two billion times.
    assert!((1..32).contains(&chosen), "{chosen}");
    all.wait_for_complete_requests(32);
    one.wait_for_complete_requests(chosen);
    assert_eq!(one.requests().len(), chosen);
    assert_eq!(other.requests().len(), 32 - chosen);
    for server in [&main, &one] {
        let request = &server.requests()[0];
        assert_eq!(request.target, "/new/x");
        assert_eq!(request.header("x-set"), Some("new"));
        assert_eq!(request.body, b"the body");
    }
    for server in [&other, &all] {
        let request = &server.requests()[0];
        assert_eq!(request.target, "/old/x");
        assert_eq!(request.header("x-set"), None);
    }
    // As many copies as there are have been answered, and no more are on their way.
    gateway.wait_for_metric(&copies("answered"), (32 + chosen) as f64);
}

#[test]
fn a_policy_says_which_host_the_copies_name() {
    let dns = DnsServer::start();
    let [main, one] = [(); 2].map(|()| Upstream::start());
    let backends = [backend("main", main.port()), backend("one", one.port())];
    let [a, b] = &backends;
    let route = route(&[mirror("one", "")]);
    for (count, (spec, host)) in [
        ("{disableShadowHostSuffixAppend: true}", "a.example:8080"),
        (
            "{disableShadowHostSuffixAppend: false}",
            "a.example-shadow:8080",
        ),
        ("{hostRewriteLiteral: 'B.example:81'}", "b.example:81"),
    ]
    .into_iter()
    .enumerate()
    {
        let policy = traffic_policy("mirrors", &format!("requestMirror: {spec}"));
        let gateway = start(&dns, &[&route, a, b, &policy]);
        assert_eq!(post(&gateway, "/", "").status, 200);
        one.wait_for_complete_requests(count + 1);
        assert_eq!(one.requests()[count].header("host"), Some(host), "{spec}");
    }
}

#[test]
fn what_becomes_of_a_copy_changes_nothing() {
    let dns = DnsServer::start();
    dns.nxdomain("missing.example");
    let main = Upstream::start();
    let (closed, silent) = (ClosedPort::start(), RawServer::silent());
    let resets = RawServer::reset_after_head();
    let missing = backend("missing", 80).replace("127.0.0.1", "missing.example");
    let metadata = backend("metadata", 80).replace("127.0.0.1", "169.254.169.254");
    let denied = backend("denied", silent.port()).replace("127.0.0.1", "denied.example");
    let names = [
        "closed", "silent", "resets", "missing", "metadata", "denied",
    ];
    let filters = names.map(|name| mirror(name, ""));
    let policy = egress_policy(
        "denied",
        "rules: [{name: no, action: Deny, hosts: [denied.example]}]",
    );
    let parts = [
        route(&filters),
        backend("main", main.port()),
        backend("closed", closed.addr().port()),
        backend("silent", silent.port()),
        backend("resets", resets.port()),
        missing,
        metadata,
        denied,
        policy,
    ];
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let gateway = start(&dns, &parts);
    let response = post(&gateway, "/", "the body");
    assert_eq!(response.status, 200);
    assert_eq!(main.requests()[0].body, b"the body");
    gateway.wait_for_metric(&copies("failed"), 3.0);
    gateway.wait_for_metric(&copies("refused"), 2.0);
    silent.wait_for_bytes("the body");
    assert_eq!(dns.lookups_for("denied.example"), 0);
    assert_eq!(gateway.metric(&copies("answered")), 0.0);
    // What the client asked for has an entry in the log, and copies have none.
    let records = gateway.wait_for_records(1);
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["status"], 200);
}

#[test]
fn an_upload_does_not_wait_for_its_copy() {
    // More than the buffers of a connection hold.
    const LENGTH: u64 = 32 << 20;
    let dns = DnsServer::start();
    let main = Upstream::start();
    // It takes the head and nothing more.
    let (release, held) = sync_channel::<()>(1);
    let held = Mutex::new(held);
    let slow = RawServer::start(move |connection| {
        connection.read_head();
        let _ = held.lock().expect("one connection").recv();
    });
    let backends = [backend("main", main.port()), backend("slow", slow.port())];
    let [a, b] = &backends;
    let gateway = start(&dns, &[&route(&[mirror("slow", "")]), a, b]);
    let mut client = gateway.connect();
    client.send(format!(
        "POST / HTTP/1.1\r\nhost: a.example\r\ncontent-length: {LENGTH}\r\n\r\n"
    ));
    client.send_body_of(LENGTH);
    assert_eq!(client.read_response().status, 200);
    assert_eq!(main.requests()[0].body_length, LENGTH);
    gateway.wait_for_metric(&copies("overflowed"), 1.0);
    drop(release);
}

#[test]
fn a_body_of_unknown_length_and_its_trailers_are_copied() {
    let dns = DnsServer::start();
    let [main, one] = [(); 2].map(|()| Upstream::start());
    let backends = [backend("main", main.port()), backend("one", one.port())];
    let [a, b] = &backends;
    let gateway = start(&dns, &[&route(&[mirror("one", "")]), a, b]);
    let mut client = gateway.connect();
    client.send(
        "POST / HTTP/1.1\r\nhost: a.example\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
    );
    // The copy goes on its way with the request, and not after it.
    one.wait_for_requests(1);
    client.send("2\r\nde\r\n0\r\nx-trailer: t\r\n\r\n");
    assert_eq!(client.read_response().status, 200);
    one.wait_for_complete_requests(1);
    let copy = &one.requests()[0];
    assert_eq!(copy.body, b"abcde");
    assert_eq!(copy.header("transfer-encoding"), Some("chunked"));
    // A client that breaks off leaves no whole copy.
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nhost: a.example\r\ncontent-length: 5\r\n\r\nab");
    one.wait_for_requests(2);
    drop(client);
    gateway.wait_for_metric(&copies("failed"), 1.0);
    assert!(!one.requests()[1].complete);
}

#[test]
fn only_requests_that_are_forwarded_are_copied() {
    let dns = DnsServer::start();
    dns.a("rewritten.example", ["127.0.0.1"], 60);
    let [main, one] = [(); 2].map(|()| Upstream::start());
    let backends = [backend("main", main.port()), backend("one", one.port())];
    let [a, b] = &backends;
    let acl = traffic_policy("none", "acl: {defaultAction: deny}");
    let route = route(&[mirror("one", "")]);
    let mut gateway = start(&dns, &[&route, a, b, &acl]);
    assert_eq!(post(&gateway, "/", "").status, 403);
    // Neither is an upgrade, although it is a request at first.
    gateway.apply(&documents(&[&quickstart_config(dns.addr()), &route, a, b]));
    let mut client = gateway.connect();
    let switched = client.request(
        "GET /upgrade HTTP/1.1\r\nhost: a.example\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    assert_eq!(switched.status, 101);
    assert_eq!(post(&gateway, "/last", "").status, 200);
    one.wait_for_complete_requests(1);
    assert_eq!(one.requests()[0].target, "/last");
    assert_eq!(one.requests().len(), 1);
}

#[test]
fn a_dynamic_mirror_goes_where_the_policy_says() {
    let dns = DnsServer::start();
    dns.a("recorder.example", ["127.0.0.1"], 60);
    let [main, one] = [(); 2].map(|()| Upstream::start());
    let recorder = format!("recorder.example:{}", one.port());
    let policy = traffic_policy(
        "mirrors",
        &format!("requestMirror: {{hostRewriteLiteral: '{recorder}'}}"),
    );
    let dynamic = "apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: any, namespace: kgateway-system}
spec: {dynamicForwardProxy: {}}
";
    let main_backend = backend("main", main.port());
    let route = route(&[mirror("any", "")]);
    let gateway = start(&dns, &[&route, &main_backend, dynamic, &policy]);
    assert_eq!(post(&gateway, "/", "the body").status, 200);
    one.wait_for_complete_requests(1);
    let copy = &one.requests()[0];
    assert_eq!(
        (copy.header("host"), &*copy.body),
        (Some(&*recorder), &b"the body"[..])
    );
}

#[test]
fn a_copy_is_asked_about_by_rbac_and_takes_nothing_from_limits() {
    let dns = DnsServer::start();
    let [main, one, two] = [(); 3].map(|()| Upstream::start());
    let backends = [
        backend("main", main.port()),
        backend("one", one.port()),
        backend("two", two.port()),
    ];
    let [a, b, c] = &backends;
    let rbac = format!(
        "rbac: {{action: Deny, policy: {{matchExpressions: ['egress.port == {}']}}}}",
        two.port()
    );
    let limit = "rateLimit: {local: {tokenBucket: {maxTokens: 2, fillInterval: 100s}}}";
    let policies = [traffic_policy("who", &rbac), traffic_policy("limit", limit)];
    let [who, limit] = &policies;
    let route = route(&[mirror("one", ""), mirror("two", "")]);
    let gateway = start(&dns, &[&route, a, b, c, who, limit]);
    for _ in 0..2 {
        assert_eq!(post(&gateway, "/", "").status, 200);
    }
    gateway.wait_for_metric(&copies("answered"), 2.0);
    gateway.wait_for_metric(&copies("refused"), 2.0);
    assert_eq!(post(&gateway, "/", "").status, 429);
    assert_eq!((one.requests().len(), two.requests().len()), (2, 0));
    // What is refused of copies is no refusal that a client got.
    assert_eq!(gateway.metric("egret_refusals_total{reason=\"rbac\"}"), 0.0);
}

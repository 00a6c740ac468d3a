//! `rbac` of a TrafficPolicy, in every form of request, and while tunnels are open.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use egret_testkit::client::connect_request;
use egret_testkit::gateway::{documents, egress_policy, quickstart_config, traffic_policy};
use egret_testkit::{DnsServer, Gateway, Http2Client, Response, Upstream};

struct TestSetup {
    gateway: Gateway,
    upstream: Upstream,
    dns: DnsServer,
}

/// A TrafficPolicy on the Gateway that has these expressions, each a scalar of YAML.
fn rbac(name: &str, action: &str, expressions: &[&str]) -> String {
    let items: String = expressions
        .iter()
        .map(|it| format!("      - {it:?}\n"))
        .collect();
    let lines =
        format!("rbac:\n    action: {action}\n    policy:\n      matchExpressions:\n{items}");
    traffic_policy(name, lines.trim_end())
}

impl TestSetup {
    fn new(policies: &[&str]) -> Self {
        let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
        dns.a("b.example", ["127.0.0.1"], 60);
        let config = quickstart_config(dns.addr());
        let gateway = Gateway::start(&documents(&[&[&*config], policies].concat()));
        Self {
            gateway,
            upstream,
            dns,
        }
    }

    fn authority(&self, host: &str) -> String {
        format!("{host}:{}", self.upstream.port())
    }

    fn ask(&self, start: &str, host: &str, fields: &str) -> Response {
        let request = format!("{start} HTTP/1.1\r\nhost: {host}\r\n{fields}\r\n");
        let mut client = self.gateway.connect();
        client.send_request(request);
        client.read_head()
    }
}

fn assert_denied(response: &Response) {
    assert_eq!(response.status, 403, "{response:?}");
    let status = response.header("proxy-status").unwrap();
    assert!(status.contains("error=http_request_denied"), "{status}");
    assert!(
        status.contains("denied by rbac of TrafficPolicy kgateway-system/who"),
        "{status}"
    );
}

/// The expressions of kgateway's own example.
#[test]
fn what_matches_is_let_through_and_the_rest_gets_403() {
    let expressions = [
        "request.headers['x-team'] == 'ops' && request.method in ['GET', 'HEAD']",
        "source.address.startsWith('10.')",
    ];
    let setup = TestSetup::new(&[&rbac("who", "Allow", &expressions)]);
    let host = setup.authority("a.example");
    let team = "x-team: ops\r\n";
    assert_eq!(setup.ask("GET /", &host, team).status, 200);
    assert_denied(&setup.ask("POST /", &host, &format!("{team}content-length: 0\r\n")));
    assert_denied(&setup.ask("GET /", &host, ""));
    let denied = setup.gateway.get(&setup.authority("c.example"), "/");
    assert_eq!(denied.text(), "RBAC: access denied");
    assert_eq!(setup.dns.lookups_for("c.example"), 0, "nobody is asked");

    let records = setup.gateway.wait_for_records(4);
    let record = &records[3];
    for (field, expected) in [
        ("reason", "rbac"),
        ("verdict", "deny"),
        ("policy", "kgateway-system/who"),
    ] {
        assert_eq!(record[field], expected, "{record}");
    }
    assert_eq!(record.get("rule"), None);
    let metric = "egret_refusals_total{reason=\"rbac\"}";
    assert!(setup.gateway.metric(metric) >= 3.0);
}

#[test]
fn every_form_of_request_is_asked_about() {
    let by_form = [
        "request.form == 'host' && egress.host == 'a.example' && egress.scheme == 'http'",
        "request.form == 'absolute' && egress.host == 'b.example'",
        "request.form == 'connect' && request.host.startsWith('a.example:') && egress.port != 443",
        "request.headers['upgrade'] == 'websocket'",
    ];
    let setup = TestSetup::new(&[&rbac("who", "Allow", &by_form)]);
    let (a, b) = (setup.authority("a.example"), setup.authority("b.example"));
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\n";
    for (start, host, fields, expected) in [
        ("GET /".to_owned(), &a, "", 200),
        ("GET /".to_owned(), &b, "", 403),
        (format!("GET http://{b}/"), &a, "", 200),
        (format!("GET http://{a}/"), &b, "", 403),
        (format!("CONNECT {a}"), &a, "", 200),
        (format!("CONNECT {b}"), &b, "", 403),
        ("GET /upgrade".to_owned(), &b, upgrade, 101),
    ] {
        let response = setup.ask(&start, host, fields);
        assert_eq!(response.status, expected, "{start} {host}: {response:?}");
    }
    let h2 = Http2Client::connect(setup.gateway.address());
    assert_eq!(h2.get(&format!("http://{a}/")).status, 200);
    assert_denied(&h2.get(&format!("http://{b}/")));
}

/// The path is that which rules compare, and the host is canonical, so that no spelling passes a denial.
#[test]
fn no_spelling_passes_a_denial() {
    let denied = [
        "request.url_path.startsWith('/admin')",
        "request.host == 'b.example' || request.headers.host == 'b.example'",
        "request.headers['x-none'] == 'x'",
    ];
    let setup = TestSetup::new(&[&rbac("who", "Deny", &denied)]);
    let a = setup.authority("a.example");
    assert_eq!(setup.ask("GET /", &a, "").status, 200);
    for path in ["/admin", "/%61dmin/x", "//x/../admin", "/x/../admin?y"] {
        assert_denied(&setup.ask(&format!("GET {path}"), &a, ""));
    }
    for host in ["b.example", "B.example", "b.EXAMPLE."] {
        assert_denied(&setup.ask("GET /", host, ""));
        assert_denied(&setup.ask(&format!("GET http://{host}/"), &a, ""));
    }
}

#[test]
fn without_expressions_everything_is_refused() {
    for action in ["Allow", "Deny"] {
        let policy = traffic_policy(
            "who",
            &format!("rbac: {{action: {action}, policy: {{matchExpressions: []}}}}"),
        );
        let setup = TestSetup::new(&[&policy]);
        assert_denied(&setup.ask("GET /", &setup.authority("a.example"), ""));
    }
}

/// Who authenticates is known to it, and who does not is asked for credentials first.
#[test]
fn it_comes_after_authentication_and_before_egress_policies() {
    let lines = "basicAuth: {users: ['ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=']}";
    let auth = traffic_policy("auth", lines);
    let who = rbac(
        "who",
        "Allow",
        &["source.user == 'ann' && request.path == '/'"],
    );
    let closed = egress_policy("closed", "defaultAction: Deny");
    let setup = TestSetup::new(&[&auth, &who, &closed]);
    let host = setup.authority("a.example");
    assert_eq!(setup.ask("GET /", &host, "").status, 401);
    let ann = "authorization: Basic YW5uOnNlY3JldA==\r\n";
    assert_denied(&setup.ask("GET /x", &host, ann));
    setup.ask("GET /", &host, ann);
    let record = &setup.gateway.wait_for_records(3)[2];
    assert_eq!(record["reason"], "egress_policy", "{record}");
}

#[test]
fn open_tunnels_are_judged_again_after_a_change() {
    let mut setup = TestSetup::new(&[&rbac("who", "Allow", &["request.form == 'connect'"])]);
    let config = quickstart_config(setup.dns.addr());
    let [a, b] = ["a.example", "b.example"].map(|host| setup.authority(host));
    let mut clients = [&a, &b].map(|authority| {
        let mut client = setup.gateway.connect();
        client.send_request(connect_request(authority));
        assert_eq!(client.read_head().status, 200);
        client
    });
    setup.gateway.wait_for_metric("egret_tunnels", 2.0);
    let only_a = rbac("who", "Allow", &["egress.host == 'a.example'"]);
    setup.gateway.apply(&documents(&[&config, &only_a]));
    assert!(clients[1].is_closed());
    assert_eq!(
        setup.gateway.wait_for_records(1)[0]["reason"],
        "policy_changed"
    );
    assert_eq!(clients[0].get("/", &a).status, 200);
}

/// The hosts of a static backend are asked about one by one.
#[test]
fn a_host_that_is_denied_is_passed_over() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("one.example", ["127.0.0.1"], 60);
    dns.a("two.example", ["127.0.0.1"], 60);
    let port = upstream.port();
    let config = quickstart_config(dns.addr()).replacen(
        "  type: DynamicForwardProxy\n  dynamicForwardProxy: {}",
        &format!(
            "  type: Static\n  static: {{hosts: [{{host: one.example, port: {port}}}, {{host: two.example, port: {port}}}]}}"
        ),
        1,
    );
    assert!(config.contains("one.example"), "{config}");
    let who = rbac("who", "Allow", &["egress.host == 'two.example'"]);
    let gateway = Gateway::start(&documents(&[&config, &who]));
    for _ in 0..4 {
        assert_eq!(gateway.get("shop.example", "/").status, 200);
    }
    assert_eq!(dns.lookups_for("one.example"), 0);
}

//! Requests that have something in common go to the same host (`ringHash`, `maglev`).

use std::collections::BTreeSet;

use egret_testkit::gateway::backend_config;
use egret_testkit::{DnsServer, Gateway, Response, Upstream};

struct TestSetup {
    gateway: Gateway,
    _upstreams: [Upstream; 3],
}

impl TestSetup {
    /// A gateway with a Static Backend of three hosts, and these hash policies.
    fn new(policies: &str) -> Self {
        let dns = DnsServer::start();
        let upstreams = ["a", "b", "c"].map(|name| Upstream::start().named(name));
        let hosts = upstreams.each_ref().map(|upstream| {
            let port = upstream.port();
            format!("{{host: 127.0.0.1, port: {port}}}")
        });
        let line = format!("loadBalancer: {{maglev: {{hashPolicies: [{policies}]}}}}");
        let fixed = format!("type: Static\n  static: {{hosts: [{}]}}", hosts.join(", "));
        let dynamic = "type: DynamicForwardProxy\n  dynamicForwardProxy: {}";
        let yaml = backend_config(dns.addr(), &line).replace(dynamic, &fixed);
        Self {
            gateway: Gateway::start_with_workers(&yaml, 2),
            _upstreams: upstreams,
        }
    }

    /// Sends a request with this field over a connection of its own.
    fn ask(&self, field: &str) -> Response {
        let mut client = self.gateway.connect();
        client.request(format!(
            "GET / HTTP/1.1\r\nhost: a.example\r\n{field}\r\n\r\n"
        ))
    }
}

fn host_of(response: &Response) -> String {
    assert_eq!(response.status, 200, "{response:?}");
    response.header("x-upstream").expect("a name").to_owned()
}

#[test]
fn a_header_leads_to_the_same_host_over_all_workers() {
    let setup = TestSetup::new("{header: {name: x-user}}");
    let mut all = BTreeSet::new();
    for user in 0..20 {
        let ask = || host_of(&setup.ask(&format!("x-user: {user}")));
        let first = ask();
        assert!((0..5).all(|_| ask() == first), "{user}");
        all.insert(first);
    }
    assert_eq!(all.len(), 3, "every host has users");
}

#[test]
fn a_cookie_is_given_and_leads_back() {
    let setup = TestSetup::new("{cookie: {name: sid, ttl: 10m, path: /}}");
    let first = setup.ask("x: y");
    let given = first.header("set-cookie").unwrap().to_owned();
    let (cookie, attributes) = given.split_once(';').unwrap();
    assert_eq!(attributes, " Max-Age=600; Path=/");
    for _ in 0..6 {
        let again = setup.ask(&format!("cookie: {cookie}"));
        assert_eq!(again.header("set-cookie"), None);
        assert_eq!(host_of(&again), host_of(&first));
    }
}

#[test]
fn a_client_keeps_its_host() {
    let setup = TestSetup::new("{sourceIP: {}}");
    let first = host_of(&setup.ask("x: y"));
    assert!((0..8).all(|_| host_of(&setup.ask("x: y")) == first));
}

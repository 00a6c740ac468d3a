//! `urlRewrite`, `autoHostRewrite` and `timeouts` of a TrafficPolicy.

use egret_testkit::gateway::{documents, egress_policy, quickstart_config, traffic_policy};
use egret_testkit::{DnsServer, Gateway, Upstream};

#[test]
fn a_path_is_rewritten_by_a_regular_expression_before_policies_see_it() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let rewrite =
        r"urlRewrite: {pathRegex: {pattern: '^/api/v(\d)/(.*)$', substitution: '/\2/\1'}}";
    let rules = egress_policy(
        "paths",
        "defaultAction: Deny\n  rules: [{action: Allow, hosts: [a.example], paths: [/users]}]",
    );
    let config = quickstart_config(dns.addr());
    let policy = traffic_policy("rewrite", rewrite);
    let gateway = Gateway::start(&documents(&[&config, &policy, &rules]));
    let host = format!("a.example:{}", upstream.port());
    assert_eq!(gateway.get(&host, "/api/v2/users?q=/api/v1/x").status, 200);
    assert_eq!(upstream.requests()[0].target, "/users/2?q=/api/v1/x");
    assert_eq!(gateway.get(&host, "/api/v2/admin").status, 403);
    assert_eq!(gateway.get(&host, "/users/3").status, 200);
    assert_eq!(upstream.requests()[1].target, "/users/3");
}

#[test]
fn a_static_backend_is_sent_its_own_host() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let config = quickstart_config(dns.addr()).replace(
        "  type: DynamicForwardProxy\n  dynamicForwardProxy: {}",
        &format!(
            "  static: {{hosts: [{{host: a.example, port: {}}}]}}",
            upstream.port()
        ),
    );
    assert!(config.contains("static:"));
    let own = format!("a.example:{}", upstream.port());
    for (policy, expected) in [
        (
            traffic_policy("host", "autoHostRewrite: true"),
            own.as_str(),
        ),
        (
            traffic_policy("host", "autoHostRewrite: false"),
            "shop.example",
        ),
    ] {
        let gateway = Gateway::start(&documents(&[&config, &policy]));
        let response = gateway.get("shop.example", "/");
        assert_eq!(response.status, 200, "{response:?}");
        let requests = upstream.requests();
        assert_eq!(requests.last().unwrap().headers["host"], expected);
    }
}

#[test]
fn limits_of_time_end_what_is_slow() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let host = format!("a.example:{}", upstream.port());
    let config = quickstart_config(dns.addr());
    for (limits, path, expected) in [
        ("{request: 50ms}", "/hang", 504),
        ("{streamIdle: 50ms}", "/hang", 504),
        // Something moves all the time.
        ("{streamIdle: 2s}", "/delay/100", 200),
        ("{request: 0s, streamIdle: 50ms}", "/hang", 504),
    ] {
        let policy = traffic_policy("limits", &format!("timeouts: {limits}"));
        let gateway = Gateway::start(&documents(&[&config, &policy]));
        assert_eq!(gateway.get(&host, path).status, expected, "{limits} {path}");
    }
}

//! Refusals by policies.

use egret_testkit::gateway::{
    LOOPBACK, QUICKSTART, documents, egress_policy, quickstart_config, resolver_policy,
};
use egret_testkit::{DnsServer, Gateway, Upstream};

use super::assert_refused;

#[test]
fn policies_decide_before_dns_and_say_which_rule() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("api.example", ["127.0.0.1"], 60);
    let port = upstream.port();
    let rules = format!(
        "defaultAction: Deny
  rules:
  - {{name: no-admin, action: Deny, hosts: [api.example], paths: [/admin]}}
  - {{name: partners, action: Allow, hosts: [api.example, '*.example.org'], ports: [{port}], methods: [GET]}}"
    );
    let policy = egress_policy("partners", &rules);
    let gateway = Gateway::start(&documents(&[&quickstart_config(dns.addr()), &policy]));
    let host = format!("api.example:{}", upstream.port());
    assert_eq!(gateway.get(&host, "/x").status, 200);
    for (host, target, why) in [
        (host.as_str(), "/admin", "rule no-admin"),
        (host.as_str(), "/x/../admin/y", "rule no-admin"),
        (host.as_str(), "/%2e/admin", "rule no-admin"),
        (
            "api.example:1",
            "/x",
            "no rule of EgressPolicy kgateway-system/partners allows it",
        ),
        (
            "other.example",
            "/",
            "no rule of EgressPolicy kgateway-system/partners allows it",
        ),
        (
            "example.org",
            "/",
            "no rule of EgressPolicy kgateway-system/partners allows it",
        ),
        (
            "127.0.0.1",
            "/",
            "no rule of EgressPolicy kgateway-system/partners allows it",
        ),
    ] {
        let response = gateway.get(host, target);
        assert_refused(&response, 403, "http_request_denied", host);
        assert!(
            response.text().contains(why),
            "{host}{target}: {}",
            response.text()
        );
    }
    assert_eq!(
        dns.queries_for("other.example") + dns.queries_for("example.org"),
        0
    );
    let records = gateway.wait_for_records(2);
    assert_eq!(records[0]["verdict"], "allow");
    assert_eq!(records[0]["rule"], "partners");
    assert_eq!(records[1]["verdict"], "deny");
    assert_eq!(records[1]["rule"], "no-admin");
    assert_eq!(records[1]["policy"], "kgateway-system/partners");
    assert_eq!(records[1]["reason"], "egress_policy");
    // Metrics have the same words.
    let words = |rule: &str| {
        format!(
            "listener=\"kgateway-system/http/http\",policy=\"kgateway-system/partners\",rule=\"{rule}\""
        )
    };
    for (series, rule, count) in [
        ("responses_total{code=\"200\"", "partners", 1.0),
        ("responses_total{code=\"403\"", "no-admin", 3.0),
        ("refusals_total{reason=\"egress_policy\"", "no-admin", 3.0),
    ] {
        gateway.wait_for_metric(&format!("egret_{series},{}}}", words(rule)), count);
    }
    assert_eq!(gateway.metric("egret_refusals_total{policy=\"x\"}"), 0.0);
}

#[test]
fn audit_serves_and_tells() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("api.example", ["127.0.0.1"], 60);
    let policy = &egress_policy(
        "trial",
        "mode: Audit
  defaultAction: Deny",
    );
    let gateway = Gateway::start(&documents(&[&quickstart_config(dns.addr()), policy]));
    assert_eq!(
        gateway
            .get(&format!("api.example:{}", upstream.port()), "/")
            .status,
        200
    );
    let record = &gateway.wait_for_records(1)[0];
    assert_eq!(
        (&record["verdict"], &record["policy"]),
        (&"audit".into(), &"kgateway-system/trial".into())
    );
    // The details are those of the denial that the request was spared.
    let details = format!(
        "api.example:{} is denied: no rule of EgressPolicy kgateway-system/trial allows it",
        upstream.port()
    );
    assert_eq!(record["details"], details);
    let audited = "egret_audited_total{listener=\"kgateway-system/http/http\",policy=\"kgateway-system/trial\"}";
    assert_eq!(gateway.metric(audited), 1.0);
    // The built-in list of addresses is not tested here.
    assert_eq!(gateway.get("10.0.0.1", "/").status, 403);
}

#[test]
fn a_policy_that_changes_binds_pooled_connections_too() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let mut gateway = Gateway::start(&quickstart_config(dns.addr()));
    let mut client = gateway.connect();
    let host = format!("a.example:{}", upstream.port());
    assert_eq!(client.get("/", &host).status, 200);
    gateway.apply(&documents(&[QUICKSTART, &resolver_policy(dns.addr(), "")]));
    assert_refused(
        &client.get("/", &host),
        403,
        "destination_ip_prohibited",
        "after the exception is gone",
    );
    gateway.apply(&documents(&[
        QUICKSTART,
        LOOPBACK,
        &resolver_policy(dns.addr(), ""),
    ]));
    assert_eq!(client.get("/", &host).status, 200);
    assert_eq!(upstream.requests().len(), 2);
}

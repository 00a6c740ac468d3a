//! `GET /refusals`: what was refused, and the remedy.

use egret_testkit::gateway::{documents, egress_policy, quickstart_config};
use egret_testkit::{DnsServer, Gateway, Upstream};

use super::{assert_nonsense, json};

#[test]
fn a_remedy_lets_through_what_was_refused() {
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("ledger.example", ["127.0.0.1"], 60);
    let base = quickstart_config(dns.addr());
    let policy = egress_policy(
        "partners",
        "defaultAction: Deny
  rules:
  - {name: no-mail, action: Deny, ports: [25]}
  - {action: Allow, hosts: [other.example]}",
    );
    let mut gateway = Gateway::start(&documents(&[&base, &policy]));
    let host = format!("ledger.example:{}", upstream.port());
    for _ in 0..3 {
        assert_eq!(gateway.get(&host, "/?token=secret").status, 403);
    }
    assert_eq!(gateway.get("mail.example:25", "/").status, 403);
    assert_eq!(gateway.get("gone.other.example:1", "/").status, 403);
    gateway.wait_for_metric(
        "egret_destination_errors_total{destination=\"gone.other.example\"}",
        1.0,
    );
    let listed = json(&gateway, "/refusals");
    let hosts: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["host"])
        .collect();
    assert_eq!(
        hosts,
        ["gone.other.example", "mail.example", "ledger.example"]
    );
    let (by_rule, by_default) = (&listed[1], &listed[2]);
    assert_eq!(by_rule["rule"], "no-mail");
    assert_eq!(
        by_default["policy"],
        "EgressPolicy kgateway-system/partners"
    );
    assert_eq!(
        (&by_default["rule"], &by_default["count"]),
        (&"".into(), &3.into())
    );
    assert_eq!(by_default["reason"], "egress_policy");
    assert_eq!(by_default["method"], "GET");
    let message = by_default["message"].as_str().unwrap();
    assert!(
        message.ends_with("is denied: no rule of EgressPolicy kgateway-system/partners allows it"),
        "{message}"
    );
    assert!(!listed.to_string().contains("secret"));

    let remedy = by_default["remedy"].as_str().unwrap();
    assert!(remedy.starts_with(&format!("# {message}; ")), "{remedy}");
    gateway.apply(&documents(&[&base, remedy]));
    assert_eq!(gateway.get(&host, "/").status, 200);
    assert_eq!(gateway.get("mail.example:25", "/").status, 403);
    // It is there now.
    let again = json(&gateway, "/refusals?host=ledger.example");
    assert_eq!(again[0]["remedy"], "");
    for query in ["sort=requests", "limit=x", "host=%20"] {
        assert_nonsense(&gateway.ask(&format!("/refusals?{query}")));
    }
}

#[test]
fn what_no_rule_by_name_denies_has_no_remedy() {
    let dns = DnsServer::start();
    dns.a("inside.example", ["10.1.2.3"], 60);
    let gateway = Gateway::start(&quickstart_config(dns.addr()));
    assert_eq!(gateway.get("inside.example", "/").status, 403);
    assert_eq!(gateway.get("nowhere.example", "/").status, 502);
    gateway.wait_for_metric(
        "egret_destination_errors_total{destination=\"nowhere.example\"}",
        1.0,
    );
    let listed = json(&gateway, "/refusals");
    let told: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|one| ["host", "reason", "remedy"].map(|field| one[field].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            ["nowhere.example", "dns_error", ""],
            ["inside.example", "address_denied", ""]
        ]
    );
}

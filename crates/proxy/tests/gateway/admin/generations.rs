//! `GET /generations`: what changed in the configuration.

use egret_testkit::gateway::{documents, egress_policy, quickstart_config};
use egret_testkit::{DnsServer, Gateway};

use super::json;

#[test]
fn every_change_is_listed_with_the_objects_before_and_after() {
    let dns = DnsServer::start();
    let base = quickstart_config(dns.addr());
    let closed = egress_policy("names", "defaultAction: Deny");
    let open = egress_policy("names", "defaultAction: Allow");
    let mut gateway = Gateway::start(&documents(&[&base, &closed]));
    gateway.apply(&documents(&[&base, &open]));
    gateway.apply(&base);
    let listed = json(&gateway, "/generations");
    let numbers: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["number"])
        .collect();
    assert_eq!(numbers, [3, 2, 1]);
    let policy = "EgressPolicy kgateway-system/names";
    assert_eq!(listed[0]["removed"], serde_json::json!([policy]));
    let changed = &listed[1]["changed"][0];
    assert_eq!(changed["object"], policy);
    assert!(
        changed["before"]
            .as_str()
            .unwrap()
            .contains("defaultAction: Deny")
    );
    assert!(
        changed["after"]
            .as_str()
            .unwrap()
            .contains("defaultAction: Allow")
    );
    let first = listed[2]["added"].as_array().unwrap();
    assert!(
        first
            .iter()
            .any(|one| one == "Gateway kgateway-system/http"),
        "{first:?}"
    );
}

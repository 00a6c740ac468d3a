//! Rules of EgressPolicies for users and owners of API keys.

use egret_testkit::Gateway;
use egret_testkit::gateway::{
    QUICKSTART, documents, egress_policy, resolver_policy, traffic_policy,
};
use egret_testkit::upstream::raw::RawServer;

use super::forms::forms;
use super::{ANN, TestSetup, connect, head};

/// The credentials bob:secret.
const BOB: &str = "Basic Ym9iOnNlY3JldA==";

/// Admits ann and bob with the password `secret`.
const BOTH: &str = "basicAuth: {users: ['ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=', 'bob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=']}";

/// Allows a.example to the users `ann…`.
const FOR_ANN: &str = "defaultAction: Deny
  rules:
  - {name: hers, action: Allow, hosts: [a.example], clients: [{user: 'ann*'}, {source: 10.0.0.0/8}]}";

#[test]
fn a_rule_is_for_its_users_in_every_form() {
    let setup = TestSetup::new(BOTH, &[&egress_policy("users", FOR_ANN)]);
    let mut count = 0;
    for form in forms(&setup) {
        let name = form.name;
        for (credentials, user, rule) in [(ANN, "ann", Some("hers")), (BOB, "bob", None)] {
            let status = (form.send)(&[(form.field, credentials)]).status;
            assert_eq!(status == 200, rule.is_some(), "{name} {user}: {status}");
            count += 1;
            let record = setup.record(count);
            assert_eq!(record["user"], user, "{name}");
            assert_eq!(record["rule"].as_str(), rule, "{name}");
            if rule.is_none() {
                assert_eq!(record["reason"], "egress_policy", "{name}");
                assert_eq!(status, 403, "{name}");
            }
        }
    }
    // bob was refused before DNS, and ann's requests share one lookup.
    assert_eq!(setup.dns.lookups_for("a.example"), 1);
}

#[test]
fn a_rule_is_for_the_owner_of_a_key() {
    let key = "apiKeyAuth: {secretRef: {name: keys}}";
    let secret = "apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: kgateway-system}
stringData: {ann-ci: k-123, bob: k-456}
";
    let policy = egress_policy("users", FOR_ANN);
    let setup = TestSetup::new(key, &[&policy, secret]);
    for (key, status) in [("k-123", 200), ("k-456", 403)] {
        let fields = [("api-key", key)];
        let request = head("GET /x HTTP/1.1", &setup.authority(), &fields);
        let response = setup.gateway.connect().request(request);
        assert_eq!(response.status, status, "{response:?}");
    }
}

/// The configuration in which ann may reach a.example inside, and bob may name it.
fn inside(setup: &egret_testkit::DnsServer, user: &str) -> String {
    let policy = egress_policy(
        "clients",
        &format!(
            "defaultAction: Deny
  rules:
  - {{name: hers, action: Allow, hosts: [a.example], clients: [{{user: {user}}}], addresses: [127.0.0.1]}}
  - {{name: all, action: Allow, hosts: [a.example]}}"
        ),
    );
    documents(&[
        QUICKSTART,
        &resolver_policy(setup.addr(), ""),
        &traffic_policy("auth", BOTH),
        &policy,
    ])
}

/// A connection that one client's rule allowed is not for another client.
#[test]
fn a_pooled_connection_is_for_those_who_may_have_it() {
    let setup = TestSetup::new(BOTH, &[]);
    let gateway = Gateway::start(&inside(&setup.dns, "ann"));
    let ask = |credentials| {
        let fields = [("authorization", credentials)];
        let request = head("GET /x HTTP/1.1", &setup.authority(), &fields);
        gateway.connect().request(request)
    };
    for _ in 0..2 {
        assert_eq!(ask(ANN).status, 200);
        let refused = ask(BOB);
        assert_eq!(refused.status, 403);
        let told = refused.header("proxy-status").unwrap();
        assert!(told.contains("destination_ip_prohibited"), "{told}");
    }
    assert_eq!(setup.upstream.connections(), 1);
    assert_eq!(setup.upstream.requests().len(), 2);
}

/// A tunnel that a rule for its user allowed ends with the rule, and with the rule's exception.
#[test]
fn an_open_tunnel_is_judged_again_by_its_user() {
    let setup = TestSetup::new(BOTH, &[]);
    let server = RawServer::echo();
    let at = format!("a.example:{}", server.port());
    let mut gateway = Gateway::start(&inside(&setup.dns, "ann"));
    let mut tunnel = gateway.connect();
    let request = connect(&at, &[("proxy-authorization", ANN)]);
    assert_eq!(tunnel.request(request).status, 200);
    gateway.wait_for_metric("egret_tunnels", 1.0);
    let other = inside(&setup.dns, "ann").replace("name: all", "name: everybody");
    gateway.apply(&other);
    tunnel.send("still");
    assert_eq!(tunnel.read_exactly(5), b"still");
    gateway.apply(&inside(&setup.dns, "bob"));
    assert!(tunnel.is_closed());
    assert_eq!(gateway.wait_for_records(1)[0]["reason"], "policy_changed");
}

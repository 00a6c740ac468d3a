//! Rules for some clients, exceptions for the names of a rule, names of rules, and what is warned of.

use super::{policy, problems, targets, tunnel, two_rules, warnings, with_base};
use crate::compile::tests::CompiledConfig;
use crate::name::Port;
use crate::policy::egress::{EgressClient, EgressRequest, EgressSni};

/// A policy on the Gateway with these lines in its spec.
fn on_gateway(lines: &str) -> CompiledConfig {
    let text = policy(
        "p",
        "infra",
        &format!("{}{lines}", targets("{Gateway: gw}")),
    );
    with_base(&format!("{text}{}", two_rules()))
}

#[test]
fn clients_and_addresses_of_a_rule_are_compiled() {
    let compiled = on_gateway(
        "  defaultAction: Deny\n  sni: MustMatch\n  rules:\n  - name: inside\n    action: Allow\n    \
         hosts: [ledger.example]\n    clients: [{user: 'ci-*'}, {certificate: 'spiffe://prod/api'}, \
         {certificate: 'CN=api'}, {source: 10.1.0.0/16}]\n    addresses: [10.1.2.3]\n",
    );
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    assert_eq!(warnings(&compiled), Vec::<String>::new());
    let egress = super::egress(&compiled, "/");
    assert_eq!(egress.policies[0].sni, EgressSni::MustMatch);
    let json = serde_json::to_value(&*egress.policies[0]).unwrap();
    assert_eq!(
        json["rules"][0]["clients"],
        serde_json::json!([
            {"user": "ci-*"}, {"certificate": "spiffe://prod/api"}, {"certificate": "CN=api"},
            {"source": "10.1.0.0/16"},
        ])
    );
    let host = "ledger.example".parse().unwrap();
    for (user, expected) in [(Some("ci-1"), true), (Some("dev"), false), (None, false)] {
        let client = EgressClient {
            user,
            ..EgressClient::default()
        };
        let attempt = EgressRequest {
            client,
            ..tunnel(&host, Port::HTTPS)
        };
        let allowed = egress.check_address([10, 1, 2, 3].into(), attempt);
        assert_eq!(allowed.is_ok(), expected, "{user:?}");
    }
}

#[test]
fn a_client_has_one_property_that_can_be_compared() {
    for (clients, field, message) in [
        ("[]", "clients", "empty"),
        ("[{}]", "clients[0]", "exactly one of"),
        (
            "[{user: a, source: 10.0.0.1}]",
            "clients[0]",
            "exactly one of",
        ),
        ("[{user: a}, {user: 'a*b'}]", "clients[1]", "user: '*'"),
        ("[{user: ''}]", "clients[0]", "user: empty"),
        (
            "[{certificate: 'a b'}]",
            "clients[0]",
            "certificate: not a name",
        ),
        (
            "[{certificate: 'XX=a'}]",
            "clients[0]",
            "certificate: XX is no attribute",
        ),
        (
            "[{source: a.example}]",
            "clients[0]",
            "source: not an IP address",
        ),
    ] {
        let compiled = on_gateway(&format!(
            "  rules: [{{action: Allow, clients: {clients}}}]\n"
        ));
        let expected = format!("EgressPolicy infra/p: spec.rules[0].{field}: {message}");
        let problems = problems(&compiled);
        assert!(
            problems.iter().any(|problem| problem.contains(&expected)),
            "{expected}: {problems:?}"
        );
    }
}

#[test]
fn exceptions_of_a_rule_are_for_rules_that_allow_in_policies_on_gateways() {
    let rule = |action: &str| {
        format!("  rules: [{{action: {action}, hosts: [a.b], addresses: [10.0.0.0/8]}}]\n")
    };
    let denying = on_gateway(&rule("Deny"));
    let expected = "EgressPolicy infra/p: spec.rules[0].addresses: exceptions to the built-in deny list are only allowed in a rule";
    assert!(problems(&denying)[0].contains(expected));
    let text = policy(
        "p",
        "apps",
        &format!("{}{}", targets("{HTTPRoute: r}"), rule("Allow")),
    );
    let on_route = with_base(&format!("{text}{}", two_rules()));
    let expected = "EgressPolicy apps/p: spec.rules[0].addresses: exceptions to the built-in deny list are only allowed in a policy on a Gateway";
    assert!(problems(&on_route)[0].contains(expected));
    let audited = on_gateway(&format!("  mode: Audit\n{}", rule("Allow")));
    let expected = "spec.rules[0].addresses: has no effect in mode Audit";
    assert!(warnings(&audited)[0].contains(expected));
}

#[test]
fn exceptions_for_every_name_are_warned_of() {
    for (lines, expected) in [
        (
            "  addresses: {allow: [10.0.0.0/8]}\n",
            Some("spec.addresses.allow: opens these addresses to every name"),
        ),
        (
            "  defaultAction: Deny\n  addresses: {allow: [10.0.0.0/8]}\n",
            None,
        ),
        (
            "  rules: [{action: Allow, addresses: [10.0.0.0/8]}]\n",
            Some("spec.rules[0].addresses: opens these addresses to every name"),
        ),
        (
            "  rules: [{action: Allow, hosts: [a.b], addresses: [10.0.0.0/8]}]\n",
            None,
        ),
    ] {
        let compiled = on_gateway(lines);
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        let warnings = warnings(&compiled);
        assert_eq!(warnings.len(), usize::from(expected.is_some()), "{lines}");
        if let Some(expected) = expected {
            assert!(warnings[0].contains(expected), "{warnings:?}");
        }
    }
}

#[test]
fn a_denial_of_proven_clients_is_warned_of() {
    for (clients, expected) in [
        ("{user: intern}", 1),
        ("{certificate: CN=intern}", 1),
        ("{source: 10.0.0.0/8}", 0),
    ] {
        let rule =
            |action: &str| format!("  rules: [{{action: {action}, clients: [{clients}]}}]\n");
        let warnings = warnings(&on_gateway(&rule("Deny")));
        assert_eq!(warnings.len(), expected, "{warnings:?}");
        let about = "EgressPolicy infra/p: spec.rules[0].clients: denies only who proves";
        assert!(warnings.iter().all(|warning| warning.contains(about)));
        let allowing = on_gateway(&rule("Allow"));
        assert!(super::warnings(&allowing).is_empty());
    }
}

#[test]
fn the_name_of_a_rule_can_stand_in_a_status_line() {
    for (name, is_valid) in [
        ("partners", true),
        ("our partners (2)", true),
        ("\"\"", false),
        ("\" a\"", false),
        ("\"a\\tb\"", false),
        ("\"a\\r\\nb\"", false),
        ("k\u{e4}se", false),
        (&*"x".repeat(100), true),
        (&*"x".repeat(101), false),
    ] {
        let compiled = on_gateway(&format!("  rules: [{{name: {name}, action: Allow}}]\n"));
        assert_eq!(compiled.report.accepted(), is_valid, "{name}");
        if !is_valid {
            let problems = problems(&compiled);
            let expected = "EgressPolicy infra/p: spec.rules[0].name: ";
            assert!(problems[0].contains(expected), "{problems:?}");
        }
    }
}

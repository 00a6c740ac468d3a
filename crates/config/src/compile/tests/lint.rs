//! Warnings about what is valid and probably not what was meant.

use super::policy::policy;
use super::{
    BASE, CompiledConfig, GATEWAY, ROUTE, TO_DFP, kgateway_policy, route, run, with_route,
};
use crate::resources::Kind;

fn egress(name: &str, namespace: &str, target: &str, spec: &str) -> String {
    policy(
        name,
        namespace,
        &format!("  targetRefs: [{target}]\n  {spec}\n"),
    )
}

/// The warnings of EgressPolicies, each as field and message.
fn of_policies(compiled: &CompiledConfig) -> Vec<String> {
    let warnings = compiled.report.warnings.iter();
    let of_policies = warnings.filter(|warning| {
        let object = warning.object.as_ref();
        // Another warning tells what tunnels mean for a rule with methods or paths.
        let is_about_tunnels = warning.message.contains("inside a tunnel");
        !is_about_tunnels && object.is_some_and(|object| object.kind == Kind::EgressPolicy)
    });
    of_policies
        .map(|warning| format!("{}: {}", warning.field, warning.message))
        .collect()
}

#[test]
fn a_rule_that_is_never_used_is_told() {
    let everything = "never used: the rule rule-0 before it takes everything";
    let all = "never used: the rule rule-0 before it takes all that this one would";
    for (earlier, later, expected) in [
        ("", "hosts: [a.test]", Some(everything)),
        ("", "", Some(everything)),
        ("hosts: [a.test]", "", None),
        (
            "hosts: ['*.test']",
            "hosts: [a.test, '*.b.test']",
            Some(all),
        ),
        ("hosts: ['*.test']", "hosts: [a.test, test]", None),
        ("hosts: [192.0.2.0/24]", "hosts: [192.0.2.7]", Some(all)),
        (
            "ports: ['1-100']",
            "ports: [80], hosts: [a.test]",
            Some(all),
        ),
        ("ports: [80]", "ports: ['1-100']", None),
        ("methods: [GET, POST]", "methods: [GET]", Some(all)),
        ("methods: [GET]", "methods: [GET, POST]", None),
        ("paths: [/v1]", "paths: [/v1/x]", Some(all)),
        ("paths: [/v1]", "paths: [/v12]", None),
        ("clients: [{user: a}]", "hosts: [a.test]", None),
        (
            "clients: [{user: a}]",
            "clients: [{user: a}], hosts: [a.test]",
            Some(all),
        ),
    ] {
        let rule = |conditions: &str| format!("{{action: Allow, {conditions}}}");
        let spec = format!("rules: [{}, {}]", rule(earlier), rule(later));
        let compiled = with_route(&egress("p", "infra", GATEWAY, &spec));
        let expected = expected.map(|message| format!("spec.rules[1]: {message}"));
        assert_eq!(
            of_policies(&compiled),
            Vec::from_iter(expected),
            "{earlier} {later}"
        );
    }
}

#[test]
fn names_networks_and_host_bits_are_told() {
    for (spec, expected) in [
        (
            "rules: [{name: a, action: Allow, ports: [1]}, {name: a, action: Allow, ports: [2]}]",
            &["spec.rules[1].name: rules[0] has this name too"][..],
        ),
        (
            "rules: [{name: rule-1, action: Allow, ports: [1]}, {action: Allow, ports: [2]}]",
            &["spec.rules[1].name: rules[0] has this name too"],
        ),
        (
            "rules: [{action: Deny, hosts: [a.test, 203.0.113.0/24]}]",
            &["spec.rules[0].hosts[1]: denies requests that name such an address"],
        ),
        (
            "rules: [{action: Deny, hosts: [203.0.113.7]}]\n  addresses: {deny: [203.0.113.0/24]}",
            &[],
        ),
        ("rules: [{action: Allow, hosts: [203.0.113.0/24]}]", &[]),
        (
            "addresses: {deny: [203.0.113.7/24, 203.0.113.7, 203.0.113.7/32]}",
            &["spec.addresses.deny[0]: 203.0.113.7/24 has host bits: it is read as 203.0.113.0/24"],
        ),
        (
            "rules: [{action: Allow, hosts: ['2001:db8::1/32'], clients: [{source: 192.0.2.1/8}]}]",
            &[
                "spec.rules[0].hosts[0]: 2001:db8::1/32 has",
                "spec.rules[0].clients[0].source: 192.0.2.1/8 has",
            ],
        ),
    ] {
        let compiled = with_route(&egress("p", "infra", GATEWAY, spec));
        let told = of_policies(&compiled);
        assert_eq!(told.len(), expected.len(), "{spec}: {told:?}");
        for expected in expected {
            assert!(
                told.iter().any(|line| line.starts_with(expected)),
                "{spec}: {told:?}"
            );
        }
    }
}

#[test]
fn two_allow_lists_without_anything_in_common_are_told() {
    let allow = |hosts: &str| format!("defaultAction: Deny\n  rules: [{{action: Allow, {hosts}}}]");
    let nothing = "spec.defaultAction: EgressPolicy infra/wide denies by default too, and neither allows what the \
                   other allows: nothing is left for HTTPRoute apps/r";
    for (wide, narrow, expected) in [
        ("hosts: [a.test]", "hosts: [b.test]", Some(nothing)),
        ("hosts: ['*.test']", "hosts: [b.test]", None),
        (
            "ports: [443]",
            "hosts: [b.test], ports: [80]",
            Some(nothing),
        ),
        ("ports: [443]", "hosts: [b.test]", None),
        ("hosts: [192.0.2.0/24]", "hosts: [192.0.2.7]", None),
        ("hosts: [192.0.2.0/24]", "hosts: [a.test]", Some(nothing)),
    ] {
        let text = egress("wide", "infra", GATEWAY, &allow(wide))
            + &egress("narrow", "apps", ROUTE, &allow(narrow));
        let told = of_policies(&with_route(&text));
        assert_eq!(
            told,
            Vec::from_iter(expected.map(str::to_owned)),
            "{wide} {narrow}"
        );
        let audited = text.replacen("defaultAction", "mode: Audit\n  defaultAction", 1);
        assert_eq!(of_policies(&with_route(&audited)), [""; 0]);
    }
}

#[test]
fn addresses_that_are_allowed_and_stay_denied_are_told() {
    let denied = |host: usize, class: &str| {
        format!(
            "spec.rules[0].hosts[{host}]: such an address is {class} and stays denied: addresses.allow of an EgressPolicy \
             on the Gateway opens it"
        )
    };
    for (spec, expected) in [
        (
            "rules: [{action: Allow, hosts: [8.8.8.8, 10.0.0.0/8]}]",
            vec![denied(1, "private")],
        ),
        (
            "rules: [{action: Allow, hosts: ['fc00::/7', 169.254.169.254], addresses: [169.254.169.254]}]",
            vec![denied(0, "unique local"), denied(1, "link-local")],
        ),
        (
            "mode: Audit\n  rules: [{action: Allow, hosts: [10.1.2.3]}]\n  defaultAction: Deny",
            vec![denied(0, "private")],
        ),
        (
            "defaultAction: Deny\n  rules: [{action: Allow, hosts: [10.0.0.0/8]}]\n  addresses: {allow: [10.1.2.3]}",
            vec![],
        ),
        // Most of these are public.
        (
            "rules: [{action: Allow, hosts: [0.0.0.0/0, 8.0.0.0/6]}]",
            vec![],
        ),
    ] {
        let told = of_policies(&with_route(&egress("p", "infra", GATEWAY, spec)));
        assert_eq!(told, expected, "{spec}");
    }
    // The exception of another policy holds too.
    let text = egress(
        "opens",
        "infra",
        GATEWAY,
        "defaultAction: Deny\n  rules: [{action: Allow, ports: [80]}]\n  addresses: {allow: [10.0.0.0/8]}",
    ) + &egress(
        "p",
        "apps",
        ROUTE,
        "rules: [{action: Allow, hosts: [10.1.2.3]}]",
    );
    assert_eq!(of_policies(&with_route(&text)), [""; 0]);
}

#[test]
fn an_open_proxy_is_told() {
    let is_open = |compiled: &CompiledConfig| {
        let mut warnings = compiled.report.warnings.iter();
        warnings.any(|warning| {
            warning
                .to_string()
                .starts_with("t.yaml:7: Gateway infra/gw: spec.listeners[0]: an open proxy: ")
        })
    };
    assert!(is_open(&with_route("")));
    let rules = route(&format!("  rules:\n  - {TO_DFP}\n"));
    let at = |address: &str| {
        let addresses = format!("  addresses: [{{value: {address:?}}}]\n  listeners:\n");
        run(&format!(
            "{}{rules}",
            BASE.replace("  listeners:\n", &addresses)
        ))
    };
    let at_line = |compiled: &CompiledConfig| {
        let mut warnings = compiled.report.warnings.iter();
        warnings.any(|warning| warning.message.starts_with("an open proxy"))
    };
    assert!(at_line(&at("0.0.0.0")) && at_line(&at("::")));
    assert!(!at_line(&at("127.0.0.1")));
    for limit in [
        egress("p", "infra", GATEWAY, "mode: Audit"),
        egress("p", "apps", ROUTE, "defaultAction: Deny"),
        kgateway_policy(
            "TrafficPolicy",
            "p",
            "infra",
            &format!(
                "  targetRefs: [{GATEWAY}]\n  basicAuth: {{users: ['a:{{SHA}}qUqP5cyxm6YcTAhz05Hph5gvu9M=']}}\n"
            ),
        ),
    ] {
        assert!(!is_open(&with_route(&limit)), "{limit}");
    }
    // A route to fixed hosts only is no proxy for everywhere.
    let fixed = rules.replace("name: dfp}", "name: fixed}");
    let backend = "---\napiVersion: gateway.kgateway.dev/v1alpha1\nkind: Backend\n\
                   metadata: {name: fixed, namespace: apps}\nspec: {static: {hosts: [{host: a.test, port: 80}]}}\n";
    assert!(!is_open(&run(&format!("{BASE}{backend}{fixed}"))));
}

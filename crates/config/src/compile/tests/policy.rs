//! EgressPolicies.

use super::{CompiledConfig, TO_DFP, condition, get, problems, route, rule, warnings, with_base};
use crate::name::{Host, Port};
use crate::policy::egress::{EgressAction, EgressClient, EgressPolicySet, EgressRequest};
use crate::route::normalize_path;
use crate::snapshot::RuleAction;
use std::sync::Arc;

mod conditional;
mod fine;
mod target;

pub(super) fn policy(name: &str, namespace: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: egret.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec:\n{spec}"
    )
}

fn targets(list: &str) -> String {
    let list = list
        .replace(
            "Gateway",
            "group: gateway.networking.k8s.io, kind: Gateway, name",
        )
        .replace(
            "TLSRoute",
            "group: gateway.networking.k8s.io, kind: TLSRoute, name",
        )
        .replace(
            "HTTPRoute",
            "group: gateway.networking.k8s.io, kind: HTTPRoute, name",
        )
        .replace(
            "Backend",
            "group: gateway.kgateway.dev, kind: Backend, name",
        );
    format!("  targetRefs: [{list}]\n")
}

fn two_rules() -> String {
    route(&format!(
        "  rules:\n  - name: main\n    {TO_DFP}\n  - name: side\n    matches: [{{path: {{value: /side}}}}]\n    {TO_DFP}\n"
    ))
}

fn egress(compiled: &CompiledConfig, path: &str) -> Arc<EgressPolicySet> {
    let rule = rule(compiled, 8080, "a.b", path).unwrap();
    let RuleAction::Forward(backends) = &rule.action else {
        panic!("not forwarded: {:?}", rule.action);
    };
    backends.backends[0].egress.clone()
}

/// A tunnel to this host and port, of a client that proved nothing.
fn tunnel(host: &Host, port: Port) -> EgressRequest<'_> {
    EgressRequest {
        host,
        port,
        request: None,
        client: EgressClient::default(),
        is_open: false,
        asked: None,
        now: 0,
    }
}

fn names(egress: &EgressPolicySet) -> Vec<&str> {
    egress
        .policies
        .iter()
        .map(|rules| &*rules.policy.name)
        .collect()
}

#[test]
fn policies_apply_widest_first() {
    let text = [
        policy("e-backend", "apps", &targets("{Backend: dfp}")),
        policy(
            "d-rule",
            "apps",
            &targets("{HTTPRoute: r, sectionName: main}"),
        ),
        policy("c-route", "apps", &targets("{HTTPRoute: r}")),
        policy(
            "b-listener",
            "infra",
            &targets("{Gateway: gw, sectionName: http}"),
        ),
        policy("z-gateway", "infra", &targets("{Gateway: gw}")),
        policy("a-gateway", "infra", &targets("{Gateway: gw}")),
        two_rules(),
    ];
    let compiled = with_base(&text.concat());
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let main = egress(&compiled, "/");
    assert_eq!(
        names(&main),
        [
            "a-gateway",
            "z-gateway",
            "b-listener",
            "c-route",
            "d-rule",
            "e-backend"
        ]
    );
    let side = egress(&compiled, "/side");
    assert_eq!(
        names(&side),
        [
            "a-gateway",
            "z-gateway",
            "b-listener",
            "c-route",
            "e-backend"
        ]
    );
    assert!(
        condition(
            &compiled,
            "EgressPolicy apps/d-rule#Gateway infra/gw",
            "Attached"
        )
        .starts_with("true Attached")
    );
}

#[test]
fn equal_lists_of_policies_are_one_value() {
    let compiled = with_base(&format!(
        "{}{}",
        policy("p", "infra", &targets("{Gateway: gw}")),
        two_rules()
    ));
    assert!(Arc::ptr_eq(
        &egress(&compiled, "/"),
        &egress(&compiled, "/side")
    ));
}

#[test]
fn rules_are_compiled() {
    let spec = "  mode: Enforce\n  defaultAction: Deny\n  rules:\n  - name: partners\n    action: Allow\n    \
                hosts: [api.example.com, '*.example.org', 192.0.2.0/24]\n    ports: [443, '8000-8999', '80']\n    \
                methods: [GET]\n    paths: [/v1/]\n  - action: Deny\n    hosts: [bad.test]\n  \
                addresses: {allow: [10.20.0.0/16], deny: [203.0.113.7, '2001:db8::/32']}\n";
    let text = policy("p", "infra", &format!("{}{spec}", targets("{Gateway: gw}")));
    let compiled = with_base(&format!("{text}{}", two_rules()));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let egress = egress(&compiled, "/");
    let check = |target: &str| {
        let (host, port) = target.rsplit_once(':').unwrap();
        let (host, port) = (host.parse().unwrap(), port.parse().unwrap());
        let request = Some((&http::Method::GET, "/v1/x"));
        let attempt = EgressRequest {
            request,
            ..tunnel(&host, port)
        };
        let decision = egress.check(attempt);
        format!(
            "{:?} {}",
            decision.action,
            decision.rule.map_or("-", |rule| &**rule)
        )
    };
    assert_eq!(check("api.example.com:443"), "Allow partners");
    assert_eq!(check("a.example.org:8999"), "Allow partners");
    assert_eq!(check("192.0.2.7:80"), "Allow partners");
    assert_eq!(check("api.example.com:444"), "Deny -");
    assert_eq!(check("bad.test:444"), "Deny rule-1");
    let host = "a.example.org".parse().unwrap();
    for (address, expected) in [
        ("10.20.1.1", true),
        ("10.21.1.1", false),
        ("203.0.113.7", false),
    ] {
        let attempt = tunnel(&host, Port::HTTP);
        let allowed = egress.check_address(address.parse().unwrap(), attempt);
        assert_eq!(allowed.is_ok(), expected, "{address}");
    }
}

#[test]
fn every_spelling_of_a_path_is_judged_and_routed_alike() {
    let paths = "['/v1/x:delete', /@admin, /k\u{e4}se, '/a%2fb']";
    let spec = format!("  rules: [{{action: Deny, paths: {paths}}}]\n");
    let text = policy("p", "infra", &format!("{}{spec}", targets("{Gateway: gw}")));
    let rules = route(&format!(
        "  rules:\n  - {TO_DFP}\n    matches:\n    - path: {{type: Exact, value: '/k%c3%a4se'}}\n    \
         - path: {{value: '/%40admin'}}\n    - path: {{value: '/v1/x:delete'}}\n    - path: {{value: /a%2Fb}}\n"
    ));
    let compiled = with_base(&format!("{text}{rules}"));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let host = "a.b".parse().unwrap();
    for path in [
        "/v1/x%3Adelete",
        "/v1/%78%3adelete/y",
        "/%40admin",
        "/@admin/x",
        "/k%C3%A4se",
        "/k%c3%a4se",
        "/k\u{e4}se",
        "/a%2fb",
        "/a%2Fb",
    ] {
        let path = normalize_path(path);
        let egress = egress(&compiled, &path);
        let decision = egress.check(EgressRequest {
            request: Some((&http::Method::GET, &path)),
            ..tunnel(&host, Port::HTTP)
        });
        assert_eq!(decision.action, EgressAction::Deny, "{path}");
    }
}

const WRONG: [(&str, &str); 16] = [
    ("rules: [{action: Allow, hosts: []}]", "spec.rules[0].hosts"),
    ("rules: [{action: Allow, ports: []}]", "spec.rules[0].ports"),
    (
        "rules: [{action: Allow, methods: []}]",
        "spec.rules[0].methods",
    ),
    ("rules: [{action: Allow, paths: []}]", "spec.rules[0].paths"),
    (
        "rules: [{action: Deny, hosts: ['*']}]",
        "spec.rules[0].hosts[0]",
    ),
    (
        "rules: [{action: Deny, hosts: [a, 'b c']}]",
        "spec.rules[0].hosts[1]",
    ),
    (
        "rules: [{action: Deny, ports: [0]}]",
        "spec.rules[0].ports[0]",
    ),
    (
        "rules: [{action: Deny, ports: [65536]}]",
        "spec.rules[0].ports[0]",
    ),
    (
        "rules: [{action: Deny, ports: ['9-8']}]",
        "spec.rules[0].ports[0]",
    ),
    (
        "rules: [{action: Deny, ports: ['1-']}]",
        "spec.rules[0].ports[0]",
    ),
    (
        "rules: [{action: Deny, methods: [get]}]",
        "spec.rules[0].methods[0]",
    ),
    (
        "rules: [{action: Deny, paths: [v1]}]",
        "spec.rules[0].paths[0]",
    ),
    (
        "rules: [{action: Deny, paths: [/a/../b]}]",
        "spec.rules[0].paths[0]",
    ),
    (
        "addresses: {allow: [10.0.0.0/33]}",
        "spec.addresses.allow[0]",
    ),
    ("addresses: {deny: [localhost]}", "spec.addresses.deny[0]"),
    (
        "addresses: {deny: ['::ffff:10.0.0.0/104']}",
        "spec.addresses.deny[0]",
    ),
];

#[test]
fn a_wrong_policy_refuses_what_it_targets_and_nothing_else() {
    for (line, field) in WRONG {
        let text = policy(
            "p",
            "apps",
            &format!("{}  {line}\n", targets("{HTTPRoute: r, sectionName: main}")),
        );
        let compiled = with_base(&format!("{text}{}", two_rules()));
        let problems = problems(&compiled);
        let expected = format!("t.yaml:20: EgressPolicy apps/p: {field}: ");
        assert!(
            problems.iter().any(|p| p.starts_with(&expected)),
            "{expected} {problems:?}"
        );
        assert!(
            condition(&compiled, "EgressPolicy apps/p", "Accepted")
                .starts_with(&format!("false Invalid: {field}: "))
        );
        assert!(get(&compiled, "a.b").starts_with(&format!("refuse EgressPolicy apps/p: {field}")));
        assert_eq!(
            super::answer(&compiled, 8080, "a.b", "/side"),
            "1*dynamic apps/dfp"
        );
        let programmed = condition(&compiled, "HTTPRoute apps/r", "kgateway.dev/Programmed");
        assert!(programmed.starts_with(
            "false RouteRuleReplaced: Replaced Rule (0): spec.rules[0]: EgressPolicy apps/p"
        ));
    }
}

#[test]
fn a_condition_without_a_value_is_not_any() {
    for name in ["hosts", "ports", "methods", "paths", "clients", "addresses"] {
        let spec = format!("  rules: [{{action: Allow, {name}: }}]\n");
        let text = policy("p", "infra", &format!("{}{spec}", targets("{Gateway: gw}")));
        let errors = super::errors(&text);
        let expected = format!("EgressPolicy infra/p: spec.rules[0].{name}: ");
        assert!(
            errors.len() == 1 && errors[0].contains(&expected),
            "{errors:?}"
        );
    }
}

#[test]
fn hosts_that_are_something_else_are_told_what_they_are() {
    for (host, message) in [
        ("'api.example.com:443'", "a port belongs in ports"),
        (
            "'https://api.example.com/'",
            "a host, not a URL, is needed here",
        ),
        ("'::ffff:10.0.0.1'", "write IPv4-mapped addresses as IPv4"),
        (
            "'::ffff:10.0.0.0/104'",
            "write IPv4-mapped addresses as IPv4",
        ),
    ] {
        let spec = format!("  rules: [{{action: Deny, hosts: [{host}]}}]\n");
        let compiled = with_base(&policy(
            "p",
            "infra",
            &format!("{}{spec}", targets("{Gateway: gw}")),
        ));
        let expected = format!("EgressPolicy infra/p: spec.rules[0].hosts[0]: {message}");
        let problems = problems(&compiled);
        assert!(
            problems.iter().any(|p| p.ends_with(&expected)),
            "{problems:?}"
        );
    }
}

#[test]
fn exceptions_are_for_gateways_only() {
    let allow = "  addresses: {allow: [10.0.0.0/8]}\n";
    for target in ["{HTTPRoute: r}", "{Backend: dfp}"] {
        let text = policy("p", "apps", &format!("{}{allow}", targets(target)));
        let compiled = with_base(&format!("{text}{}", two_rules()));
        assert!(
            problems(&compiled)[0]
                .starts_with("t.yaml:20: EgressPolicy apps/p: spec.addresses.allow: ")
        );
        assert!(get(&compiled, "a.b").contains("refuse EgressPolicy apps/p"));
    }
    let text = policy(
        "p",
        "infra",
        &format!("{}{allow}", targets("{Gateway: gw, sectionName: http}")),
    );
    let compiled = with_base(&text);
    assert!(compiled.report.accepted());
    let audited = with_base(&text.replace("  addresses:", "  mode: Audit\n  addresses:"));
    assert!(audited.report.accepted());
    let warning = &warnings(&audited)[0];
    assert!(
        warning.contains("EgressPolicy infra/p: spec.addresses.allow: has no effect in mode Audit"),
        "{warning}"
    );
}

#[test]
fn tunnels_are_closed_unless_they_are_kept() {
    for (line, expected) in [
        ("", false),
        ("  tunnels: Close\n", false),
        ("  tunnels: Keep\n", true),
    ] {
        let text = policy("p", "infra", &format!("{}{line}", targets("{Gateway: gw}")));
        let compiled = with_base(&format!("{text}{}", two_rules()));
        let rules = &egress(&compiled, "/").policies[0];
        assert_eq!(rules.keeps_tunnels, expected, "{line}");
    }
    let text = policy("p", "infra", "  targetRefs: []\n  tunnels: keep\n");
    assert!(super::errors(&text)[0].contains("EgressPolicy infra/p: spec.tunnels: "));
}

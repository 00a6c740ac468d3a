//! `httpUpgrade` of TrafficPolicies.

use super::{
    BACKEND, BASE, CompiledConfig, GATEWAY, ROUTE, aged, condition, errors, get, kgateway_policy,
    problems, rule, warnings, with_route,
};
use crate::snapshot::AllowedUpgrades;

const AT: &str = "TrafficPolicy apps/p";
const TUNNELS: &str = "{type: CONNECT, connect: {terminate: true}}";

fn on(target: &str, name: &str, line: &str) -> String {
    let namespace = if target.contains("kind: Gateway") {
        "infra"
    } else {
        "apps"
    };
    let spec = format!("  targetRefs: [{target}]\n  {line}\n");
    kgateway_policy("TrafficPolicy", name, namespace, &spec)
}

fn upgrades(compiled: &CompiledConfig) -> &AllowedUpgrades {
    rule(compiled, 8080, "a.b", "/")
        .unwrap()
        .policies
        .upgrades()
}

fn of(connect: bool, protocols: &[&str]) -> AllowedUpgrades {
    AllowedUpgrades {
        connect,
        protocols: protocols.iter().copied().map(Into::into).collect(),
    }
}

#[test]
fn what_is_listed_is_let_through_and_nothing_else() {
    assert_eq!(*upgrades(&with_route("")), of(true, &["websocket"]));
    let all = format!("[{{type: WebSocket}}, {TUNNELS}, {{type: SPDY/3.1}}]");
    for (list, expected) in [
        (all.as_str(), of(true, &["websocket", "spdy/3.1"])),
        ("[{type: websocket}]", of(false, &["websocket"])),
        (
            "[{type: connect, connect: {terminate: true}}]",
            of(true, &[]),
        ),
        ("[]", of(false, &[])),
    ] {
        let compiled = with_route(&on(ROUTE, "p", &format!("httpUpgrade: {list}")));
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        assert_eq!(*upgrades(&compiled), expected, "{list}");
    }
}

#[test]
fn the_narrowest_policy_decides() {
    let section =
        |target: &str, name: &str| target.replace('}', &format!(", sectionName: {name}}}"));
    let mut text = String::new();
    for (target, name) in [
        (GATEWAY.to_owned(), "gateway"),
        (section(GATEWAY, "http"), "listener"),
        (ROUTE.to_owned(), "route"),
        (section(ROUTE, "main"), "rule"),
    ] {
        text += &on(&target, name, &format!("httpUpgrade: [{{type: {name}}}]"));
        text += &on(&target, &format!("r{name}"), "retry: {retryOn: [5xx]}");
        let compiled = with_route(&text);
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        assert_eq!(*upgrades(&compiled), of(false, &[name]));
    }
}

#[test]
fn fields_of_policies_on_one_target_are_settled_one_by_one() {
    let older = aged(&on(ROUTE, "a", "httpUpgrade: [{type: a}]"), 2020);
    let younger = on(
        ROUTE,
        "b",
        "httpUpgrade: [{type: b}]\n  retry: {retryOn: [5xx]}",
    );
    let compiled = with_route(&format!("{older}{younger}"));
    assert_eq!(*upgrades(&compiled), of(false, &["a"]));
    assert!(
        rule(&compiled, 8080, "a.b", "/")
            .unwrap()
            .policies
            .retry
            .value()
            .is_some()
    );
    assert!(condition(&compiled, "TrafficPolicy apps/b", "Attached").starts_with("true Merged"));
    let expected = "TrafficPolicy apps/b: spec.httpUpgrade: the older TrafficPolicy apps/a decides at HTTPRoute apps/r";
    assert!(warnings(&compiled).iter().any(|w| w.ends_with(expected)));

    let only = on(ROUTE, "b", "httpUpgrade: [{type: b}]");
    let compiled = with_route(&format!("{older}{only}"));
    assert!(
        condition(&compiled, "TrafficPolicy apps/b", "Attached").starts_with("false Overridden")
    );
}

#[test]
fn what_is_wrong_is_named_and_fails_closed() {
    const PASSED_ON: &str =
        "true is needed: passing a CONNECT on to another proxy is not supported yet";
    const NOT_ONE: &str = "not a protocol (RFC 9110 7.8)";
    let many: Vec<_> = (0..17).map(|n| format!("{{type: p{n}}}")).collect();
    let many = format!("[{}]", many.join(", "));
    for (list, field, message) in [
        ("[{type: CONNECT}]", "[0].connect.terminate", PASSED_ON),
        (
            "[{type: a}, {type: connect, connect: {}}]",
            "[1].connect.terminate",
            PASSED_ON,
        ),
        (
            "[{type: CONNECT, connect: {terminate: false}}]",
            "[0].connect.terminate",
            PASSED_ON,
        ),
        (
            "[{type: websocket}, {type: WebSocket}]",
            "[1].type",
            "given twice",
        ),
        (
            "[{type: websocket, connect: {terminate: true}}]",
            "[0].connect",
            "only for the type CONNECT",
        ),
        ("[{type: ''}]", "[0].type", NOT_ONE),
        ("[{type: 'a b'}]", "[0].type", NOT_ONE),
        (
            "[{type: H2C}]",
            "[0].type",
            "not supported as an upgrade: HTTP/2 is served with prior knowledge",
        ),
        ("[{type: a/}]", "[0].type", NOT_ONE),
        (many.as_str(), "", "at most 16 are allowed"),
    ] {
        let compiled = with_route(&on(ROUTE, "p", &format!("httpUpgrade: {list}")));
        let fault = format!("spec.httpUpgrade{field}: {message}");
        let expected = format!("t.yaml:20: {AT}: {fault}");
        assert!(problems(&compiled).contains(&expected), "{list}");
        assert_eq!(get(&compiled, "a.b"), format!("refuse {AT}: {fault}"));
        assert_eq!(
            condition(&compiled, AT, "Accepted"),
            format!("false Invalid: {fault}")
        );
    }
    for (list, error) in [
        ("[{}]", "[0].type: is required"),
        ("[{type: a, enabled: true}]", "unknown field"),
    ] {
        let text = format!(
            "{BASE}---\n{}",
            on(ROUTE, "p", &format!("httpUpgrade: {list}"))
        );
        let errors = errors(&text);
        assert!(errors[0].contains(error), "{errors:?}");
    }
    let backend = with_route(&on(BACKEND, "p", "httpUpgrade: []"));
    assert!(problems(&backend)[0].contains("Backend cannot be a target here"));
}

#[test]
fn a_traffic_policy_goes_before_that_of_the_listener() {
    let target = format!("  targetRefs: [{GATEWAY}]\n");
    let listener = format!(
        "{target}  default: {{httpSettings: {{upgradeConfig: {{enabledUpgrades: [spdy, CONNECT]}}}}}}\n"
    );
    let listener = kgateway_policy("ListenerPolicy", "l", "infra", &listener);
    assert_eq!(*upgrades(&with_route(&listener)), of(true, &["spdy"]));
    for target in [GATEWAY, ROUTE] {
        let policy = on(target, "p", "httpUpgrade: [{type: websocket}]");
        let compiled = with_route(&format!("{listener}{policy}"));
        assert_eq!(*upgrades(&compiled), of(false, &["websocket"]));
    }
}

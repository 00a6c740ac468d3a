//! kgateway's annotations: obeyed, or faults.

use super::{
    BACKEND, BASE, CompiledConfig, GATEWAY, ROUTE, TO_DFP, aged, condition, describe, get,
    kgateway_policy, problems, route, route_named, rule, run, warnings, with_base, with_route,
};

/// The object with an annotation.
fn annotated(object: &str, name: &str, value: &str) -> String {
    let annotations = format!("metadata: {{annotations: {{{name}: {value:?}}}, ");
    object.replacen("metadata: {", &annotations, 1)
}

fn retries(name: &str, attempts: u32) -> String {
    let spec =
        format!("  targetRefs: [{ROUTE}]\n  retry: {{attempts: {attempts}, statusCodes: [503]}}\n");
    kgateway_policy("TrafficPolicy", name, "apps", &spec)
}

fn attempts(compiled: &CompiledConfig) -> Option<u32> {
    let rule = rule(compiled, 8080, "a.b", "/").unwrap();
    rule.policies.retry.value().map(|retry| retry.attempts)
}

#[test]
fn a_heavier_policy_takes_precedence_over_an_older_one() {
    const WEIGHT: &str = "kgateway.dev/policy-weight";
    for (old, young, expected) in [
        ("0", "0", 1),
        ("1", "90", 2),
        ("90", "1", 1),
        ("-1", "0", 2),
        ("7", "7", 1),
    ] {
        let why = if old == young { "older" } else { "heavier" };
        let old = annotated(&aged(&retries("old", 1), 2020), WEIGHT, old);
        let young = annotated(&aged(&retries("young", 2), 2024), WEIGHT, young);
        let compiled = with_route(&format!("{old}{young}"));
        assert_eq!(attempts(&compiled), Some(expected), "{old} {young}");
        let (loser, winner) = match expected {
            2 => ("old", "young"),
            _ => ("young", "old"),
        };
        let told = match why {
            "older" => problems(&compiled),
            _ => warnings(&compiled),
        };
        assert_eq!(compiled.report.accepted(), why == "heavier");
        let told = told.join("\n");
        let expected = format!(
            "TrafficPolicy apps/{loser}: spec.targetRefs: overridden at HTTPRoute apps/r by the {why} TrafficPolicy apps/{winner}"
        );
        assert!(told.ends_with(&expected), "{told}");
    }
    let compiled = with_route(&annotated(&retries("p", 1), WEIGHT, "heavy"));
    assert!(get(&compiled, "a.b").starts_with("refuse TrafficPolicy apps/p"));
    let expected = "metadata.annotations.kgateway.dev/policy-weight: not a whole number";
    assert!(problems(&compiled)[0].contains(expected));
}

#[test]
fn the_status_of_a_redirect_is_that_of_the_annotation() {
    let rule_of = |name: &str| {
        format!(
            "  - name: {name}\n    matches: [{{path: {{value: /{name}}}}}]\n    \
             filters: [{{type: RequestRedirect, requestRedirect: {{hostname: w.example, statusCode: 302}}}}]\n"
        )
    };
    let rules = route(&format!("  rules:\n{}{}", rule_of("a"), rule_of("b")));
    for (value, a, b) in [
        ("307", "redirect 307", "redirect 307"),
        ("b=308", "redirect 302", "redirect 308"),
        ("301, b=303", "redirect 301", "redirect 303"),
    ] {
        let compiled = with_base(&annotated(
            &rules,
            "kgateway.dev/http-redirect-status-code",
            value,
        ));
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        let answer = |path: &str| describe(rule(&compiled, 8080, "a.b", path).unwrap());
        assert_eq!([answer("/a"), answer("/b")], [a, b], "{value}");
    }
    for wrong in ["200", "b=", "x"] {
        let compiled = with_base(&annotated(
            &rules,
            "kgateway.dev/http-redirect-status-code",
            wrong,
        ));
        assert!(
            describe(rule(&compiled, 8080, "a.b", "/a").unwrap()).starts_with("refuse "),
            "{wrong}"
        );
        assert!(!compiled.report.accepted());
    }
}

#[test]
fn a_heavier_route_goes_before_a_more_specific_one() {
    let to = |name: &str, path: &str, status: u32| {
        route_named(
            name,
            &format!(
                "  rules:\n  - matches: [{{path: {{value: {path}}}}}]\n    \
                 filters: [{{type: RequestRedirect, requestRedirect: {{statusCode: {status}}}}}]\n"
            ),
        )
    };
    let (light, heavy) = (to("a", "/x", 301), to("z", "/", 302));
    let answer = |text: String| {
        let compiled = with_base(&text);
        describe(rule(&compiled, 8080, "a.b", "/x").unwrap())
    };
    assert_eq!(answer(format!("{light}{heavy}")), "redirect 301");
    let heavy = annotated(&heavy, "kgateway.dev/route-weight", "100");
    assert_eq!(answer(format!("{light}{heavy}")), "redirect 302");
    let light = annotated(&light, "kgateway.dev/route-weight", "101");
    assert_eq!(answer(format!("{light}{heavy}")), "redirect 301");
}

#[test]
fn what_is_not_obeyed_is_a_fault_and_fails_closed() {
    let rules = route(&format!("  rules:\n  - name: main\n    {TO_DFP}\n"));
    for (name, value, message) in [
        (
            "kgateway.dev/inherited-policy-priority",
            "ShallowMergePreferParent",
            "ShallowMergePreferParent is not supported yet; ShallowMergePreferChild is",
        ),
        (
            "kgateway.dev/per-connection-buffer-limit",
            "32768",
            "not supported yet",
        ),
        (
            "delegation.kgateway.dev/inherit-parent-matcher",
            "true",
            "not supported yet",
        ),
        (
            "kgateway.dev/http-redirect-status-cod",
            "307",
            "unknown annotation; did you mean kgateway.dev/http-redirect-status-code?",
        ),
    ] {
        let fault = format!("metadata.annotations.{name}: {message}");
        let compiled = with_base(&annotated(&rules, name, value));
        assert_eq!(
            get(&compiled, "a.b"),
            format!("refuse HTTPRoute apps/r: {fault}")
        );
        assert_eq!(
            condition(&compiled, "HTTPRoute apps/r", "Accepted"),
            format!("false UnsupportedValue: {fault}")
        );
        let compiled = run(&format!("{}{rules}", annotated(BASE, name, value)));
        assert!(compiled.snapshot.sockets.is_empty());
        assert_eq!(
            condition(&compiled, "Gateway infra/gw", "Accepted"),
            format!("false Invalid: {fault}")
        );
        let compiled = with_route(&annotated(&retries("p", 1), name, value));
        assert!(get(&compiled, "a.b").starts_with("refuse TrafficPolicy apps/p"));
    }
    for (name, value) in [
        (
            "kgateway.dev/inherited-policy-priority",
            "ShallowMergePreferChild",
        ),
        ("example.com/owner", "me"),
        ("kubectl.kubernetes.io/last-applied-configuration", "{}"),
    ] {
        let compiled = with_base(&annotated(&rules, name, value));
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
    }
}

#[test]
fn a_selector_that_matches_nothing_is_a_problem() {
    for (kind, target, spec) in [
        (
            "TrafficPolicy",
            GATEWAY,
            "retry: {attempts: 1, statusCodes: [503]}",
        ),
        ("HTTPListenerPolicy", GATEWAY, "accessLog: []"),
        ("ListenerPolicy", GATEWAY, "default: {}"),
        ("BackendConfigPolicy", BACKEND, "connectTimeout: 1s"),
    ] {
        let (object, _) = target.split_once(", name").unwrap();
        let of_kind = object.rsplit_once(' ').unwrap().1;
        let spec =
            format!("  targetSelectors: [{object}, matchLabels: {{team: typo}}}}]\n  {spec}\n");
        let compiled = with_route(&kgateway_policy(kind, "p", "infra", &spec));
        let expected = format!(
            "t.yaml:19: {kind} infra/p: spec.targetSelectors[0]: no {of_kind} of the namespace infra has the labels team=typo"
        );
        assert!(
            problems(&compiled).contains(&expected),
            "{:?}",
            problems(&compiled)
        );
        assert!(!compiled.report.accepted());
    }
}

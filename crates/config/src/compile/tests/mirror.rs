//! `RequestMirror` filters of routes, and `requestMirror` of TrafficPolicies.

use super::{
    CompiledConfig, ROUTE, TO_DFP, condition, get, kgateway_policy, problems, request, route,
    route_of, rule, with_base, with_route,
};

use crate::snapshot::RuleAction;

const RECORDER: &str = "---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: recorder, namespace: apps}
spec: {type: Static, static: {hosts: [{host: recorder.test, port: 80}]}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: far, namespace: vault}
spec: {type: Static, static: {hosts: [{host: far.test, port: 80}]}}
";

fn filter(fields: &str) -> String {
    format!("{{type: RequestMirror, requestMirror: {{{fields}}}}}")
}

fn to(name: &str) -> String {
    format!("backendRef: {{name: {name}, group: gateway.kgateway.dev, kind: Backend}}")
}

fn with_filters(filters: &[String]) -> CompiledConfig {
    let filters = filters.join(", ");
    let route = route(&format!("  rules: [{{{TO_DFP}, filters: [{filters}]}}]\n"));
    with_base(&format!("{route}{RECORDER}"))
}

/// The mirrors of the rule for `a.b`: the share and the destination of each.
fn mirrors(compiled: &CompiledConfig) -> Vec<String> {
    let rule = rule(compiled, 8080, "a.b", "/").unwrap();
    let mirror = |mirror: &std::sync::Arc<crate::snapshot::RequestMirror>| {
        let json = serde_json::to_value(&**mirror).unwrap();
        let (share, to) = (&json["share"], &json["backend"]["destination"]);
        let (kind, to) = to.as_object().unwrap().iter().next().unwrap();
        let to = to["backend"].as_str().unwrap();
        format!(
            "{}/{} {kind} {to}",
            share["numerator"], share["denominator"]
        )
    };
    rule.mirrors.iter().map(mirror).collect()
}

#[test]
fn a_rule_has_any_number_of_mirrors_each_with_its_share() {
    let recorder = to("recorder");
    let filters = [
        "",
        "percent: 20,",
        "percent: 0,",
        "fraction: {numerator: 5, denominator: 1000},",
        "fraction: {numerator: 50},",
        "fraction: {numerator: 0},",
    ];
    let filters = filters.map(|share| filter(&format!("{share} {recorder}")));
    let compiled = with_filters(&filters);
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let expected = ["100/100", "20/100", "5/1000", "50/100"];
    let expected = expected.map(|share| format!("{share} Static Backend apps/recorder"));
    assert_eq!(mirrors(&compiled), expected);
    assert_eq!(get(&compiled, "a.b"), "1*dynamic apps/dfp");
    // A proxy that serves the Gateway needs what the Backend of a mirror refers to.
    let used = crate::compile::usage::of(&compiled.snapshot.sockets);
    let mut used = used.values().flat_map(|used| &used.objects);
    assert!(used.any(|object| &*object.name == "recorder"));
}

#[test]
fn a_share_is_drawn_by_lot() {
    let share = crate::snapshot::MirrorShare::new;
    assert!(share(0, 100).is_none() && share(101, 100).is_none() && share(0, 0).is_none());
    let fifth = share(20, 100).unwrap();
    let drawn = (0..100).filter(|ticket| fifth.includes(|_| *ticket));
    assert_eq!(drawn.count(), 20);
    // Nothing is drawn for all of them.
    assert!(share(7, 7).unwrap().includes(|_| unreachable!("no lot")));
}

#[test]
fn a_mirror_that_leads_nowhere_is_left_out_and_told() {
    for (backend, reason, message) in [
        (to("gone"), "BackendNotFound", "Backend apps/gone not found"),
        (
            "backendRef: {name: s, port: 80}".to_owned(),
            "BackendNotFound",
            "Service apps/s not found",
        ),
        (
            "backendRef: {name: x, group: example.com, kind: Odd}".to_owned(),
            "InvalidKind",
            "unknown backend kind: example.com/Odd",
        ),
        (
            to("far, namespace: vault"),
            "RefNotPermitted",
            "missing reference grant for Backend vault/far",
        ),
    ] {
        let compiled = with_filters(&[filter(&backend), filter(&to("recorder"))]);
        assert_eq!(
            mirrors(&compiled),
            ["100/100 Static Backend apps/recorder"],
            "{backend}"
        );
        let resolved = condition(&compiled, "HTTPRoute apps/r", "ResolvedRefs");
        assert_eq!(resolved, format!("false {reason}: {message}"));
        let told = problems(&compiled);
        let field = "spec.rules[0].filters[0].requestMirror.backendRef";
        assert!(told[0].contains(field), "{told:?}");
        assert_eq!(get(&compiled, "a.b"), "1*dynamic apps/dfp");
    }
}

#[test]
fn a_share_is_a_part_of_the_whole() {
    let recorder = to("recorder");
    for (share, fault) in [
        (
            "percent: 5, fraction: {numerator: 1},",
            ": Only one of percent or fraction may be specified in HTTPRequestMirrorFilter",
        ),
        ("percent: 101,", ".percent: 0 to 100 is allowed"),
        ("percent: -1,", ".percent: 0 to 100 is allowed"),
        (
            "fraction: {numerator: 1, denominator: 0},",
            ".fraction.denominator: 1 or more is allowed",
        ),
        (
            "fraction: {numerator: 101},",
            ".fraction: numerator must be less than or equal to denominator",
        ),
        (
            "fraction: {numerator: -1},",
            ".fraction: numerator must be less than or equal to denominator",
        ),
    ] {
        let compiled = with_filters(&[filter(&format!("{share} {recorder}"))]);
        let told = problems(&compiled);
        let expected = format!("HTTPRoute apps/r: spec.rules[0].filters[0].requestMirror{fault}");
        assert!(told[0].ends_with(&expected), "{expected} {told:?}");
        assert!(get(&compiled, "a.b").starts_with("refuse "), "{share}");
    }
}

#[test]
fn calls_of_a_grpc_route_are_mirrored_too() {
    let filter = filter(&to("recorder"));
    let spec = format!("  rules: [{{{TO_DFP}, filters: [{filter}]}}]\n");
    let compiled = with_base(&format!("{}{RECORDER}", route_of("GRPCRoute", "g", &spec)));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let call = request(&compiled, (8080, "a.b"), (&http::Method::POST, "/s/m"), &[]);
    assert_eq!(call.unwrap().mirrors.len(), 1);
}

/// What one of two backends refers to is mirrored when that one is chosen, with what else it changes.
#[test]
fn a_backend_has_mirrors_of_its_own() {
    for (kind, call) in [
        ("HTTPRoute", http::Method::GET),
        ("GRPCRoute", http::Method::POST),
    ] {
        let dfp = "name: dfp, group: gateway.kgateway.dev, kind: Backend";
        let edit =
            "{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: b}]}}";
        let own = filter(&format!("percent: 20, {}", to("recorder")));
        let lost = filter(&to("gone"));
        let spec = format!(
            "  rules: [{{backendRefs: [{{{dfp}}}, {{{dfp}, filters: [{own}, {edit}, {lost}]}}]}}]\n"
        );
        let compiled = with_base(&format!("{}{RECORDER}", route_of(kind, "r", &spec)));
        let told = problems(&compiled);
        let expected = "spec.rules[0].backendRefs[1].filters[2].requestMirror.backendRef: \
                        Backend apps/gone not found";
        assert!(told.len() == 1 && told[0].contains(expected), "{told:?}");
        let rule = request(&compiled, (8080, "a.b"), (&call, "/s/m"), &[]).unwrap();
        assert!(rule.mirrors.is_empty());
        let RuleAction::Forward(backends) = &rule.action else {
            panic!("not forwarded");
        };
        let [plain, mirrored] = &*backends.backends else {
            panic!("two backends");
        };
        assert!(plain.mirrors.is_empty());
        let [mirror] = &*mirrored.mirrors else {
            panic!("one mirror");
        };
        assert_eq!(
            Some(mirror.share),
            crate::snapshot::MirrorShare::new(20, 100)
        );
        assert_eq!(mirror.backend.filters, mirrored.filters);
        assert_eq!(mirror.backend.filters.request_headers.set.len(), 1);
        let used = crate::compile::usage::of(&compiled.snapshot.sockets);
        let mut used = used.values().flat_map(|used| &used.objects);
        assert!(used.any(|object| &*object.name == "recorder"));
    }
}

#[test]
fn a_policy_decides_the_host_of_copies() {
    for (spec, expected) in [
        ("{disableShadowHostSuffixAppend: true}", r#""Unchanged""#),
        ("{disableShadowHostSuffixAppend: false}", r#""Shadow""#),
        (
            "{hostRewriteLiteral: 'B.test:81'}",
            r#"{"Literal":"b.test:81"}"#,
        ),
        (
            "{hostRewriteLiteral: b.test, disableShadowHostSuffixAppend: false}",
            r#"{"Literal":"b.test"}"#,
        ),
    ] {
        let spec = format!("  targetRefs: [{ROUTE}]\n  requestMirror: {spec}\n");
        let compiled = with_route(&kgateway_policy("TrafficPolicy", "p", "apps", &spec));
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        let rule = rule(&compiled, 8080, "a.b", "/").unwrap();
        let host = rule.policies.request_mirror.value();
        assert_eq!(serde_json::to_string(&host).unwrap(), expected);
    }
    for (spec, fault) in [
        (
            "{}",
            ": at least one of the fields in [disableShadowHostSuffixAppend hostRewriteLiteral] must be set",
        ),
        ("{hostRewriteLiteral: 'a b'}", ".hostRewriteLiteral: "),
    ] {
        let spec = format!("  targetRefs: [{ROUTE}]\n  requestMirror: {spec}\n");
        let compiled = with_route(&kgateway_policy("TrafficPolicy", "p", "apps", &spec));
        let told = problems(&compiled);
        let expected = format!("TrafficPolicy apps/p: spec.requestMirror{fault}");
        assert!(told[0].contains(&expected), "{expected} {told:?}");
    }
}
